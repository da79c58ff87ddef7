import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { Account, refusal, refused } from './account.ts';

let account: Account;
let container: Container;
beforeAll(async () => {
  account = await Account.open();
  container = await account.container();
});
afterAll(() => account[Symbol.asyncDispose]());

/** A partition of its own for each test. */
let partitions = 0;
const partition = () => `p${++partitions}`;

describe('an item', () => {
  test('is created with system properties, and read as it is stored', async () => {
    const pk = partition();
    const item = { id: 'a', pk, text: 'naïve ☃ 𝄞', deep: { list: [1, null, { x: false }] }, n: 0.1 };
    const created = await container.items.create(item);
    expect(created.statusCode).toBe(201);
    expect(created.resource).toMatchObject({
      ...item,
      _rid: expect.any(String),
      _self: expect.any(String),
      _etag: created.etag,
      _attachments: expect.any(String),
      _ts: expect.any(Number),
    });
    expect(created.requestCharge).toBeGreaterThan(0);
    expect(created.activityId).toMatch(/^[0-9a-f-]{36}$/);
    expect(created.headers['x-ms-session-token']).toMatch(/^\w+:/);
    const read = await container.item('a', pk).read();
    expect([read.statusCode, read.resource]).toEqual([200, created.resource]);
  });

  test('has an id that is unique in its partition only', async () => {
    const [one, other] = [partition(), partition()];
    await container.items.create({ id: 'a', pk: one });
    await container.items.create({ id: 'a', pk: other });
    expect(await refused(container.items.create({ id: 'a', pk: one }))).toEqual([409, 0]);
  });

  test('that is missing reads as 404, and cannot be replaced, patched or deleted', async () => {
    const pk = partition();
    const item = container.item('none', pk);
    const read = await item.read();
    expect([read.statusCode, read.resource]).toEqual([404, undefined]);
    expect(await refused(item.replace({ id: 'none', pk }))).toEqual([404, 0]);
    expect(await refused(item.patch([{ op: 'add', path: '/x', value: 1 }]))).toEqual([404, 0]);
    expect(await refused(item.delete())).toEqual([404, 0]);
  });

  test('is upserted: created once, then replaced whole', async () => {
    const pk = partition();
    expect((await container.items.upsert({ id: 'a', pk, old: true })).statusCode).toBe(201);
    expect((await container.items.upsert({ id: 'a', pk, n: 1 })).statusCode).toBe(200);
    const { resource } = await container.item('a', pk).read();
    expect([resource?.old, resource?.n]).toEqual([undefined, 1]);
  });

  test('is deleted with 204, and gone', async () => {
    const pk = partition();
    await container.items.create({ id: 'a', pk });
    expect((await container.item('a', pk).delete()).statusCode).toBe(204);
    expect((await container.item('a', pk).read()).statusCode).toBe(404);
  });

  test('may have an id of spaces, quotes and letters of any alphabet', async () => {
    const pk = partition();
    for (const id of ['a b', 'größe "1"', '温度', "it's", 'a%20b+c&d=e']) {
      await container.items.create({ id, pk });
      expect((await container.item(id, pk).read()).resource?.id).toBe(id);
    }
  });

  test.each(['a/b', 'a\\b', 'a?b', 'a#b'])('must not have the id %s', async (id) => {
    expect((await refusal(container.items.create({ id, pk: partition() }))).message).toMatch(/id/i);
  });

  test('must be 2 MB at most: more is 413', async () => {
    const pk = partition();
    const text = 'x'.repeat(2 * 1024 * 1024 - 1000);
    expect((await container.items.create({ id: 'large', pk, text })).statusCode).toBe(201);
    expect((await container.item('large', pk).read()).resource?.text.length).toBe(text.length);
    expect((await refused(container.items.create({ id: 'larger', pk, text: `${text}${text}` })))[0]).toBe(413);
  });

  test('must lie in the partition that the request names: 400 with sub-status 1001', async () => {
    const item = container.item('a', partition());
    await container.items.create({ id: 'a', pk: item.id });
    const pk = partition();
    await container.items.create({ id: 'b', pk });
    expect(await refused(container.item('b', pk).replace({ id: 'b', pk: 'elsewhere' }))).toEqual([400, 1001]);
  });
});

describe('partition keys', () => {
  test('of different types are different partitions', async () => {
    const keys = ['1', 1, true, null, 0, '', 'true'] as const;
    for (const [n, pk] of keys.entries()) await container.items.create({ id: 'typed', pk, n });
    await container.items.create({ id: 'typed', n: keys.length });
    for (const [n, pk] of keys.entries()) expect((await container.item('typed', pk).read()).resource?.n).toBe(n);
    const rows = await container.items
      .query<number>("SELECT VALUE c.n FROM c WHERE c.id = 'typed'", { partitionKey: 1 })
      .fetchAll();
    expect(rows.resources).toEqual([1]);
  });

  test('of nested paths are found in the document', async () => {
    const nested = await account.container({ partitionKey: { paths: ['/owner/name'] } });
    await nested.items.create({ id: 'a', owner: { name: 'x' } });
    expect((await nested.item('a', 'x').read()).statusCode).toBe(200);
    expect((await nested.item('a', 'y').read()).statusCode).toBe(404);
  });
});

describe('etags', () => {
  test('change with every write, also when nothing else does', async () => {
    const pk = partition();
    const etags = new Set<string>();
    for (let n = 0; n < 5; n++) etags.add((await container.items.upsert({ id: 'a', pk })).etag);
    expect(etags.size).toBe(5);
  });

  test('of a deleted and re-created item do not come back', async () => {
    const pk = partition();
    const { etag } = await container.items.create({ id: 'a', pk });
    await container.item('a', pk).delete();
    expect((await container.items.create({ id: 'a', pk })).etag).not.toBe(etag);
  });

  test('a read with the current one is 304, with another one 200', async () => {
    const pk = partition();
    const { etag } = await container.items.create({ id: 'a', pk });
    const read = (condition: string) =>
      container.item('a', pk).read({ accessCondition: { type: 'IfNoneMatch', condition } });
    expect((await read(etag)).statusCode).toBe(304);
    expect((await read('"other"')).statusCode).toBe(200);
  });

  test('a stale one is 412 for replace, upsert, patch and delete, and nothing changes', async () => {
    const pk = partition();
    const { etag } = await container.items.create({ id: 'a', pk, n: 1 });
    const current = await container.items.upsert({ id: 'a', pk, n: 2 });
    const stale = { accessCondition: { type: 'IfMatch', condition: etag } };
    const item = container.item('a', pk);
    expect(await refused(item.replace({ id: 'a', pk, n: 3 }, stale))).toEqual([412, 0]);
    expect(await refused(container.items.upsert({ id: 'a', pk, n: 3 }, stale))).toEqual([412, 0]);
    expect(await refused(item.patch([{ op: 'set', path: '/n', value: 3 }], stale))).toEqual([412, 0]);
    expect(await refused(item.delete(stale))).toEqual([412, 0]);
    expect((await item.read()).resource).toEqual(current.resource);
    const fresh = { accessCondition: { type: 'IfMatch', condition: current.etag } };
    expect((await item.replace({ id: 'a', pk, n: 3 }, fresh)).statusCode).toBe(200);
  });

  test('of many writers that hold the same one exactly one wins', async () => {
    const pk = partition();
    const { etag } = await container.items.create({ id: 'a', pk });
    const condition = { accessCondition: { type: 'IfMatch', condition: etag } };
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        container
          .item('a', pk)
          .replace({ id: 'a', pk, n }, condition)
          .then(
            ({ statusCode }) => statusCode,
            ({ code }: { code: number }) => code,
          ),
      ),
    );
    expect(outcomes.filter((code) => code === 200)).toHaveLength(1);
    expect(outcomes.filter((code) => code === 412)).toHaveLength(19);
  });
});

test('of many creates of one id exactly one wins', async () => {
  const pk = partition();
  const creates = Array.from({ length: 20 }, () => container.items.create({ id: 'a', pk }));
  const outcomes = await Promise.allSettled(creates);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a container that is not there is 404 with sub-status 1003, unlike an item that is not', async () => {
  const none = account.database.container('none');
  const { statusCode, substatus } = await none.item('a', 'p').read();
  expect([statusCode, substatus]).toEqual([404, 1003]);
  expect(await refused(none.items.upsert({ id: 'a', pk: 'p' }))).toEqual([404, 1003]);
  expect((await refused(none.items.query('SELECT * FROM c').fetchAll()))[0]).toBe(404);
  const missing = await container.item('none', 'p').read();
  expect([missing.statusCode, missing.substatus ?? 0]).toEqual([404, 0]);
});

test('all items of a partition are deleted at once', async () => {
  const [one, other] = [partition(), partition()];
  for (const id of ['a', 'b']) for (const pk of [one, other]) await container.items.create({ id, pk });
  await container.deleteAllItemsForPartitionKey(one);
  const left = async (partitionKey: string) =>
    (await container.items.query('SELECT * FROM c', { partitionKey }).fetchAll()).resources.length;
  expect([await left(one), await left(other)]).toEqual([0, 2]);
});
