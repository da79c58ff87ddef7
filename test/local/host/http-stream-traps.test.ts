/** What the platform does to streamed HTTP that nobody would expect; product code must be seen to live with it here. */
import { createConnection } from 'node:net';
import { app } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';

app.setup({ enableHttpStream: true });
beforeEach(emptyApp);

test('a member Headers of a JSON body replaces every header that the function sees', async () => {
  app.http('echo', {
    methods: ['POST'],
    handler: async (request) => ({ jsonBody: [request.headers.get('authorization'), await request.json()] }),
  });
  await using running = await runApp();
  const body = JSON.stringify({ Headers: JSON.stringify({ authorization: 'Bearer forged' }) });
  const headers = { authorization: 'Bearer real', 'content-type': 'application/json' };
  const response = await fetch(`${running.host.url}/api/echo`, { method: 'POST', headers, body });
  expect(await response.json()).toEqual(['Bearer forged', JSON.parse(body)]);
});

test('a log from inside the body is written, with a warning at every call: the handler has returned', async () => {
  app.http('chatty', {
    handler: (_, context) => ({
      body: ReadableStream.from(
        (async function* () {
          context.log('from inside the body');
          yield 'a';
          context.log('and again');
          yield 'b';
        })(),
      ),
    }),
  });
  await using running = await runApp();
  expect(await (await fetch(`${running.host.url}/api/chatty`)).text()).toBe('ab');
  await until(() => running.log.some((line) => line.includes('and again')));
  expect(running.log.filter((line) => line.includes('after function execution has completed'))).toHaveLength(2);
});

test('a body of known length is read before the function runs, a chunked one beside it', async () => {
  let runs = 0;
  app.http('upload', {
    methods: ['POST'],
    handler: async (request) => ({ body: `${(runs += 1)} ${await request.text()}` }),
  });
  await using running = await runApp();
  const upload = (head: string) => {
    const socket = createConnection(Number(new URL(running.host.url).port), '127.0.0.1').on('error', () => {});
    socket.write(`POST /api/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}`);
    return socket;
  };
  const sized = upload('Content-Length: 4\r\n\r\nha');
  const chunked = upload('Transfer-Encoding: chunked\r\n\r\n2\r\nha\r\n');
  // The chunked one came second and is the only one that has started.
  await until(() => runs > 0);
  expect(runs).toBe(1);
  sized.end('lf');
  await until(() => runs === 2);
  chunked.destroy();
});

test('strict: a handler that throws leaves its caller waiting for the activity timeout', async () => {
  app.http('throws', { handler: () => Promise.reject(new Error('no luck')) });
  await using running = await runApp({ strictHang: true, activityTimeoutMs: 300 });
  const startedAt = performance.now();
  expect((await fetch(`${running.host.url}/api/throws`)).status).toBe(504);
  expect(performance.now() - startedAt).toBeGreaterThan(250);
});

test('strict: a body that breaks in the middle leaves its reader waiting for the activity timeout', async () => {
  app.http('breaks', {
    handler: () => ({
      body: ReadableStream.from(
        (async function* () {
          yield 'first';
          throw new Error('broke in the middle');
        })(),
      ),
    }),
  });
  await using running = await runApp({ strictHang: true, activityTimeoutMs: 300 });
  const startedAt = performance.now();
  const response = await fetch(`${running.host.url}/api/breaks`);
  await expect(response.text()).rejects.toThrow('terminated');
  expect(performance.now() - startedAt).toBeGreaterThan(250);
});
