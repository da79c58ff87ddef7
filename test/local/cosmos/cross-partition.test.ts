import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container, FeedOptions, JSONValue } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

interface Item {
  id: string;
  pk: string;
  n: number;
  kind: string;
}

const documents: Item[] = Array.from({ length: 60 }, (_, index) => ({
  id: `i${index}`,
  pk: `key${index % 17}`,
  n: (index * 37) % 60,
  kind: ['red', 'green', 'blue'][index % 3] ?? '',
}));
const byN = documents.toSorted((a, b) => a.n - b.n);

describe.each([1, 4])('queries over all keys, %d physical partition(s), merged by the SDK', (partitions) => {
  let cosmos: CosmosUnderTest;
  let container: Container;
  beforeAll(async () => {
    cosmos = await startCosmosUnderTest({ partitions });
    container = await cosmos.container({
      indexingPolicy: {
        includedPaths: [{ path: '/*' }],
        compositeIndexes: [
          [
            { path: '/kind', order: 'ascending' },
            { path: '/n', order: 'ascending' },
          ],
        ],
      },
    });
    for (const document of documents) await container.items.create({ ...document });
  });
  afterAll(() => cosmos.close());

  const run = async (query: string, options: FeedOptions = { maxItemCount: 7 }) =>
    (await container.items.query<JSONValue>(query, { ...options }).fetchAll()).resources;

  test('a plain filter pages through every partition by continuation', async () => {
    const found: string[] = [];
    for (let continuationToken: string | undefined; ;) {
      const page = await container.items
        .query<string>("SELECT VALUE c.id FROM c WHERE c.kind != 'red'", {
          maxItemCount: 7,
          ...(continuationToken ? { continuationToken } : {}),
        })
        .fetchNext();
      found.push(...(page.resources ?? []));
      continuationToken = page.continuationToken;
      if (!continuationToken) break;
    }
    expect(found.toSorted()).toEqual(
      documents
        .filter(({ kind }) => kind !== 'red')
        .map(({ id }) => id)
        .toSorted(),
    );
  });

  test('ORDER BY, both ways, with a filter and a projection', async () => {
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n')).toEqual(byN.map(({ n }) => n));
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n DESC')).toEqual(byN.map(({ n }) => n).toReversed());
    expect(await run("SELECT c.id, c.n AS number FROM c WHERE c.kind = 'blue' AND c.n > 20 ORDER BY c.n")).toEqual(
      byN.filter(({ kind, n }) => kind === 'blue' && n > 20).map(({ id, n }) => ({ id, number: n })),
    );
    const items = (await run('SELECT * FROM c ORDER BY c.n')) as unknown as Item[];
    expect(items.map(({ id }) => id)).toEqual(byN.map(({ id }) => id));
  });

  test('ORDER BY of two paths', async () => {
    const expected = documents.toSorted((a, b) => a.kind.localeCompare(b.kind) || a.n - b.n).map(({ id }) => id);
    expect(await run('SELECT VALUE c.id FROM c ORDER BY c.kind, c.n')).toEqual(expected);
    expect((await refusal(run('SELECT VALUE c.id FROM c ORDER BY c.n, c.kind'))).code).toBe(400);
  });

  test('TOP and OFFSET LIMIT, with and without an order', async () => {
    expect(await run('SELECT TOP 5 VALUE c.n FROM c ORDER BY c.n DESC')).toEqual([59, 58, 57, 56, 55]);
    expect(await run('SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 10 LIMIT 3')).toEqual([10, 11, 12]);
    expect(await run('SELECT TOP 5 VALUE c.n FROM c')).toHaveLength(5);
    expect(await run('SELECT VALUE c.n FROM c OFFSET 55 LIMIT 10')).toHaveLength(5);
  });

  test('aggregates', async () => {
    expect(await run('SELECT VALUE COUNT(1) FROM c')).toEqual([60]);
    expect(await run("SELECT VALUE COUNT(1) FROM c WHERE c.kind = 'red'")).toEqual([20]);
    expect(await run('SELECT VALUE SUM(c.n) FROM c')).toEqual([1770]);
    expect(await run('SELECT VALUE AVG(c.n) FROM c')).toEqual([29.5]);
    expect(await run('SELECT VALUE MIN(c.n) FROM c')).toEqual([0]);
    expect(await run('SELECT VALUE MAX(c.kind) FROM c')).toEqual(['red']);
    expect(await run('SELECT COUNT(1) AS n, AVG(c.n) AS mean, MAX(c.n) AS high FROM c')).toEqual([
      { n: 60, mean: 29.5, high: 59 },
    ]);
    expect(await run('SELECT VALUE COUNT(1) FROM c WHERE c.n > 1000')).toEqual([0]);
    expect((await refusal(run('SELECT VALUE COUNT(1) + 1 FROM c'))).message).toContain('Compositions of aggregates');
  });

  test('GROUP BY', async () => {
    const groups = (await run(
      'SELECT c.kind, COUNT(1) AS n, SUM(c.n) AS total, AVG(c.n) AS mean, MIN(c.n) AS low FROM c GROUP BY c.kind',
    )) as { kind: string }[];
    const expected = ['blue', 'green', 'red'].map((kind) => {
      const values = documents.filter((document) => document.kind === kind).map(({ n }) => n);
      const total = values.reduce((sum, n) => sum + n, 0);
      return { kind, n: 20, total, mean: total / 20, low: Math.min(...values) };
    });
    expect(groups.toSorted((a, b) => a.kind.localeCompare(b.kind))).toEqual(expected);
    expect((await run('SELECT VALUE COUNT(1) FROM c GROUP BY c.kind')).length).toBe(3);
    expect((await run('SELECT VALUE c.kind FROM c GROUP BY c.kind')).map(String).toSorted()).toEqual([
      'blue',
      'green',
      'red',
    ]);
  });

  test('DISTINCT, ordered and not', async () => {
    expect((await run('SELECT DISTINCT VALUE c.kind FROM c')).map(String).toSorted()).toEqual(['blue', 'green', 'red']);
    expect(await run('SELECT DISTINCT VALUE c.kind FROM c ORDER BY c.kind DESC')).toEqual(['red', 'green', 'blue']);
    expect(await run('SELECT DISTINCT c.kind FROM c')).toHaveLength(3);
  });

  test('parameters reach every partition, and a subquery survives the rewriting', async () => {
    const spec = {
      query:
        'SELECT VALUE c.n FROM c WHERE c.n >= @low AND EXISTS (SELECT VALUE 1 FROM x IN [1] WHERE x = 1) ORDER BY c.n',
      parameters: [{ name: '@low', value: 57 }],
    };
    expect((await container.items.query(spec).fetchAll()).resources).toEqual([57, 58, 59]);
  });

  test('an ORDER BY is resumed by continuation when query control is on, and refused when it is not', async () => {
    const query = 'SELECT VALUE c.n FROM c ORDER BY c.n';
    const found: number[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await container.items
        .query<number>(query, {
          maxItemCount: 9,
          enableQueryControl: true,
          ...(continuationToken ? { continuationToken } : {}),
        })
        .fetchNext();
      found.push(...(page.resources ?? []));
      continuationToken = page.continuationToken;
    } while (continuationToken);
    expect(found).toEqual(byN.map(({ n }) => n));
    expect((await refusal(container.items.query(query, { continuationToken: 'x' }).fetchNext())).message).toMatch(
      /enableQueryControl|continuation/i,
    );
  });

  test('a query sent without leave to cross partitions is 400', async () => {
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
      method: 'POST',
      headers: {
        authorization: 'type=aad&ver=1.0&sig=t',
        'content-type': 'application/query+json',
        'x-ms-documentdb-isquery': 'true',
      },
      body: JSON.stringify({ query: 'SELECT * FROM c' }),
    });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('Cross partition')]);
  });
});
