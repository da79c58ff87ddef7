import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startWebPubSubKit, until, type WebPubSubKit } from '../../support/web-pubsub.ts';

const CLOUD = fileURLToPath(new URL('../../../local/cloud.ts', import.meta.url));

let kit: WebPubSubKit;
beforeEach(async () => {
  kit = await startWebPubSubKit();
});
afterEach(() => kit.close());

const post = (body: unknown) =>
  fetch(`${kit.server.endpoint}/$faults`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await kit.service.sendToAll(i);
}

describe('faults', () => {
  test('the next messages are lost, of services and of clients', async () => {
    const { client, received } = await kit.connect({ groups: ['g'], roles: ['webpubsub.sendToGroup.g'] });
    await post({ dropNext: 2 });
    await send(1);
    await client.sendToGroup('g', 'lost', 'text');
    await send(2);
    await until(() => received.length === 2, 'the rest has arrived');
    expect(received).toEqual([0, 1]);
    expect(kit.server.faults.counts.dropped).toBe(2);
  });

  test('a share is lost, and the same seed loses the same ones', async () => {
    const { received } = await kit.connect();
    const runs: unknown[][] = [];
    for (const seed of [7, 7, 8]) {
      await post({ dropFraction: 0.3, seed });
      await send(200);
      await post({ clear: true });
      await kit.service.sendToAll('end');
      await until(() => received.at(-1) === 'end', 'the run has ended');
      runs.push(received.splice(0));
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
    expect(runs[0]?.length).toBeGreaterThan(110);
    expect(runs[0]?.length).toBeLessThan(170);
  });

  test('the next messages come twice, with numbers of their own', async () => {
    const { received } = await kit.connect();
    await post({ duplicateNext: 1 });
    await send(2);
    await until(() => received.length === 3, 'everything has arrived');
    expect(received).toEqual([0, 0, 1]);
  });

  test('delayed messages come late and in order, also after the delay has changed', async () => {
    const { received } = await kit.connect();
    const before = performance.now();
    await post({ delayMs: 150 });
    await send(5);
    await post({ delayMs: 0 });
    await kit.service.sendToAll('end');
    await until(() => received.length === 6, 'everything has arrived');
    expect(received).toEqual([0, 1, 2, 3, 4, 'end']);
    expect(performance.now() - before).toBeGreaterThan(140);
  });

  test('the next sends are refused as throttled or unavailable, with Retry-After', async () => {
    await post({ rejectNext: 1, rejectRetryAfterSeconds: 7 });
    const refused = await kit.service.sendToAll('x').then(
      () => undefined,
      (error: { statusCode: number; response: { headers: { get(name: string): string } } }) => error,
    );
    expect(refused?.statusCode).toBe(429);
    expect(refused?.response.headers.get('retry-after')).toBe('7');
    await post({ rejectNext: 1, rejectStatus: 503 });
    await expect(kit.service.sendToAll('x')).rejects.toMatchObject({ statusCode: 503 });
    await kit.service.sendToAll('x');
  });

  test('every socket is cut, and counted', async () => {
    const clients = [await kit.connect(), await kit.connect({ reliable: false, client: { autoReconnect: false } })];
    const response = await post({ cut: true });
    expect(await response.json()).toMatchObject({ counts: { cut: 2 } });
    await until(() => clients[1]?.disconnected.length === 1, 'the plain client is gone');
    await kit.service.sendToAll('x');
    await until(() => clients[0]?.received.length === 1, 'the reliable client is back');
  });

  test('the plan can be read, and cleared', async () => {
    await post({ dropNext: 3, refuseRecovery: true });
    const read = async () => (await fetch(`${kit.server.endpoint}/$faults`)).json();
    expect(await read()).toMatchObject({ plan: { dropNext: 3, refuseRecovery: true, rejectNext: 0 } });
    await post({ clear: true });
    expect(await read()).toMatchObject({ plan: { dropNext: 0, refuseRecovery: false } });
  });

  test.each([
    ['{', 'JSON'],
    ['[]', 'object'],
    ['{"dropNext":-1}', 'dropNext'],
    ['{"dropNext":"3"}', 'dropNext'],
    ['{"dropFraction":1.1}', 'dropFraction'],
    ['{"rejectStatus":200}', 'rejectStatus'],
    ['{"rejectOperation":"Burn"}', 'rejectOperation'],
    ['{"rejectFraction":-0.1}', 'rejectFraction'],
    ['{"duplicateFraction":2}', 'duplicateFraction'],
    ['{"cutEvery":1.5}', 'cutEvery'],
    ['{"kill":"now"}', 'kill'],
    ['{"advanceMs":-1}', 'advanceMs'],
    ['{"refuseRecovery":1}', 'refuseRecovery'],
    ['{"cut":"yes"}', 'cut'],
    ['{"burn":true}', "'burn'"],
    ['{"toString":1}', "'toString'"],
  ])('%s is a 400 that names the field, and changes nothing', async (body, named) => {
    const before = { ...kit.server.faults.plan };
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { message: string }).message).toContain(named);
    expect(kit.server.faults.plan).toEqual(before);
  });

  test('another verb is a 405, a web page a 403', async () => {
    const call = (init: RequestInit) => fetch(`${kit.server.endpoint}/$faults`, init);
    expect((await call({ method: 'PUT' })).status).toBe(405);
    expect((await call({ headers: { origin: 'http://evil.example' } })).status).toBe(403);
  });

  test('one operation is refused with one status, and no other operation', async () => {
    const { connectionId } = await kit.connect();
    await post({ rejectNext: 1, rejectOperation: 'AddConnectionToGroup', rejectStatus: 500 });
    await kit.service.sendToAll('x');
    await expect(kit.service.group('g').addConnection(connectionId)).rejects.toMatchObject({ statusCode: 500 });
    await kit.service.group('g').addConnection(connectionId);
  });

  test('a share of requests is refused, and the same seed refuses the same ones', async () => {
    const run = async (seed: number) => {
      await post({ clear: true, rejectFraction: 0.5, seed });
      const answers = [];
      for (let i = 0; i < 20; i++) {
        answers.push(
          await kit.service.sendToAll(i).then(
            () => 'sent',
            () => 'refused',
          ),
        );
      }
      return answers.join();
    };
    const first = await run(3);
    expect(new Set(first.split(','))).toEqual(new Set(['sent', 'refused']));
    expect(await run(3)).toBe(first);
    expect(await run(4)).not.toBe(first);
  });

  test('a request of a client is refused by name', async () => {
    const { client } = await kit.connect({ roles: ['webpubsub.joinLeaveGroup'] });
    await post({ rejectNext: 1, rejectOperation: 'joinGroup', rejectStatus: 503 });
    await expect(client.joinGroup('g')).rejects.toMatchObject({ errorDetail: { name: 'ServiceUnavailable' } });
    await client.joinGroup('g');
  });

  test('sockets are cut again and again, and a reliable client misses nothing', async () => {
    const { received } = await kit.connect();
    await post({ cutEvery: 5, duplicateFraction: 0.5, seed: 2 });
    await send(20);
    await post({ clear: true });
    await kit.service.sendToAll('end');
    await until(() => received.at(-1) === 'end', 'everything has arrived');
    expect([...new Set(received)]).toEqual([...Array.from({ length: 20 }, (_, n) => n), 'end']);
    expect(received.length).toBeGreaterThan(21);
    expect(kit.server.faults.counts.cut).toBeGreaterThan(0);
  });

  test('the clock is moved: a token that was good has expired', async () => {
    const before = await kit.token(`${kit.server.endpoint}/api/hubs/sluice/:send`);
    await post({ advanceMs: 2 * 60 * 60 * 1000 });
    const late = await fetch(`${kit.server.endpoint}/api/hubs/sluice/:send?api-version=2024-12-01`, {
      method: 'POST',
      headers: { authorization: `Bearer ${before}`, 'content-type': 'text/plain' },
      body: 'x',
    });
    expect(late.status).toBe(401);
  });

  test('the process is killed', async () => {
    const child = spawn(process.execPath, [CLOUD, 'web-pubsub', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const { endpoint } = JSON.parse(String(line)) as { endpoint: string };
    await fetch(`${endpoint}/$faults`, { method: 'POST', body: '{"kill":true}' }).catch(() => {});
    expect(await exited).toEqual([null, 'SIGKILL']);
  });
});
