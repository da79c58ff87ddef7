import { once } from 'node:events';
import net from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { HUB, type LivingHubs, livingHubs, until } from '../../support/event-hubs.ts';

const AMQP_HEADER = Buffer.from('AMQP\x00\x01\x00\x00', 'latin1');
const SASL_HEADER = Buffer.from('AMQP\x03\x01\x00\x00', 'latin1');

/** Sends bytes on a connection of its own; gives back what came until the other side ended it. */
async function speak(hubs: LivingHubs, ...parts: readonly Uint8Array[]): Promise<Buffer> {
  const socket = net.connect(hubs.server.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  for (const part of parts) socket.write(part);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

/** What someone who behaves gets to read after having sent `fine`. */
async function served(hubs: LivingHubs): Promise<unknown> {
  await hubs.producer().sendBatch([{ body: 'fine' }], { partitionId: '0' });
  return (await hubs.read(1, { partition: '0' }))[0]?.body;
}

/** Bytes that a seed determines. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const frame = (body: Uint8Array, size = body.length + 8, type = 0): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(size);
  head.writeUInt8(2, 4);
  head.writeUInt8(type, 5);
  return Buffer.concat([head, body]);
};

describe('bytes that are no protocol end their connection and disturb no one else', () => {
  test('random bytes', async () => {
    await using hubs = await livingHubs();
    for (let seed = 1; seed <= 20; seed += 1) await speak(hubs, noise(500, seed));
    expect(await served(hubs)).toBe('fine');
  });

  test.each([
    ['random bytes after the AMQP header', [AMQP_HEADER, noise(2000, 3)]],
    ['random bytes after the SASL header', [SASL_HEADER, noise(2000, 4)]],
    ['a frame that says it is 4 GB long', [AMQP_HEADER, frame(Buffer.alloc(100), 0xffff_ffff)]],
    ['a frame shorter than its own head', [AMQP_HEADER, frame(Buffer.alloc(100), 3)]],
    ['an AMQP version of the past', [Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')]],
    [
      'a list of two billion fields',
      [AMQP_HEADER, frame(Buffer.from([0x00, 0x53, 0x10, 0xd0, 0, 0, 0, 8, 0x7f, 0xff, 0xff, 0xff, 0x40]))],
    ],
    [
      'a transfer on a channel that was never begun',
      [AMQP_HEADER, frame(Buffer.from([0x00, 0x53, 0x14, 0xc0, 2, 1, 0x43]))],
    ],
    ['a TLS handshake', [Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])]],
    ['a broken HTTP request', [Buffer.from('GET / HTTP/9.9\r\n\r\n\r\n')]],
  ])('%s', async (_what, parts) => {
    await using hubs = await livingHubs();
    await speak(hubs, ...parts);
    expect(await served(hubs)).toBe('fine');
  });

  test('a client that says half a word and goes', async () => {
    await using hubs = await livingHubs();
    const socket = net.connect(hubs.server.port, '127.0.0.1');
    socket.end('AMQ');
    await once(socket, 'close');
    expect(await served(hubs)).toBe('fine');
  });

  test('the reason for a TLS handshake is in the log', async () => {
    await using hubs = await livingHubs();
    await speak(hubs, Buffer.from([0x16, 0x03, 0x01]));
    expect(hubs.log.join('\n')).toMatch(/UseDevelopmentEmulator=true/);
  });
});

describe('a client that never gets to the point is let go, and disturbs no one else', () => {
  test.each([
    ['says nothing', []],
    ['says half of AMQP', ['AM']],
    ['opens with half a frame', [AMQP_HEADER, frame(Buffer.alloc(4), 200)]],
    ['signs in and stops', [SASL_HEADER]],
    ['sends half its headers', ['POST /telemetry/messages HTTP/1.1\r\nHost: x\r\nX-A: ']],
  ])('%s', async (_what, parts) => {
    await using hubs = await livingHubs({ patienceMs: 300 });
    const loris = speak(hubs, ...parts.map((part) => Buffer.from(part as string, 'latin1')));
    expect(await served(hubs)).toBe('fine');
    await loris;
  });
});

test('half a frame on a connection that is open waits for its other half, and is forgotten with the connection', async () => {
  await using hubs = await livingHubs();
  const socket = net.connect(hubs.server.port, '127.0.0.1');
  const open = Buffer.from([0x00, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, 0x63]);
  socket.write(Buffer.concat([AMQP_HEADER, frame(open), frame(Buffer.alloc(10), 60_000)]));
  await once(socket, 'data');
  expect(await served(hubs)).toBe('fine');
  socket.destroy();
  await once(socket, 'close');
  expect(await served(hubs)).toBe('fine');
});

test('twenty thousand small requests down one connection, without waiting for answers, are each answered', async () => {
  await using hubs = await livingHubs();
  const socket = net.connect(hubs.server.port, '127.0.0.1');
  let answers = 0;
  let rest = '';
  socket.on('data', (chunk) => {
    const parts = (rest + chunk.toString('latin1')).split('HTTP/1.1 ');
    rest = parts.pop() ?? '';
    answers += parts.filter((part) => part.startsWith('200')).length;
  });
  const request = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
  for (let sent = 0; sent < 20_000; sent += 100) socket.write(request.repeat(100));
  // The last answer is whole only when another follows it.
  await until('the answers', () => answers >= 19_999);
  expect(await served(hubs)).toBe('fine');
  socket.destroy();
});

/** Bytes of buffers that something still holds. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

test('100 MB of body get their refusal and are not kept', async () => {
  await using hubs = await livingHubs();
  const socket = net.connect(hubs.server.port, '127.0.0.1');
  const total = 100 * 1024 * 1024;
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  const token = 'Bearer e30.e30.e30';
  socket.write(
    `POST /${HUB}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nContent-Length: ${total}\r\n\r\n`,
  );
  const before = heldBytes();
  const chunk = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < total && !socket.destroyed; sent += chunk.length) {
    if (!socket.write(chunk)) await until('room, or an end', () => !socket.writableNeedDrain || socket.destroyed);
  }
  await until('an answer', () => answer !== '');
  expect(answer).toMatch(/^HTTP\/1.1 413/);
  // What is still on its way through the sockets of this process is let go when it has been read.
  await until('the body to be let go', () => heldBytes() - before < 20 * 1024 * 1024);
  socket.destroy();
});

test('a thousand connections that come and go leave nothing behind', async () => {
  await using hubs = await livingHubs();
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 50 }, () => speak(hubs, AMQP_HEADER, noise(64, round + 1))));
  }
  expect(hubs.server.faults.apply({ cutConnections: true }).connectionsCut).toBe(0);
  expect(await served(hubs)).toBe('fine');
});
