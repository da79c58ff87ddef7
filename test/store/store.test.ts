import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CosmosClient } from '@azure/cosmos';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCosmos, type CosmosServer } from '../../local/cosmos/cosmos.ts';
import { provision } from '../../local/provision.ts';
import { BATCH_BYTES_MAX, isRefusal, isTransient, Store, type ContainerName } from '../../shared/store/store.ts';
import { connect } from '../support/ingest-world.ts';

/** Every request, by what it does. */
const requests: Record<string, (store: Store) => Promise<unknown>> = {
  read: (store) => store.read('keys', 'a', 'a'),
  create: (store) => store.create('keys', { id: `new-${Math.random()}` }),
  replace: (store) => store.replace('keys', { id: 'a' }, '"none"'),
  upsert: (store) => store.upsert('keys', { id: 'b' }),
  delete: (store) => store.delete('keys', 'none', 'none'),
  batch: (store) => store.batch('journal', 'p', [{ kind: 'upsert', document: inPartition('x') }]),
  some: (store) => store.some('journal', { query: 'SELECT * FROM c' }, 'p', 10),
  all: (store) => store.all('keys', { query: 'SELECT * FROM c' }),
};

function inPartition(id: string, more: object = {}) {
  return { id, pk: 'p', ...more };
}

let folder: string;
let cosmos: CosmosServer;
let client: CosmosClient;
let store: Store;
let hasty: Store;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  cosmos = await startCosmos({ dataDir: folder });
  await provision(cosmos);
  client = connect(cosmos);
  store = new Store(client.database('sluice'));
  // The SDK tries up to ten times, a second apart: the deadline ends that, and keeps these tests short.
  hasty = new Store(client.database('sluice'), { deadlineMs: 300 });
});
afterAll(async () => {
  client.dispose();
  await cosmos.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => cosmos.faults.clear());

describe('a store in trouble ends every request in time, with an error that may pass', () => {
  test.each(Object.entries(requests))('it hangs: %s', async (_, request) => {
    await request(store);
    cosmos.faults.add({ kind: 'delay', delayMs: 5_000, count: -1 });
    const quick = new Store(client.database('sluice'), { deadlineMs: 200 });
    const started = performance.now();
    const error = await failureOf(request(quick));
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(error).toMatchObject({ code: 408, message: expect.stringMatching(/no answer within 200 ms/) });
    expect(isTransient(error)).toBe(true);
    cosmos.faults.clear();
    await request(quick);
  });

  test.each(Object.entries(requests))('it answers 503, throttles, or cuts the connection: %s', async (_, request) => {
    await request(store);
    for (const kind of ['unavailable', 'throttle', 'cut-before', 'cut-after'] as const) {
      cosmos.faults.add({ kind, count: -1, retryAfterMs: 400 });
      const started = performance.now();
      const error = await failureOf(request(hasty));
      expect({ kind, error, isTransient: isTransient(error) }).toMatchObject({ isTransient: true });
      expect(performance.now() - started).toBeLessThan(2_000);
      cosmos.faults.clear();
    }
    await request(store);
  });

  test('it dies, and is back: the next request works', async () => {
    const { port } = cosmos;
    await Promise.all(Object.values(requests).map((request) => request(store)));
    await cosmos.close();
    const started = performance.now();
    const errors = await Promise.all(Object.values(requests).map((request) => failureOf(request(hasty))));
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(errors.map(isTransient)).toEqual(errors.map(() => true));
    cosmos = await startCosmos({ dataDir: folder, port });
    for (const request of Object.values(requests)) await request(store);
  });

  describe('somebody accepts connections and says nothing', () => {
    let silent: Server;
    const sockets = new Set<Socket>();
    beforeEach(async () => {
      silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    });
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    });

    test('from the first request on', async () => {
      const { port } = silent.address() as AddressInfo;
      const other = connect({ ...cosmos, endpoint: `http://127.0.0.1:${port}` });
      const mute = new Store(other.database('sluice'), { deadlineMs: 300 });
      const started = performance.now();
      const errors = await Promise.all(Object.values(requests).map((request) => failureOf(request(mute))));
      expect(performance.now() - started).toBeLessThan(2_000);
      expect(errors.map(isTransient)).toEqual(errors.map(() => true));
      other.dispose();
    });
  });
});

describe('expected refusals are results', () => {
  test('of single items', async () => {
    const created = await store.create('keys', { id: 'one' });
    expect(created).toMatchObject({ id: 'one', _etag: expect.any(String) });
    expect(await store.create('keys', { id: 'one' })).toBeUndefined();
    expect(await store.replace('keys', { id: 'one' }, '"other"')).toBeUndefined();
    expect(await store.replace('keys', { id: 'none' }, created?._etag ?? '')).toBeUndefined();
    expect(await store.read('keys', 'none', 'none')).toBeUndefined();
    expect(await store.delete('keys', 'one', 'one', '"other"')).toBe(false);
    expect(await store.delete('keys', 'one', 'one', created?._etag)).toBe(true);
    expect(await store.delete('keys', 'one', 'one')).toBe(false);
  });

  test('of batches: committed whole with etags by position, or not at all', async () => {
    const first = await store.batch('journal', 'p', [
      { kind: 'create', document: inPartition('1') },
      { kind: 'create', document: inPartition('2') },
    ]);
    if (first.kind !== 'committed') throw new Error(first.kind);
    const [etag = ''] = first.etags;
    expect(await store.read('journal', '1', 'p')).toMatchObject({ _etag: etag });
    const conflicts = [
      { kind: 'create', document: inPartition('2') },
      { kind: 'replace', document: inPartition('2'), etag: '"other"' },
      { kind: 'replace', document: inPartition('gone'), etag },
      { kind: 'delete', id: 'gone' },
    ] as const;
    for (const conflict of conflicts) {
      const outcome = await store.batch('journal', 'p', [{ kind: 'create', document: inPartition('3') }, conflict]);
      expect(outcome).toEqual({ kind: 'conflict', index: 1 });
    }
    expect(await store.read('journal', '3', 'p')).toBeUndefined();
    const foreign = await store.batch('journal', 'p', [
      { kind: 'create', document: { ...inPartition('4'), pk: 'q' } as never },
    ]);
    expect(foreign).toMatchObject({ kind: 'refused', index: 0, status: 400 });
    const [half, rest] = ['5', '6'].map((id) => inPartition(id, { text: 'x'.repeat(BATCH_BYTES_MAX / 2) }));
    if (!half || !rest) throw new Error('No documents.');
    const large = await store.batch('journal', 'p', [
      { kind: 'create', document: half },
      { kind: 'create', document: rest },
    ]);
    expect(large).toMatchObject({ kind: 'refused', status: 413 });
    expect(await store.read('journal', '5', 'p')).toBeUndefined();
  });
});

test('an item that is refused for good says so', async () => {
  const tooLarge = await failureOf(
    store.create('keys', { id: 'large', text: 'x'.repeat(2_200_000) } as { id: string }),
  );
  expect([isRefusal(tooLarge), isTransient(tooLarge)]).toEqual([true, false]);
});

test('a container that is missing is an error, never "not there" or "taken"', async () => {
  const nowhere = 'nowhere' as ContainerName;
  await expect(store.create(nowhere, { id: '1' })).rejects.toMatchObject({ code: 404 });
  await expect(store.upsert(nowhere, { id: '1' })).rejects.toMatchObject({ code: 404 });
});

test('every page of a query is read, and a page is never empty while there is more', async () => {
  const operations = Array.from({ length: 30 }, (_, index) =>
    inPartition(`e${index}`, { n: index + 1, kind: 'entry', text: 'x'.repeat(300_000) }),
  );
  for (const document of operations) await store.upsert('journal', document);
  const query = { query: "SELECT * FROM c WHERE c.kind = 'entry' ORDER BY c.n" };
  expect(await store.all('journal', query, 'p')).toHaveLength(30);
  const first = await store.some<{ n: number }>('journal', query, 'p', 5);
  expect(first.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  expect(await store.some('journal', { query: "SELECT * FROM c WHERE c.kind = 'none'" }, 'p', 5)).toEqual([]);
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  const outcome = await work.then(
    () => 'It did not fail.',
    (error: unknown) => ({ error }),
  );
  if (typeof outcome === 'string') throw new Error(outcome);
  return outcome.error;
}
