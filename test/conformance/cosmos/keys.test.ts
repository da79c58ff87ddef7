import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BulkOperationType, ChangeFeedStartFrom, PartitionKeyKind, type Container } from '@azure/cosmos';
import { Account, refused } from './account.ts';

let account: Account;
beforeAll(async () => {
  account = await Account.open();
});
afterAll(() => account[Symbol.asyncDispose]());

describe('hierarchical partition keys', () => {
  let container: Container;
  beforeAll(async () => {
    const partitionKey = { paths: ['/tenant', '/device', '/day'], kind: PartitionKeyKind.MultiHash };
    container = await account.container({ partitionKey });
    for (const tenant of ['t1', 't10', 't2'])
      for (const device of ['d1', 'd2'])
        for (const day of [1, 2]) await container.items.create({ id: 'same', tenant, device, day });
  });

  test('hold the same id once in each', async () => {
    expect(await refused(container.items.create({ id: 'same', tenant: 't1', device: 'd1', day: 1 }))).toEqual([409, 0]);
    expect((await container.item('same', ['t10', 'd2', 2]).read()).resource).toMatchObject({
      tenant: 't10',
      device: 'd2',
      day: 2,
    });
    expect((await container.item('same', ['t1', 'd3', 1]).read()).statusCode).toBe(404);
  });

  test.each([
    [['t1'], 4],
    [['t1', 'd2'], 2],
    [['t1', 'd2', 2], 1],
    [['t'], 0],
    [['t2', 'd'], 0],
  ])('a query under %j finds what begins with it, whole values only', async (partitionKey, count) => {
    const { resources } = await container.items
      .query<Record<string, unknown>>('SELECT * FROM c', { partitionKey })
      .fetchAll();
    expect(resources).toHaveLength(count);
    for (const found of resources)
      expect([found['tenant'], found['device'], found['day']].slice(0, partitionKey.length)).toEqual(partitionKey);
  });

  test('order and aggregate under a prefix as under one key', async () => {
    const options = { partitionKey: ['t10'] };
    const days = await container.items
      .query('SELECT VALUE c.day FROM c ORDER BY c.day DESC', { ...options })
      .fetchAll();
    expect(days.resources).toEqual([2, 2, 1, 1]);
    const count = await container.items.query('SELECT VALUE COUNT(1) FROM c', { ...options }).fetchAll();
    expect(count.resources).toEqual([4]);
  });

  test('need all their levels for a point operation and a batch', async () => {
    expect((await refused(container.item('same', ['t1', 'd1']).delete()))[0]).toBe(400);
    const batch = await container.items.batch(
      [{ operationType: 'Upsert', resourceBody: { id: 'b', tenant: 't3', device: 'd', day: 1 } }],
      ['t3', 'd', 1],
    );
    expect(batch.code).toBe(200);
    expect((await container.item('b', ['t3', 'd', 1]).read()).statusCode).toBe(200);
  });
});

describe('unique keys', () => {
  test('hold within a partition, over all their paths together; nothing counts as null', async () => {
    const container = await account.container({
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/name', '/kind'] }, { paths: ['/serial'] }] },
    });
    const create = (id: string, pk: string, more: object) => container.items.create({ id, pk, ...more });
    await create('a', 'p', { name: 'x', kind: 1, serial: 1 });
    await create('b', 'p', { name: 'x', kind: 2, serial: 2 });
    await create('c', 'q', { name: 'x', kind: 1, serial: 1 });
    expect(await refused(create('d', 'p', { name: 'x', kind: 1, serial: 3 }))).toEqual([409, 0]);
    expect(await refused(create('e', 'p', { name: 'y', kind: 1, serial: 2 }))).toEqual([409, 0]);
    await create('f', 'p', { name: 'z' });
    expect(await refused(create('g', 'p', { name: 'zz' }))).toEqual([409, 0]);
    expect(await refused(container.items.upsert({ id: 'b', pk: 'p', name: 'x', kind: 1, serial: 2 }))).toEqual([
      409, 0,
    ]);
    await container.item('a', 'p').delete();
    expect((await container.items.upsert({ id: 'b', pk: 'p', name: 'x', kind: 1, serial: 2 })).statusCode).toBe(200);
  });
});

describe('physical partitions', () => {
  test('an item lies in the range that its hash belongs to, for keys of every type', async () => {
    const container = await account.container();
    const keys = ['a', 'device-17', 'ü☃', 'x'.repeat(90), 1, -2.5, 1e21, true, null, 'b', 'c', 'd', 'e', 'f'];
    // The SDK hashes the key itself and names the range; a service that hashes another way has to answer 410.
    const results = await container.items.executeBulkOperations(
      keys.map((pk, n) => ({
        operationType: BulkOperationType.Create,
        partitionKey: pk,
        resourceBody: { id: `i${n}`, pk, n },
      })),
    );
    expect(results.map(({ response, error }) => response?.statusCode ?? error?.code)).toEqual(keys.map(() => 201));
    for (const [n, pk] of keys.entries()) expect((await container.item(`i${n}`, pk).read()).resource?.n).toBe(n);
    const seen: number[] = [];
    for (const range of await container.getFeedRanges()) {
      const iterator = container.items.getChangeFeedIterator<{ n: number }>({
        changeFeedStartFrom: ChangeFeedStartFrom.Beginning(range),
      });
      for (let page = await iterator.readNext(); page.statusCode !== 304; page = await iterator.readNext())
        seen.push(...page.result.map(({ n }) => n));
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(keys.map((_, n) => n));
  });
});
