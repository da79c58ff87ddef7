/** Callers that break the rules, and disks that are full: each gets its answer, and nobody else notices. */
import { createConnection } from 'node:net';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { app } from '@azure/functions';
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { appFolder } from '../../support/app-folder.ts';
import { type RunningApp, emptyApp, runApp, until } from '../../support/functions-app.ts';
import { manualClock } from '../../support/manual-clock.ts';

beforeEach(() => {
  emptyApp();
  app.http('hello', { methods: ['GET', 'POST'], handler: () => ({ body: 'hello' }) });
});

/** Everything a host answers to these bytes, until it closes the connection or `isEnough`. */
async function exchange(
  running: RunningApp,
  bytes: string | Uint8Array,
  isEnough: (answer: string) => boolean = () => false,
  then: 'write' | 'end' = 'write',
): Promise<string> {
  const socket = createConnection(Number(new URL(running.host.url).port), '127.0.0.1');
  let answer = '';
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on('data', (data) => {
    answer += data.toString();
    if (isEnough(answer)) socket.destroy();
  });
  socket.on('error', () => {}).on('close', () => resolve());
  socket[then](bytes);
  await closed;
  return answer;
}

const works = async (running: RunningApp) => (await fetch(`${running.host.url}/api/hello`)).text();

describe('what is no request', () => {
  test.each([
    ['words', 'hello\r\n\r\n', 400],
    ['an AMQP greeting', 'AMQP\0\u0001\0\0', 400],
    ['a verb that nobody knows', 'BURN /api/hello HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a head without a host', 'GET /api/hello HTTP/1.1\r\n\r\n', 400],
    ['a host that is none', 'GET /api/hello HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
    ['a line break in a header', 'GET /api/hello HTTP/1.1\r\nHost: x\r\nA: b\n c\r\n\r\n', 400],
    ['two lengths', 'POST /api/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length beside chunks',
      'POST /api/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a chunk without a size', 'POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 404],
    ['a head of 64 KB', `GET /api/hello HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(65_536)}\r\n\r\n`, 431],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n', 404],
  ])('%s is answered with a status, no body, and the end of the connection', async (_, bytes, status) => {
    await using running = await runApp();
    const [head = '', body = ''] = (await exchange(running, bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(body).toBe('');
    expect(await works(running)).toBe('hello');
  });

  test.each(['TRACE', 'PROPFIND', 'LOCK'])('%s is a verb like any other: routed, so 404', async (verb) => {
    await using running = await runApp();
    const answer = await exchange(running, `${verb} /api/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('the absolute form of a target is a request, and its host wins (RFC 9112 section 3.2.2)', async () => {
    app.http('where', { handler: ({ url }) => ({ body: url }) });
    await using running = await runApp();
    const answer = await exchange(
      running,
      'GET http://a.example/api/where?q=1 HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/\r\n\r\nhttp:\/\/a\.example\/api\/where\?q=1$/);
    expect(await exchange(running, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 404 /,
    );
  });

  test('any bytes are answered by a status or by the end, and the host lives', async () => {
    await using running = await runApp();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        // With an end, or an empty line would wait for a request behind it.
        const answer = await exchange(running, bytes, undefined, 'end');
        expect(answer === '' || /^HTTP\/1\.1 [45]\d\d /.test(answer)).toBe(true);
      }),
      { numRuns: 200, examples: [[Buffer.from('\r\n')], [Buffer.from('GET / HTTP/1.1\r\n')]] },
    );
    expect(await works(running)).toBe('hello');
  });
});

describe('callers that take their time', () => {
  test('a head that never ends is a 408; a body that never comes ends with it', async () => {
    await using running = await runApp({ activityTimeoutMs: 400 });
    expect(await exchange(running, 'GET /api/hello HTTP/1.1\r\nHost: x\r\nA: b')).toMatch(/^HTTP\/1\.1 408 /);
    expect(await exchange(running, 'POST /api/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf')).toMatch(
      /^HTTP\/1\.1 408 /,
    );
    expect(await works(running)).toBe('hello');
  });

  test('a thousand half requests at once do not keep others waiting', async () => {
    await using running = await runApp();
    const port = Number(new URL(running.host.url).port);
    const sockets = Array.from({ length: 1000 }, () => createConnection(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write('GET / HT', resolve))));
    expect(await works(running)).toBe('hello');
    for (const socket of sockets) socket.destroy();
  });

  test('half a body that is given up starts nothing', async () => {
    let runs = 0;
    app.http('count', { methods: ['POST'], handler: () => ({ body: `${(runs += 1)}` }) });
    await using running = await runApp();
    const socket = createConnection(Number(new URL(running.host.url).port), '127.0.0.1').on('error', () => {});
    const head = 'POST /api/count HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf';
    await new Promise((resolve) => socket.write(head, resolve));
    socket.destroy();
    expect(await works(running)).toBe('hello');
    expect(runs).toBe(0);
  });
});

test('tens of thousands of small requests on a few connections are answered, each in its place', async () => {
  const EACH = 5000;
  await using running = await runApp({ logLevel: 'error' });
  const request = 'GET /api/nothing HTTP/1.1\r\nHost: x\r\n\r\n';
  const count = (answer: string) => answer.split('HTTP/1.1 404 ').length - 1;
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      exchange(running, request.repeat(EACH), (answer) => answer.endsWith('\r\n\r\n') && count(answer) === EACH),
    ),
  );
  expect(answers.map(count)).toEqual([EACH, EACH, EACH, EACH]);
  expect(await works(running)).toBe('hello');
});

describe('a disk that is full or damaged', () => {
  const NOON = Date.parse('2026-01-01T12:00:00Z');

  test('a timer that cannot take its lock says so once, and runs as soon as it can', async () => {
    const clock = manualClock(NOON);
    let runs = 0;
    app.timer('tick', { schedule: '0 * * * * *', handler: () => void (runs += 1) });
    using folder = appFolder();
    mkdirSync(folder.dataFolder);
    // A file where the folder of the timers should be: every write fails, as on a full disk.
    writeFileSync(join(folder.dataFolder, 'timers'), '');
    await using running = await runApp({ folder, clock });
    await clock.waiting();
    for (let minute = 0; minute < 3; minute += 1) await clock.advance(5000);
    expect(runs).toBe(0);
    expect(running.log.filter((line) => line.includes("Timer trigger of 'tick'"))).toHaveLength(1);
    rmSync(join(folder.dataFolder, 'timers'));
    await clock.advance(5000);
    await until(async () => {
      await clock.advance(60_000);
      return runs > 0;
    });
  });

  test('a timer that cannot keep its status goes on', async () => {
    const clock = manualClock(NOON);
    let runs = 0;
    app.timer('tick', { schedule: '0 * * * * *', handler: () => void (runs += 1) });
    using folder = appFolder();
    mkdirSync(join(folder.dataFolder, 'timers', 'tick.json'), { recursive: true });
    await using running = await runApp({ folder, clock });
    await clock.waiting();
    await clock.advance(60_000);
    await clock.advance(60_000);
    expect(runs).toBe(2);
    expect(running.log.some((line) => line.includes('its status is not kept'))).toBe(true);
  });

  test('damaged keys are named at the start', async () => {
    using folder = appFolder();
    mkdirSync(folder.dataFolder);
    writeFileSync(join(folder.dataFolder, 'keys.json'), '{"masterKey": "short"');
    await expect(runApp({ folder, enableAuth: true })).rejects.toThrow(/keys\.json is not valid JSON/);
  });
});
