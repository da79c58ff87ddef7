import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PartitionKeyKind, type Container, type FeedOptions, type JSONValue } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
beforeAll(async () => {
  cosmos = await startCosmosUnderTest({ partitions: 4 });
});
afterAll(() => cosmos.close());

/** Reads page by page with a new iterator each time, so that only the continuation carries the place. */
async function pages<T>(
  container: Container,
  query: string,
  options: FeedOptions,
  between: (page: number) => Promise<unknown> = async () => {},
) {
  const found: T[][] = [];
  for (let continuationToken: string | undefined; ;) {
    const page = await container.items
      .query<T>(query, { ...options, ...(continuationToken === undefined ? {} : { continuationToken }) })
      .fetchNext();
    found.push(page.resources ?? []);
    continuationToken = page.continuationToken;
    if (!continuationToken) return found;
    await between(found.length);
  }
}

const lean = { includedPaths: [{ path: '/n/?' }, { path: '/kind/?' }], excludedPaths: [{ path: '/*' }] };
const full = { includedPaths: [{ path: '/*' }] };

/** Twenty items, whose n come in no order and have ties. */
async function filled(indexingPolicy: object): Promise<Container> {
  const container = await cosmos.container({ indexingPolicy });
  for (let index = 0; index < 20; index++)
    await container.items.create({
      id: `i${index}`,
      pk: 'p',
      n: (index * 7) % 10,
      kind: index % 2 === 0 ? 'even' : 'odd',
      tags: ['a', 'b', 'c', 'd', 'e'],
    });
  return container;
}

describe.each([
  ['with an index to walk along', lean],
  ['sorted', full],
])('pages of one partition, %s', (_, policy) => {
  const options = { partitionKey: 'p', maxItemCount: 3 };

  test.each([
    ['SELECT VALUE c.id FROM c', []],
    ['SELECT VALUE c.id FROM c ORDER BY c.n', []],
    ['SELECT VALUE c.id FROM c ORDER BY c.n DESC', []],
    ["SELECT VALUE c.id FROM c WHERE c.kind = 'odd' AND c.n > 2 ORDER BY c.n", []],
    ['SELECT VALUE c.id FROM c WHERE c.n >= 4', []],
    ['SELECT VALUE c.id FROM c ORDER BY c.n OFFSET 4 LIMIT 9', []],
    ['SELECT TOP 8 VALUE c.id FROM c ORDER BY c.n', []],
    ['SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags WHERE c.n < 4', []],
    ['SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags ORDER BY c.n DESC', []],
    ['SELECT DISTINCT VALUE c.n FROM c', []],
    ['SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n DESC', []],
    ['SELECT c.n, COUNT(1) AS count FROM c GROUP BY c.n', []],
  ])('%s put together are the whole answer', async (query) => {
    const container = await filled(policy);
    const whole = (await container.items.query<JSONValue>(query, { partitionKey: 'p', maxItemCount: -1 }).fetchAll())
      .resources;
    expect(whole.length).toBeGreaterThan(3);
    const parts = await pages<JSONValue>(container, query, options);
    expect(parts.slice(0, -1).map(({ length }) => length)).toEqual(parts.slice(0, -1).map(() => 3));
    expect(parts.flat()).toEqual(whole);
  });

  test.each(['', ' ORDER BY c.n', ' ORDER BY c.n DESC'])(
    'have no gap and no repeat while items come and go between them: %s',
    async (order) => {
      const container = await filled(policy);
      const gone = ['i0', 'i19', 'i7'];
      const rows = await pages<{ id: string }>(container, `SELECT c.id FROM c${order}`, options, async (page) => {
        await container.items.create({ id: `new${page}`, pk: 'p', n: page % 10 });
        const id = gone[page - 1];
        if (id !== undefined) await container.item(id, 'p').delete();
        // A write that does not touch the sorted value moves nothing.
        await container.item('i5', 'p').patch([{ op: 'set', path: '/touched', value: page }]);
      });
      const ids = rows.flat().map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const kept = Array.from({ length: 20 }, (__, index) => `i${index}`).filter((id) => !gone.includes(id));
      expect(ids).toEqual(expect.arrayContaining(kept));
    },
  );

  test('of different values repeat none while items come and go', async () => {
    const container = await filled(policy);
    const values = await pages<number>(container, 'SELECT DISTINCT VALUE c.n FROM c', options, async (page) => {
      await container.item(`i${page}`, 'p').delete();
      await container.items.create({ id: `n${page}`, pk: 'p', n: page + 100 });
    });
    expect(new Set(values.flat()).size).toBe(values.flat().length);
    expect(values.flat()).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  });
});

describe('pages', () => {
  test('end at 4 MB, whatever the client asks for', async () => {
    const container = await cosmos.container();
    for (let index = 0; index < 6; index++)
      await container.items.create({ id: `${index}`, pk: 'p', text: 'x'.repeat(1_500_000) });
    const parts = await pages<object>(container, 'SELECT * FROM c', { partitionKey: 'p', maxItemCount: -1 });
    expect(parts.map(({ length }) => length)).toEqual([2, 2, 2]);
  });

  test('hold 100 rows when the client does not say', async () => {
    const container = await cosmos.container();
    for (let batch = 0; batch < 3; batch++)
      await container.items.batch(
        Array.from({ length: 70 }, (_, index) => ({
          operationType: 'Create' as const,
          resourceBody: { id: `${batch}-${index}`, pk: 'p' },
        })),
        'p',
      );
    const page = await container.items.query('SELECT * FROM c', { partitionKey: 'p' }).fetchNext();
    expect([page.resources.length, page.hasMoreResults]).toEqual([100, true]);
  });

  test('refuse a continuation of another query or none of ours, and a page size that is no number', async () => {
    const container = await filled(lean);
    const token = (await container.items.query('SELECT * FROM c', { partitionKey: 'p', maxItemCount: 2 }).fetchNext())
      .continuationToken;
    const resume = (query: string, continuationToken: string) =>
      container.items.query(query, { partitionKey: 'p', continuationToken }).fetchNext();
    expect((await refusal(resume('SELECT c.id FROM c', token))).code).toBe(400);
    for (const garbage of [
      'garbage',
      'WzFd',
      Buffer.from('[1,2]').toString('base64url'),
      Buffer.from('null').toString('base64url'),
    ])
      expect((await refusal(resume('SELECT * FROM c', garbage))).code).toBe(400);
    const answer = await fetch(`${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`, {
      headers: { authorization: 'type=aad&ver=1.0&sig=t', 'x-ms-max-item-count': 'many' },
    });
    expect(answer.status).toBe(400);
  });
});

describe('hierarchical keys', () => {
  let container: Container;
  beforeAll(async () => {
    container = await cosmos.container({
      partitionKey: { paths: ['/tenant', '/device', '/day'], kind: PartitionKeyKind.MultiHash, version: 2 },
    });
    for (const tenant of ['t1', 't2', 't', '"t1"'])
      for (const device of ['a', 'b'])
        for (const day of [1, 2]) await container.items.create({ id: 'x', tenant, device, day });
  });

  test('hold the same id once in each key; a point operation needs the whole key', async () => {
    expect((await container.item('x', ['t1', 'a', 1] as never).read()).resource).toMatchObject({
      tenant: 't1',
      device: 'a',
      day: 1,
    });
    expect((await refusal(container.items.create({ id: 'x', tenant: 't1', device: 'a', day: 1 }))).code).toBe(409);
    expect((await refusal(container.item('x', ['t1', 'a'] as never).read())).code).toBe(400);
    await container.item('x', ['t2', 'b', 2] as never).delete();
    expect((await container.item('x', ['t2', 'b', 2] as never).read()).statusCode).toBe(404);
  });

  test.each<[unknown[], number]>([
    [['t1', 'a', 1], 1],
    [['t1', 'a'], 2],
    [['t1'], 4],
    [['t'], 4],
    [['"t1"'], 4],
    [['none'], 0],
  ])('a query of the prefix %j covers what lies below, and no more', async (prefix, count) => {
    const options = { partitionKey: prefix as never, maxItemCount: 3 };
    const rows = (await pages<Record<string, unknown>>(container, 'SELECT * FROM c', options)).flat();
    expect(rows).toHaveLength(count);
    for (const row of rows) expect([row['tenant'], row['device'], row['day']].slice(0, prefix.length)).toEqual(prefix);
    const counted = await container.items
      .query('SELECT VALUE COUNT(1) FROM c', { partitionKey: prefix as never })
      .fetchAll();
    expect(counted.resources).toEqual([count]);
  });

  test('a batch works within one whole key', async () => {
    const { code } = await container.items.batch(
      [{ operationType: 'Create', resourceBody: { id: 'y', tenant: 't1', device: 'a', day: 1 } }],
      ['t1', 'a', 1],
    );
    expect(code).toBe(200);
  });
});
