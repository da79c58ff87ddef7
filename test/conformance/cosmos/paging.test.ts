import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { Account, refused } from './account.ts';

interface Item {
  id: string;
  pk: string;
  n: number;
}

let account: Account;
beforeAll(async () => {
  account = await Account.open();
});
afterAll(() => account[Symbol.asyncDispose]());

async function filled(count: number): Promise<Container> {
  const container = await account.container();
  await Promise.all(
    Array.from({ length: count }, (_, n) => container.items.create({ id: `i${n}`, pk: 'p', n: n * 10 })),
  );
  return container;
}

/** Reads page by page, each with an iterator of its own, and calls back between pages. */
async function pages(container: Container, query: string, between: (page: number) => Promise<void>) {
  const rows: Item[] = [];
  let continuationToken: string | undefined;
  for (let page = 1; ; page++) {
    const options = { partitionKey: 'p', maxItemCount: 7, ...(continuationToken ? { continuationToken } : {}) };
    const { resources, continuationToken: next } = await container.items.query<Item>(query, options).fetchNext();
    expect(resources?.length ?? 0).toBeLessThanOrEqual(7);
    rows.push(...(resources ?? []));
    if (!next) return rows;
    continuationToken = next;
    await between(page);
  }
}

const ascending = (ns: readonly number[]) => ns.every((n, index) => n >= (ns[index - 1] ?? n));

test.each<[string, (ns: readonly number[]) => boolean]>([
  ['SELECT * FROM c', () => true],
  ['SELECT * FROM c ORDER BY c.n', ascending],
  ['SELECT * FROM c ORDER BY c.n DESC', (ns) => ascending(ns.toReversed())],
])('%s leaves no gap and repeats nothing while items come and go between pages', async (query, order) => {
  const container = await filled(40);
  const deleted = new Set<string>();
  const rows = await pages(container, query, async (page) => {
    await container.items.create({ id: `new${page}`, pk: 'p', n: page * 71 });
    const id = `i${(page * 17) % 40}`;
    deleted.add(id);
    await container.item(id, 'p').delete();
  });
  const ids = rows.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const kept = Array.from({ length: 40 }, (_, n) => `i${n}`).filter((id) => !deleted.has(id));
  expect(kept.filter((id) => !ids.includes(id))).toEqual([]);
  expect(order(rows.map(({ n }) => n))).toBe(true);
});

test('OFFSET LIMIT spans pages', async () => {
  const container = await filled(30);
  const rows = await pages(container, 'SELECT * FROM c ORDER BY c.n OFFSET 5 LIMIT 20', async () => {});
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, index) => (index + 5) * 10));
});

test('rows of a JOIN page within an item', async () => {
  const container = await account.container();
  await container.items.create({ id: 'a', pk: 'p', list: Array.from({ length: 20 }, (_, n) => n) });
  const rows = await pages(container, 'SELECT VALUE {"n": e} FROM c JOIN e IN c.list', async () => {});
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, n) => n));
});

test('all items of a container are read through, whatever their partition', async () => {
  const container = await account.container();
  await Promise.all(Array.from({ length: 25 }, (_, n) => container.items.create({ id: `i${n}`, pk: `k${n}` })));
  const ids: string[] = [];
  for await (const { resources } of container.items.readAll<Item>({ maxItemCount: 4 }).getAsyncIterator())
    ids.push(...resources.map(({ id }) => id));
  expect(ids.toSorted()).toEqual(Array.from({ length: 25 }, (_, n) => `i${n}`).toSorted());
});

test('a continuation that is none is 400', async () => {
  const container = await filled(3);
  const query = container.items.query('SELECT * FROM c', { partitionKey: 'p', continuationToken: 'nonsense' });
  expect((await refused(query.fetchNext()))[0]).toBe(400);
});
