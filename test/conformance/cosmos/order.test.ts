import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container, FeedOptions, JSONValue } from '@azure/cosmos';
import { Account, refused } from './account.ts';

interface Item {
  id: string;
  pk: string;
  n: number;
  kind: string;
}

/** Over many keys, so that they spread over whatever partitions there are. */
const items: Item[] = Array.from({ length: 48 }, (_, index) => ({
  id: `i${index}`,
  pk: `key-${index % 16}`,
  n: (index * 29) % 48,
  kind: ['red', 'green', 'blue'][index % 3] ?? '',
}));
const byN = items.toSorted((a, b) => a.n - b.n);

let account: Account;
let container: Container;
beforeAll(async () => {
  account = await Account.open();
  container = await account.container({
    indexingPolicy: {
      includedPaths: [{ path: '/n/?' }, { path: '/kind/?' }, { path: '/mixed/?' }],
      excludedPaths: [{ path: '/*' }],
      compositeIndexes: [
        [
          { path: '/kind', order: 'ascending' },
          { path: '/n', order: 'descending' },
        ],
      ],
    },
  });
  await Promise.all(items.map((item) => container.items.create({ ...item })));
});
afterAll(() => account[Symbol.asyncDispose]());

const run = async (query: string, options: FeedOptions = { maxItemCount: 5 }) =>
  (await container.items.query<JSONValue>(query, { ...options }).fetchAll()).resources;

describe('over all partitions, merged by the SDK', () => {
  test('ORDER BY, both ways, with filter and projection', async () => {
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n')).toEqual(byN.map(({ n }) => n));
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n DESC')).toEqual(byN.map(({ n }) => n).toReversed());
    expect(await run("SELECT c.id FROM c WHERE c.kind = 'blue' AND c.n > 20 ORDER BY c.n")).toEqual(
      byN.filter(({ kind, n }) => kind === 'blue' && n > 20).map(({ id }) => ({ id })),
    );
  });

  test('TOP and OFFSET LIMIT take of the whole, not of each partition', async () => {
    expect(await run('SELECT TOP 4 VALUE c.n FROM c ORDER BY c.n DESC')).toEqual([47, 46, 45, 44]);
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 10 LIMIT 3')).toEqual([10, 11, 12]);
    expect(await run('SELECT TOP 4 VALUE c.n FROM c')).toHaveLength(4);
  });

  test('aggregates, GROUP BY and DISTINCT are of the whole', async () => {
    expect(await run('SELECT VALUE COUNT(1) FROM c')).toEqual([48]);
    expect(await run('SELECT VALUE SUM(c.n) FROM c')).toEqual([1128]);
    expect(await run('SELECT VALUE AVG(c.n) FROM c')).toEqual([23.5]);
    expect(await run('SELECT VALUE MIN(c.n) FROM c')).toEqual([0]);
    expect(await run('SELECT VALUE MAX(c.n) FROM c')).toEqual([47]);
    const groups = (await run('SELECT c.kind, COUNT(1) AS n, AVG(c.n) AS mean FROM c GROUP BY c.kind')) as {
      kind: string;
    }[];
    const expected = ['blue', 'green', 'red'].map((kind) => {
      const ns = items.filter((item) => item.kind === kind).map(({ n }) => n);
      return { kind, n: 16, mean: ns.reduce((sum, n) => sum + n, 0) / 16 };
    });
    expect(groups.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual(expected);
    expect((await run('SELECT DISTINCT VALUE c.kind FROM c')).map(String).toSorted()).toEqual(['blue', 'green', 'red']);
    expect(await run('SELECT DISTINCT VALUE c.kind FROM c ORDER BY c.kind DESC')).toEqual(['red', 'green', 'blue']);
  });

  test('an ORDER BY goes on behind a continuation, page by page', async () => {
    const found: number[] = [];
    let continuationToken: string | undefined;
    do {
      const options = {
        maxItemCount: 7,
        enableQueryControl: true,
        ...(continuationToken ? { continuationToken } : {}),
      };
      const page = await container.items.query<number>('SELECT VALUE c.n FROM c ORDER BY c.n', options).fetchNext();
      found.push(...(page.resources ?? []));
      continuationToken = page.continuationToken;
    } while (continuationToken);
    expect(found).toEqual(byN.map(({ n }) => n));
  });
});

describe('the index decides what ORDER BY may name', () => {
  test('several paths need a composite index, in its directions or all of them turned round', async () => {
    const expected = items
      .toSorted((a, b) => (a.kind === b.kind ? b.n - a.n : a.kind < b.kind ? -1 : 1))
      .map(({ id }) => id);
    expect(await run('SELECT VALUE c.id FROM c ORDER BY c.kind ASC, c.n DESC')).toEqual(expected);
    expect(await run('SELECT VALUE c.id FROM c ORDER BY c.kind DESC, c.n ASC')).toEqual(expected.toReversed());
    for (const order of ['c.kind ASC, c.n ASC', 'c.n DESC, c.kind ASC', 'c.kind, c.n, c.id'])
      expect((await refused(run(`SELECT VALUE c.id FROM c ORDER BY ${order}`)))[0]).toBe(400);
  });

  test('a path that is left out of it is 400', async () => {
    expect((await refused(run('SELECT * FROM c ORDER BY c.other')))[0]).toBe(400);
    expect((await refused(run('SELECT * FROM c ORDER BY c.other', { partitionKey: 'key-1' })))[0]).toBe(400);
    expect((await refused(run('SELECT * FROM c ORDER BY LOWER(c.kind)')))[0]).toBe(400);
  });
});

test('values of different types order: null, false, true, numbers, strings', async () => {
  const values = ['b', 10, true, null, -1, 'a', false, 2];
  for (const [n, mixed] of values.entries()) await container.items.create({ id: `m${n}`, pk: 'mixed', mixed });
  const query = 'SELECT VALUE c.mixed FROM c WHERE IS_DEFINED(c.mixed) ORDER BY c.mixed';
  expect(await run(query, { partitionKey: 'mixed' })).toEqual([null, false, true, -1, 2, 10, 'a', 'b']);
  expect(await run(query.concat(' DESC'), { partitionKey: 'mixed' })).toEqual(['b', 'a', 10, 2, -1, true, false, null]);
});
