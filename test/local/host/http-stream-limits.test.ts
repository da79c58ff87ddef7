/** What the forward hop does when a side stalls, leaves, or says nothing. */
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { subscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { app } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';

app.setup({ enableHttpStream: true });
beforeEach(emptyApp);

const CHUNK = Buffer.alloc(64 * 1024, 'x');

function rawGet(url: string): Socket {
  const { port, pathname } = new URL(url);
  const socket = createConnection(Number(port), '127.0.0.1');
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return socket;
}

test('a reader that stalls stalls the hop: its socket asks for a pause, and goes on when the reader does', async () => {
  const CHUNKS = 400;
  let hop: ServerResponse | undefined;
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    if (request.headers['x-ms-invocation-id'] !== undefined) hop = response;
  });
  let written = 0;
  app.http('much', {
    handler: () => ({
      body: new ReadableStream({
        // What product code does on the platform: it watches the socket of the hop, because its own writes never wait.
        async pull(controller) {
          if (hop?.writableNeedDrain) await once(hop, 'drain');
          controller.enqueue(CHUNK);
          written += 1;
          if (written === CHUNKS) controller.close();
        },
      }),
    }),
  });
  await using running = await runApp();
  const socket = rawGet(`${running.host.url}/api/much`);
  socket.pause();
  let before = -1;
  await until(async () => {
    const stalled = written === before && written > 0;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return stalled;
  });
  // Socket buffers of four ends, and nothing that grows.
  expect(written).toBeLessThan(CHUNKS / 2);
  let received = 0;
  socket.on('data', (data) => (received += data.length)).resume();
  await until(() => received > CHUNKS * CHUNK.length);
  expect(written).toBe(CHUNKS);
  socket.destroy();
});

test('an upload is not read faster than the function reads it', async () => {
  const go = Promise.withResolvers<void>();
  app.http('eats', {
    methods: ['POST'],
    handler: async (request) => {
      await go.promise;
      let size = 0;
      for await (const chunk of request.body as AsyncIterable<Uint8Array>) size += chunk.length;
      return { body: String(size) };
    },
  });
  await using running = await runApp();
  const upload = httpRequest(`${running.host.url}/api/eats`, {
    method: 'POST',
    headers: { 'transfer-encoding': 'chunked' },
  });
  const TOTAL = 200;
  let sent = 0;
  while (sent < TOTAL && upload.write(CHUNK)) sent += 1;
  expect(sent).toBeLessThan(TOTAL);
  go.resolve();
  for (sent += 1; sent < TOTAL; sent += 1) if (!upload.write(CHUNK)) await once(upload, 'drain');
  upload.end();
  const [response] = (await once(upload, 'response')) as [IncomingMessage];
  expect(Buffer.concat(await response.toArray()).toString()).toBe(String(TOTAL * CHUNK.length));
});

test('a chunked body above the limit is cut off with 413', async () => {
  app.http('eats', {
    methods: ['POST'],
    handler: async (request) => ({ body: String((await request.text()).length) }),
  });
  await using running = await runApp({ environment: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '1000' } });
  const upload = httpRequest(`${running.host.url}/api/eats`, {
    method: 'POST',
    headers: { 'transfer-encoding': 'chunked' },
  });
  upload.on('error', () => {});
  upload.write('x'.repeat(600));
  upload.end('x'.repeat(600));
  const [response] = (await once(upload, 'response')) as [IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(413);
});

test('a body that was not read to its end costs the next request nothing, on the same connection or another', async () => {
  app.http('refuses', {
    methods: ['POST'],
    handler: () => ({ status: 413 }),
  });
  app.http('echoes', { methods: ['POST'], handler: async (request) => ({ body: await request.text() }) });
  await using running = await runApp();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < 5; round += 1) {
    const upload = httpRequest(`${running.host.url}/api/refuses`, {
      method: 'POST',
      agent,
      headers: { 'transfer-encoding': 'chunked' },
    });
    for (let sent = 0; sent < 16; sent += 1) upload.write(CHUNK);
    upload.end();
    const [refused] = (await once(upload, 'response')) as [IncomingMessage];
    await refused.toArray();
    expect(refused.statusCode).toBe(413);
    const next = httpRequest(`${running.host.url}/api/echoes`, { method: 'POST', agent });
    next.end('next');
    const [response] = (await once(next, 'response')) as [IncomingMessage];
    expect([response.statusCode, Buffer.concat(await response.toArray()).toString()]).toEqual([200, 'next']);
  }
  agent.destroy();
});

test('without a byte for the activity timeout the exchange ends: 504 before the head, a cut after it', async () => {
  app.http('silent', { handler: () => undefined as never });
  let quiet: ReadableStreamDefaultController | undefined;
  app.http('quiet', {
    handler: () => ({
      body: new ReadableStream({
        start: (controller) => {
          controller.enqueue(Buffer.from(': ok\n\n'));
          quiet = controller;
        },
      }),
    }),
  });
  await using running = await runApp({ strictHang: true, activityTimeoutMs: 300 });
  const startedAt = performance.now();
  expect((await fetch(`${running.host.url}/api/silent`)).status).toBe(504);
  expect(performance.now() - startedAt).toBeGreaterThan(250);
  const cut = await fetch(`${running.host.url}/api/quiet`);
  expect(cut.status).toBe(200);
  await expect(cut.text()).rejects.toThrow('terminated');
  quiet?.close();
});

test('every byte starts the activity timeout anew', async () => {
  app.http('drips', {
    handler: () => ({
      body: ReadableStream.from(
        (async function* () {
          for (let drop = 0; drop < 6; drop += 1) {
            yield Buffer.from('.');
            await new Promise((resolve) => setTimeout(resolve, 150));
          }
        })(),
      ),
    }),
  });
  await using running = await runApp({ activityTimeoutMs: 400 });
  expect(await (await fetch(`${running.host.url}/api/drips`)).text()).toBe('......');
});

test('a client that leaves at once does not leave an invocation waiting for ever', async () => {
  let calls = 0;
  app.http('late', {
    handler: () => {
      calls += 1;
      return { body: 'ok' };
    },
  });
  await using running = await runApp();
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const socket = rawGet(`${running.host.url}/api/late`);
    await once(socket, 'connect');
    socket.destroy();
  }
  await until(() => {
    const begun = running.log.filter((line) => line.includes('Executing')).length;
    const ended = running.log.filter((line) => line.includes('Executed')).length;
    return begun === ended && begun === calls;
  });
  expect((await fetch(`${running.host.url}/api/late`)).status).toBe(200);
});

test('the stop ends streams within the grace: the appTerminate hook tells them', async () => {
  const goodbye = Promise.withResolvers<void>();
  app.hook.appTerminate(() => goodbye.resolve());
  app.http('stream', {
    handler: () => ({
      body: ReadableStream.from(
        (async function* () {
          yield Buffer.from('hello ');
          await goodbye.promise;
          yield Buffer.from('goodbye');
        })(),
      ),
    }),
  });
  const running = await runApp();
  const response = await fetch(`${running.host.url}/api/stream`);
  const text = response.text();
  await running[Symbol.asyncDispose]();
  expect(await text).toBe('hello goodbye');
});
