import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BulkOperationType, type Container, type OperationInput } from '@azure/cosmos';
import { Account, refused } from './account.ts';

let account: Account;
let container: Container;
beforeAll(async () => {
  account = await Account.open();
  container = await account.container();
});
afterAll(() => account[Symbol.asyncDispose]());

let partitions = 0;
const partition = () => `p${++partitions}`;
const create = (id: string, pk: string, more: object = {}): OperationInput => ({
  operationType: 'Create',
  resourceBody: { id, pk, ...more },
});

describe('a transactional batch', () => {
  test('applies every kind of operation in order', async () => {
    const pk = partition();
    await container.items.create({ id: 'there', pk, n: 1 });
    await container.items.create({ id: 'doomed', pk });
    const { code, result } = await container.items.batch(
      [
        create('new', pk, { n: 1 }),
        { operationType: 'Upsert', resourceBody: { id: 'there', pk, n: 2 } },
        { operationType: 'Read', id: 'there' },
        { operationType: 'Replace', id: 'there', resourceBody: { id: 'there', pk, n: 3 } },
        { operationType: 'Patch', id: 'there', resourceBody: { operations: [{ op: 'incr', path: '/n', value: 1 }] } },
        { operationType: 'Delete', id: 'doomed' },
      ],
      pk,
    );
    expect(code).toBe(200);
    expect(result?.map(({ statusCode }) => statusCode)).toEqual([201, 200, 200, 200, 200, 204]);
    expect(result?.[2]?.resourceBody).toMatchObject({ n: 2 });
    expect(result?.[0]?.eTag).toBe((await container.item('new', pk).read()).etag);
    expect((await container.item('there', pk).read()).resource?.n).toBe(4);
    expect((await container.item('doomed', pk).read()).statusCode).toBe(404);
  });

  test('is undone whole by the first operation that fails; the others answer 424', async () => {
    const pk = partition();
    await container.items.create({ id: 'taken', pk });
    const { code, result } = await container.items.batch(
      [create('first', pk), create('taken', pk), create('x', pk)],
      pk,
    );
    expect([code, result?.map(({ statusCode }) => statusCode)]).toEqual([207, [424, 409, 424]]);
    expect((await container.item('first', pk).read()).statusCode).toBe(404);
  });

  test('holds to the etags that its operations name', async () => {
    const pk = partition();
    const { etag } = await container.items.create({ id: 'head', pk, n: 1 });
    const move = () =>
      container.items.batch(
        [
          create(`entry-${Math.random()}`, pk),
          { operationType: 'Replace', id: 'head', resourceBody: { id: 'head', pk, n: 2 }, ifMatch: etag },
        ],
        pk,
      );
    expect((await move()).code).toBe(200);
    const late = await move();
    expect([late.code, late.result?.map(({ statusCode }) => statusCode)]).toEqual([207, [424, 412]]);
    const entries = await container.items.query('SELECT * FROM c', { partitionKey: pk }).fetchAll();
    expect(entries.resources).toHaveLength(2);
  });

  test('sees within it what it has written', async () => {
    const pk = partition();
    const { result } = await container.items.batch([create('a', pk, { n: 7 }), { operationType: 'Read', id: 'a' }], pk);
    expect(result?.[1]?.resourceBody).toMatchObject({ n: 7 });
  });

  test('takes 100 operations, and no item of another partition', async () => {
    const pk = partition();
    const many = Array.from({ length: 100 }, (_, n) => create(`${n}`, pk));
    expect((await container.items.batch(many, pk)).code).toBe(200);
    const stray = await container.items.batch([create('stray', 'elsewhere')], pk).then(
      ({ code, result }) => (code === 200 ? 200 : result?.[0]?.statusCode),
      ({ code }) => code,
    );
    expect(stray).toBe(400);
  });
});

describe('bulk', () => {
  const bulk = (operations: Parameters<Container['items']['executeBulkOperations']>[0]) =>
    container.items.executeBulkOperations(operations);

  test('operations of many partitions each succeed or fail for themselves', async () => {
    const keys = Array.from({ length: 20 }, partition);
    await container.items.create({ id: 'b', pk: keys[3] ?? '' });
    const results = await bulk([
      ...keys.map((pk) => ({
        operationType: BulkOperationType.Create,
        partitionKey: pk,
        resourceBody: { id: 'b', pk, n: 1 },
      })),
      { operationType: BulkOperationType.Delete, partitionKey: keys[0] ?? '', id: 'nobody' },
    ]);
    const codes = results.map(({ response, error }) => response?.statusCode ?? error?.code);
    expect(codes).toEqual([...keys.map((_, index) => (index === 3 ? 409 : 201)), 404]);
    for (const [index, pk] of keys.entries())
      expect((await container.item('b', pk).read()).resource?.n).toBe(index === 3 ? undefined : 1);
  });

  test('reads, upserts, replaces, patches and deletes', async () => {
    const keys = [partition(), partition(), partition(), partition(), partition()] as const;
    for (const pk of keys) await container.items.create({ id: 'b', pk, n: 1 });
    const [toRead, toUpsert, toReplace, toPatch, toDelete] = keys;
    const results = await bulk([
      { operationType: BulkOperationType.Read, partitionKey: toRead, id: 'b' },
      {
        operationType: BulkOperationType.Upsert,
        partitionKey: toUpsert,
        resourceBody: { id: 'b', pk: toUpsert, n: 2 },
      },
      {
        operationType: BulkOperationType.Replace,
        partitionKey: toReplace,
        id: 'b',
        resourceBody: { id: 'b', pk: toReplace, n: 3 },
      },
      {
        operationType: BulkOperationType.Patch,
        partitionKey: toPatch,
        id: 'b',
        resourceBody: { operations: [{ op: 'incr', path: '/n', value: 3 }] },
      },
      { operationType: BulkOperationType.Delete, partitionKey: toDelete, id: 'b' },
    ]);
    expect(results.map(({ response }) => response?.statusCode)).toEqual([200, 200, 200, 200, 204]);
    const read = async (pk: string) => (await container.item('b', pk).read()).resource?.n;
    expect(await Promise.all(keys.map(read))).toEqual([1, 2, 3, 4, undefined]);
  });
});

test('a batch of more than 100 operations is refused', async () => {
  const pk = partition();
  const many = Array.from({ length: 101 }, (_, n) => create(`${n}`, pk));
  await expect(container.items.batch(many, pk)).rejects.toThrow(/operations|batch/i);
  expect((await container.items.query('SELECT * FROM c', { partitionKey: pk }).fetchAll()).resources).toEqual([]);
  expect((await refused(container.item('0', pk).delete()))[0]).toBe(404);
});
