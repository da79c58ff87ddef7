import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { app } from '@azure/functions';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { responseOf, ResponseChannel, watchResponses } from '../../shared/stream/response-channel.ts';
import { SharedBytes } from '../../shared/stream/shared-bytes.ts';
import { runApp, type RunningApp, until } from '../support/functions-app.ts';

let running: RunningApp;
let opened = Promise.withResolvers<ResponseChannel>();
let lastInvocation = '';

app.setup({ enableHttpStream: true });
for (const [name, isHidden] of [
  ['stream', false],
  ['hidden', true],
] as const) {
  app.http(name, {
    handler: (_request, context) => {
      const channel = new ResponseChannel(isHidden ? undefined : responseOf(context.invocationId));
      channel.write('first\n');
      opened.resolve(channel);
      lastInvocation = context.invocationId;
      return { headers: { 'content-type': 'text/event-stream' }, body: channel.body };
    },
  });
}

beforeAll(async () => {
  watchResponses();
  running = await runApp();
});
afterAll(async () => running[Symbol.asyncDispose]());

/** Opens a stream without reading more than the head of the response. */
async function open(path: string): Promise<{ channel: ResponseChannel; response: IncomingMessage; leave: () => void }> {
  opened = Promise.withResolvers();
  const request = httpRequest(`${running.host.url}/api/${path}`);
  request.on('error', () => undefined);
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return { channel: await opened.promise, response, leave: () => request.destroy() };
}

/** What is written to the response itself from now on. */
function writesOf(invocationId: string): unknown[] {
  const response = responseOf(invocationId);
  if (response === undefined) throw new Error('The response is hidden.');
  const writes: unknown[] = [];
  const write = response.write.bind(response) as (chunk: unknown) => boolean;
  response.write = (chunk: unknown) => {
    writes.push(chunk);
    return write(chunk);
  };
  return writes;
}

async function readUntil(response: IncomingMessage, text: string): Promise<string> {
  let got = '';
  while (!got.includes(text)) {
    const chunk = (response.read() ?? (await once(response, 'readable').then(() => response.read()))) as Buffer | null;
    if (chunk !== null) got += chunk.toString();
  }
  return got;
}

/** The host logs the end of each invocation. */
const ended = () => running.log.filter((line) => /Executed/.test(line)).length;

test('the library lets us at the response: if this fails, an update has taken disconnects and back-pressure away', async () => {
  const { channel, response, leave } = await open('stream');
  expect(await readUntil(response, 'first\n')).toBe('first\n');
  await until(() => channel.direct);
  channel.write('second\n');
  expect(await readUntil(response, 'second\n')).toBe('second\n');
  leave();
  await until(() => channel.closed);
});

test('a reader that leaves ends the invocation within a second', async () => {
  const before = ended();
  const { channel, leave } = await open('stream');
  const told = new Promise<void>((resolve) => channel.onClosed(resolve));
  const leftAt = performance.now();
  leave();
  await told;
  await until(() => ended() > before);
  expect(performance.now() - leftAt).toBeLessThan(1_000);
});

test('a reader that leaves before the first byte is noticed as well', async () => {
  opened = Promise.withResolvers();
  const request = httpRequest(`${running.host.url}/api/stream`);
  request.on('error', () => undefined);
  request.end();
  const channel = await opened.promise;
  request.destroy();
  await until(() => channel.closed);
  expect(channel.pending).toBe(0);
});

test('what many streams share is written as it is, in order with what is not', async () => {
  const { channel, response, leave } = await open('stream');
  await until(() => channel.direct);
  const shared = new SharedBytes('geteilt: ä€😀\n');
  expect(shared.bytes.toString()).toBe('geteilt: ä€😀\n');
  expect(shared.chunk.toString()).toBe(`${shared.bytes.length.toString(16)}\r\ngeteilt: ä€😀\n\r\n`);
  const writes = writesOf(lastInvocation);
  for (let round = 0; round < 3; round++) {
    channel.write(`own ${round}\n`);
    channel.write(shared);
  }
  // If this fails the socket was not used: streams then cost half as much again, and nothing else is wrong.
  expect(writes).toEqual(['own 0\n', 'own 1\n', 'own 2\n']);
  channel.write('last\n');
  const expected = [0, 1, 2].map((round) => `own ${round}\ngeteilt: ä€😀\n`).join('');
  expect(await readUntil(response, 'last\n')).toBe(`first\n${expected}last\n`);
  leave();
});

test('a response without chunks, as HTTP/1.0 has it, takes the bytes without the frame', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200).flushHeaders();
    const channel = new ResponseChannel(response);
    expect(channel.direct).toBe(true);
    channel.write('own\n');
    channel.write(new SharedBytes('shared\n'));
    channel.end(1_000);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('own\nshared\n');
  server.close();
});

test('a reader that stalls costs a bounded buffer, and gets everything once it reads', async () => {
  const { channel, response, leave } = await open('stream');
  await until(() => channel.direct);
  const block = 'x'.repeat(64 * 1024);
  let written = 0;
  let stop = false;
  const writing = (async () => {
    while (!stop) {
      await channel.drained();
      if (channel.closed) return;
      channel.write(block);
      written += block.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  // Full sockets on both hops: nothing moves any more.
  let last = -1;
  await until(async () => {
    const still = written === last;
    last = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return still && written === last;
  });
  expect(channel.pending).toBeLessThanOrEqual(256 * 1024);
  const stalledAt = written;
  let read = 0;
  response.on('data', (chunk: Buffer) => (read += chunk.length));
  await until(() => written > stalledAt + 10 * block.length);
  stop = true;
  await writing;
  await until(() => read === written + 'first\n'.length);
  leave();
});

test('the end goes out after what is pending, and ends the invocation', async () => {
  const before = ended();
  const { channel, response } = await open('stream');
  await until(() => channel.direct);
  channel.write('goodbye\n');
  channel.end(5_000);
  let text = '';
  for await (const chunk of response) text += String(chunk);
  expect(text).toBe('first\ngoodbye\n');
  await until(() => ended() > before && channel.closed);
});

test('a reader that stalls cannot hold a stream that has ended', async () => {
  const { channel, response } = await open('stream');
  await until(() => channel.direct);
  while (channel.pending < 128 * 1024) {
    channel.write('x'.repeat(64 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
  }
  channel.end(50);
  await until(() => channel.closed);
  expect(responseOf(lastInvocation)).toBeUndefined();
  response.destroy();
});

test('where the platform hides the response the body is handed over as usual', async () => {
  const { channel, response } = await open('hidden');
  expect(channel.direct).toBe(false);
  channel.write('second\n');
  channel.write('third\n');
  expect(await readUntil(response, 'third\n')).toBe('first\nsecond\nthird\n');
  expect(channel.direct).toBe(false);
  channel.end(0);
  let rest = '';
  for await (const chunk of response) rest += String(chunk);
  expect(rest).toBe('');
  expect(channel.closed).toBe(true);
});

test('nothing is kept of a response that is over', async () => {
  const { leave, channel } = await open('stream');
  expect(responseOf(lastInvocation)).toBeDefined();
  leave();
  await until(() => channel.closed);
  expect(responseOf(lastInvocation)).toBeUndefined();
  expect(channel.pending).toBe(0);
});
