import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let container: Container;
let nowMs = Date.UTC(2026, 0, 1);
beforeEach(async () => {
  cosmos = await startCosmosUnderTest({ now: () => nowMs });
  container = await cosmos.container({ id: 'c' });
});
afterEach(() => cosmos.close());

/** A client that does not retry. */
const impatient = () =>
  cosmos
    .connect({
      connectionPolicy: {
        enableEndpointDiscovery: false,
        retryOptions: { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 0 },
      },
    })
    .database('test')
    .container('c');

describe('faults', () => {
  test('throttled operations answer 429 with a wait, and the SDK comes through by itself', async () => {
    cosmos.server.faults.add({ kind: 'throttle', count: 2, retryAfterMs: 5, operation: 'create' });
    const { statusCode, headers } = await container.items.create({ id: 'a', pk: 'p' });
    expect([statusCode, headers['x-ms-throttle-retry-count']]).toEqual([201, 2]);
    cosmos.server.faults.add({ kind: 'throttle', retryAfterMs: 1234 });
    const refused = (await refusal(impatient().item('a', 'p').read())) as unknown as {
      code: number;
      retryAfterInMs: number;
    };
    expect([refused.code, refused.retryAfterInMs]).toEqual([429, 1234]);
  });

  test('hit only the operation and container they name, after as many as they let through', async () => {
    const other = await cosmos.container({ id: 'other' });
    cosmos.server.faults.add({ kind: 'unavailable', operation: 'upsert', container: 'c', after: 1 });
    await other.items.upsert({ id: 'a', pk: 'p' });
    await container.items.create({ id: 'a', pk: 'p' });
    await container.items.upsert({ id: 'a', pk: 'p', n: 1 });
    expect((await refusal(container.items.upsert({ id: 'a', pk: 'p', n: 2 }))).code).toBe(503);
    expect((await container.item('a', 'p').read()).resource?.n).toBe(1);
    await container.items.upsert({ id: 'a', pk: 'p', n: 3 });
    expect(cosmos.server.faults.list()).toEqual([]);
  });

  test('a write cut before is not applied, one cut after is applied, and the caller cannot tell', async () => {
    cosmos.server.faults.add({ kind: 'cut-before', operation: 'create' });
    await expect(container.items.create({ id: 'before', pk: 'p' })).rejects.toThrow(/socket hang up|ECONNRESET/);
    cosmos.server.faults.add({ kind: 'cut-after', operation: 'create' });
    await expect(container.items.create({ id: 'after', pk: 'p' })).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await container.item('before', 'p').read()).statusCode).toBe(404);
    expect((await container.item('after', 'p').read()).statusCode).toBe(200);
    cosmos.server.faults.add({ kind: 'cut-after', operation: 'batch' });
    await expect(
      container.items.batch(
        [
          { operationType: 'Create', resourceBody: { id: 'b1', pk: 'p' } },
          { operationType: 'Create', resourceBody: { id: 'b2', pk: 'p' } },
        ],
        'p',
      ),
    ).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await container.item('b2', 'p').read()).statusCode).toBe(200);
  });

  test('a delayed operation is passed by the others', async () => {
    await container.items.create({ id: 'a', pk: 'p' });
    const order: string[] = [];
    cosmos.server.faults.add({ kind: 'delay', delayMs: 80, operation: 'read' });
    await Promise.all([
      container
        .item('a', 'p')
        .read()
        .then(() => order.push('read')),
      container.items.upsert({ id: 'a', pk: 'p' }).then(() => order.push('upsert')),
    ]);
    expect(order).toEqual(['upsert', 'read']);
  });

  test('a delay ends when the server does, and what waited in it is not applied', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cosmos-'));
    const first = await startCosmosUnderTest({ dataDir: folder });
    const slow = await first.container({ id: 'slow' });
    await slow.items.create({ id: 'there', pk: 'p' });
    first.server.faults.add({ kind: 'delay', delayMs: 600_000, operation: 'upsert' });
    const waiting = refusal(slow.items.upsert({ id: 'waiting', pk: 'p' }));
    while (first.server.faults.list().length > 0) await slow.item('there', 'p').read();
    await first.close();
    expect(String((await waiting).code)).toMatch(/ECONNRESET|REQUEST_SEND_ERROR/);
    const second = await startCosmosUnderTest({ dataDir: folder });
    expect((await second.database.container('slow').item('waiting', 'p').read()).statusCode).toBe(404);
    await second.close();
    rmSync(folder, { recursive: true });
  });

  test('are set, listed and cleared over HTTP; a wrong one is 400 and names the field', async () => {
    const url = `${cosmos.server.endpoint}/$faults`;
    const post = (body: unknown) => fetch(url, { method: 'POST', body: JSON.stringify(body) });
    expect(
      (
        await post([
          { kind: 'unavailable', operation: 'read', count: -1 },
          { kind: 'delay', delayMs: 1 },
        ])
      ).status,
    ).toBe(200);
    expect(await (await fetch(url)).json()).toMatchObject([
      { kind: 'unavailable', operation: 'read', count: -1 },
      { kind: 'delay', delayMs: 1 },
    ]);
    for (let count = 0; count < 3; count++) expect((await refusal(container.item('a', 'p').read())).code).toBe(503);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(200);
    expect((await container.item('a', 'p').read()).statusCode).toBe(404);
    for (const [rule, field] of [
      [{ kind: 'explode' }, 'kind'],
      [{ kind: 'delay', delayMs: -1 }, 'delayMs'],
      [{ kind: 'throttle', count: 'x' }, 'count'],
      [{ kind: 'throttle', operation: 'dance' }, 'dance'],
      [{ kind: 'throttle', container: 5 }, 'container'],
      [{ kind: 'throttle', probability: 2 }, 'probability'],
      [{ kind: 'throttle', retryAfter: 2 }, 'retryAfter'],
      [{ kind: 'error' }, 'status'],
      [{ kind: 'error', status: 200 }, 'status'],
      [{ kind: 'slow-disk' }, 'delayMs'],
      [{ kind: 'request-units', container: 'c' }, 'perSecond'],
      [{ kind: 'disk-full', full: 'yes' }, 'full'],
      [{ kind: 'kill', now: true }, 'now'],
      [5, 'object'],
    ] as const) {
      const answer = await post([{ kind: 'unavailable' }, rule]);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(field)]);
    }
    expect(cosmos.server.faults.list()).toEqual([]);
    expect((await fetch(url, { method: 'POST', body: 'nonsense' })).status).toBe(400);
    expect((await fetch(url, { method: 'PUT' })).status).toBe(405);
    const settings = [
      { kind: 'disk-full', full: true },
      { kind: 'slow-disk', delayMs: 5 },
      { kind: 'request-units', perSecond: 9, container: 'c' },
      { kind: 'request-units', provisioned: true },
    ];
    expect(await (await post(settings)).json()).toEqual(settings);
    expect(await (await fetch(url, { method: 'DELETE' })).json()).toEqual([]);
  });

  test('an error is the one that is asked for, and nothing is applied', async () => {
    cosmos.server.faults.apply({ kind: 'error', status: 404, subStatus: 1002, operation: 'upsert' });
    const refused = await refusal(impatient().items.upsert({ id: 'a', pk: 'p' }));
    expect([refused.code, refused.substatus]).toEqual([404, 1002]);
    expect((await container.item('a', 'p').read()).statusCode).toBe(404);
  });

  test('a request that is dropped is never answered nor applied: the client loses patience', async () => {
    cosmos.server.faults.add({ kind: 'drop', operation: 'upsert' });
    const hasty = cosmos
      .connect({ connectionPolicy: { requestTimeout: 100 } })
      .database('test')
      .container('c');
    await expect(hasty.items.upsert({ id: 'a', pk: 'p' })).rejects.toThrow(/timeout|abort/i);
    expect((await container.item('a', 'p').read()).statusCode).toBe(404);
    expect((await hasty.items.upsert({ id: 'a', pk: 'p' })).statusCode).toBe(201);
  });

  test('a duplicated request is applied twice, and the answer is that of the second', async () => {
    cosmos.server.faults.add({ kind: 'duplicate', operation: 'create' });
    expect((await refusal(container.items.create({ id: 'a', pk: 'p', n: 0 }))).code).toBe(409);
    cosmos.server.faults.add({ kind: 'duplicate', operation: 'patch' });
    const { resource } = await container.item('a', 'p').patch([{ op: 'incr', path: '/n', value: 1 }]);
    expect(resource.n).toBe(2);
  });

  test('on a slow disk writes wait, and reads pass them by', async () => {
    await container.items.create({ id: 'a', pk: 'p', n: 0 });
    cosmos.server.faults.slowDisk(80);
    const order: string[] = [];
    const writing = container.items.upsert({ id: 'a', pk: 'p', n: 1 }).then(() => order.push('write'));
    const { resource } = await container.item('a', 'p').read();
    order.push('read');
    await writing;
    expect([order, resource.n]).toEqual([['read', 'write'], 0]);
    cosmos.server.faults.slowDisk(0);
    expect((await container.item('a', 'p').read()).resource.n).toBe(1);
  });

  test('a web page cannot set them, however it reaches this machine', async () => {
    const url = `${cosmos.server.endpoint}/$faults`;
    const body = JSON.stringify({ kind: 'kill' });
    const { port } = cosmos.server;
    for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }] as const)
      expect((await fetch(url, { method: 'POST', headers: { ...headers }, body })).status).toBe(403);
    const rebound = await new Promise<string>((resolve) => {
      const socket = connectSocket(port, '127.0.0.1', () =>
        socket.end('GET /$faults HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n'),
      );
      socket.once('data', (chunk) => resolve(String(chunk)));
    });
    expect(rebound).toMatch(/^HTTP\/1.1 403/);
    expect((await container.item('a', 'p').read()).statusCode).toBe(404);
  });

  test('a budget may be what the offers provision: of the container, or of its database', async () => {
    const database = (await cosmos.client.databases.create({ id: 'shared', throughput: 400 })).database;
    const of = async (id: string, throughput?: number) =>
      (
        await database.containers.create({
          id,
          partitionKey: { paths: ['/pk'] },
          ...(throughput === undefined ? {} : { throughput }),
        })
      ).container;
    const [shared, own] = [await of('shared'), await of('own', 1000)];
    const spendUntilRefused = async ({ id }: Container) => {
      const { items } = impatient().database.client.database('shared').container(id);
      for (let spent = 0; ;) {
        const outcome = await items.upsert({ id: 'x', pk: 'p', text: 'x'.repeat(100_000) }).then(
          ({ requestCharge }) => requestCharge,
          ({ code }: { code: number }) => (code === 429 ? undefined : Number.NaN),
        );
        if (outcome === undefined) return spent;
        spent += outcome;
      }
    };
    cosmos.server.faults.apply({ kind: 'request-units', provisioned: true });
    const spent = [await spendUntilRefused(shared), await spendUntilRefused(own)];
    expect(spent[0]).toBeGreaterThanOrEqual(400);
    expect(spent[0]).toBeLessThan(520);
    expect(spent[1]).toBeGreaterThanOrEqual(1000);
    expect(spent[1]).toBeLessThan(1120);
    for (let n = 0; n < 10; n++) await container.items.upsert({ id: 'free', pk: 'p', text: 'x'.repeat(100_000) });
    nowMs += 1000;
    expect(
      (await impatient().database.client.database('shared').container('shared').item('x', 'p').read()).statusCode,
    ).toBe(200);
  });

  test('kill cuts every connection, applies nothing more, and lets go of port and file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cosmos-'));
    const first = await startCosmosUnderTest({ dataDir: folder });
    const store = await first.container({ id: 'c' });
    await store.items.create({ id: 'kept', pk: 'p' });
    first.server.faults.add({ kind: 'delay', delayMs: 60_000, operation: 'upsert' });
    const waiting = refusal(store.items.upsert({ id: 'waiting', pk: 'p' }));
    while (first.server.faults.list().length > 0) await store.item('kept', 'p').read();
    await expect(
      fetch(`${first.server.endpoint}/$faults`, { method: 'POST', body: JSON.stringify({ kind: 'kill' }) }),
    ).rejects.toThrow(/fetch failed/);
    await waiting;
    const second = await startCosmosUnderTest({ dataDir: folder, port: first.server.port });
    const again = second.database.container('c');
    expect((await again.item('kept', 'p').read()).statusCode).toBe(200);
    expect((await again.item('waiting', 'p').read()).statusCode).toBe(404);
    await second.close();
    await first.close();
    rmSync(folder, { recursive: true });
  });

  test('a budget of request units throttles each container for itself, until time has passed', async () => {
    const other = await cosmos.container({ id: 'other' });
    cosmos.server.faults.limitRequestUnits(20, 'c');
    const hasty = impatient();
    const charges: number[] = [];
    let refused: { code: number; retryAfterInMs?: number } | undefined;
    for (let n = 0; n < 20 && !refused; n++)
      await hasty.items.create({ id: `${n}`, pk: 'p' }).then(
        ({ requestCharge }) => charges.push(requestCharge),
        (error: { code: number }) => (refused = error),
      );
    const spent = charges.reduce((sum, charge) => sum + charge, 0);
    expect(refused?.code).toBe(429);
    expect(spent).toBeGreaterThanOrEqual(20);
    expect(spent - (charges.at(-1) ?? 0)).toBeLessThan(20);
    await other.items.create({ id: 'free', pk: 'p' });
    nowMs += refused?.retryAfterInMs ?? 0;
    expect((await hasty.items.create({ id: 'later', pk: 'p' })).statusCode).toBe(201);
    cosmos.server.faults.clear();
    for (let n = 0; n < 10; n++) await hasty.items.upsert({ id: 'more', pk: 'p' });
  });
});

describe('chance and time', () => {
  test('a rule with a probability hits the same operations for the same seed', async () => {
    const hits = async (seed: number) => {
      cosmos.server.faults.add({ kind: 'unavailable', operation: 'upsert', count: -1, probability: 0.3, seed });
      const outcomes: number[] = [];
      for (let n = 0; n < 40; n++)
        outcomes.push(
          await container.items.upsert({ id: 'x', pk: 'p' }).then(
            () => 0,
            () => 1,
          ),
        );
      cosmos.server.faults.clear();
      return outcomes;
    };
    const first = await hits(5);
    expect(await hits(5)).toEqual(first);
    expect(await hits(6)).not.toEqual(first);
    const count = first.reduce((sum, hit) => sum + hit, 0);
    expect(count).toBeGreaterThan(3);
    expect(count).toBeLessThan(25);
  });

  test('the clock can be moved on over HTTP', async () => {
    const short = await cosmos.container({ id: 'short', defaultTtl: 60 });
    await short.items.create({ id: 'x', pk: 'p' });
    const advance = async (advanceMs: number) =>
      (
        await fetch(`${cosmos.server.endpoint}/$faults`, {
          method: 'POST',
          body: JSON.stringify({ kind: 'clock', advanceMs }),
        })
      ).status;
    expect(await advance(59_000)).toBe(200);
    expect((await short.item('x', 'p').read()).statusCode).toBe(200);
    expect(await advance(1_000)).toBe(200);
    expect((await short.item('x', 'p').read()).statusCode).toBe(404);
    expect(await advance(-1)).toBe(400);
  });
});

describe('garbage on the port', () => {
  const send = (bytes: string | Buffer) =>
    new Promise<string>((resolve) => {
      const socket = connectSocket(cosmos.server.port, '127.0.0.1', () => socket.end(bytes));
      let answer = '';
      socket.on('data', (chunk) => (answer += String(chunk)));
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });

  test('is answered with 400 or cut, and the server goes on', async () => {
    expect(await send('nonsense\r\n\r\n')).toContain('400');
    expect(await send(Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7919) % 256)))).toContain('400');
    await send('POST /dbs HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"id"');
    await send(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await send('');
    expect((await container.items.create({ id: 'alive', pk: 'p' })).statusCode).toBe(201);
  });

  test.each([
    ['GET', '/dbs/test/colls/c/docs/%E0%A4%A'],
    ['GET', '/dbs/%'],
    ['POST', '/dbs/test/colls/c/docs'],
    ['PUT', '/dbs/test/colls/c/docs/a'],
    ['PATCH', '/dbs/test/colls/c/docs/a'],
    ['TRACE', '/dbs'],
    ['OPTIONS', '/dbs/test/colls/c/docs'],
    ['GET', '/dbs/test/colls/c/docs/a/attachments'],
    ['POST', '/dbs/test/colls'],
    ['DELETE', '/'],
    ['GET', '//dbs//test//'],
  ])('%s %s with nothing else is a clear refusal in JSON', async (method, path) => {
    const socket = await send(
      `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: type=aad&ver=1.0&sig=t\r\n\r\n`,
    );
    const [head = '', body = ''] = socket.split('\r\n\r\n');
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    expect([200, 400, 404, 405]).toContain(status);
    expect(JSON.parse(body)).toBeDefined();
    expect(body).not.toMatch(/at \w+ \(|\.ts:\d/);
  });
});
