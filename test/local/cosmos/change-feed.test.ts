import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChangeFeedStartFrom, PartitionKeyKind, type ChangeFeedIteratorOptions, type Container } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let nowMs = Date.UTC(2026, 0, 1);
beforeAll(async () => {
  cosmos = await startCosmosUnderTest({ now: () => nowMs, partitions: 3 });
});
afterAll(() => cosmos.close());

/** Reads until every range says "nothing new"; answers the ids and the last continuation. */
async function drain(container: Container, options: ChangeFeedIteratorOptions) {
  const iterator = container.items.getChangeFeedIterator<{ id: string; n?: number }>(options);
  const items: { id: string; n?: number }[] = [];
  let continuation = '';
  while (iterator.hasMoreResults) {
    const page = await iterator.readNext();
    continuation = page.continuationToken;
    if (page.statusCode === 304) break;
    expect(page.result.length).toBeLessThanOrEqual(options.maxItemCount ?? 100);
    items.push(...page.result);
  }
  return { ids: items.map(({ id }) => id), items, continuation };
}

const beginning = ChangeFeedStartFrom.Beginning();

describe('the change feed', () => {
  test('gives the latest version of each item once, in the order of writes within a key, and goes on from a continuation', async () => {
    const container = await cosmos.container();
    for (let index = 0; index < 25; index++) await container.items.create({ id: `i${index}`, pk: 'p', n: index });
    await container.item('i3', 'p').patch([{ op: 'set', path: '/n', value: 333 }]);
    await container.item('i4', 'p').delete();
    const first = await drain(container, { changeFeedStartFrom: beginning, maxItemCount: 7 });
    expect(first.ids).toEqual([
      ...Array.from({ length: 25 }, (_, index) => `i${index}`).filter((id) => id !== 'i3' && id !== 'i4'),
      'i3',
    ]);
    expect(first.items.at(-1)?.n).toBe(333);
    await container.items.create({ id: 'later', pk: 'q' });
    const second = await drain(container, {
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(first.continuation),
    });
    expect(second.ids).toEqual(['later']);
    const third = await drain(container, {
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(second.continuation),
    });
    expect(third.ids).toEqual([]);
  });

  test('covers every key over all ranges, and a scope of one key or one range only its own', async () => {
    const container = await cosmos.container();
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
    for (const pk of keys) await container.items.create({ id: pk, pk });
    expect((await drain(container, { changeFeedStartFrom: beginning })).ids.toSorted()).toEqual(keys.toSorted());
    expect((await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning('k7') })).ids).toEqual(['k7']);
    const ranges = await container.getFeedRanges();
    expect(ranges).toHaveLength(3);
    const parts: string[][] = [];
    for (const range of ranges)
      parts.push((await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning(range) })).ids);
    expect(parts.flat().toSorted()).toEqual(keys.toSorted());
    for (const part of parts) expect(part.length).toBeGreaterThan(3);
  });

  test('starts from now, and from a time', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'before', pk: 'p' });
    nowMs += 10_000;
    const start = new Date(nowMs);
    await container.items.create({ id: 'at', pk: 'p' });
    const now = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Now('p') });
    expect((await now.readNext()).statusCode).toBe(304);
    nowMs += 5_000;
    await container.items.create({ id: 'after', pk: 'p' });
    expect((await now.readNext()).result.map(({ id }) => id)).toEqual(['after']);
    expect((await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Time(start) })).ids).toEqual([
      'at',
      'after',
    ]);
    expect(
      (await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Time(new Date(start.getTime() - 60_000)) }))
        .ids,
    ).toEqual(['before', 'at', 'after']);
  });

  test('of a prefix of a hierarchical key gives the items below it', async () => {
    const container = await cosmos.container({
      partitionKey: { paths: ['/a', '/b'], kind: PartitionKeyKind.MultiHash, version: 2 },
    });
    for (const a of ['x', 'y']) for (const b of ['1', '2']) await container.items.create({ id: a + b, a, b });
    expect((await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning(['x', '2']) })).ids).toEqual([
      'x2',
    ]);
  });

  test('loses nothing while items are written as it is read', async () => {
    const container = await cosmos.container();
    const seen = new Map<string, number>();
    let written = 0;
    const iterator = container.items.getChangeFeedIterator<{ id: string; n: number }>({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning('p'),
      maxItemCount: 5,
    });
    for (let round = 0; round < 40; round++) {
      await container.items.upsert({ id: `i${round % 15}`, pk: 'p', n: ++written });
      const page = await iterator.readNext();
      for (const { id, n } of page.result ?? []) seen.set(id, n);
    }
    for (let page = await iterator.readNext(); page.statusCode !== 304; page = await iterator.readNext())
      for (const { id, n } of page.result) seen.set(id, n);
    const { resources } = await container.items
      .query<{ id: string; n: number }>('SELECT c.id, c.n FROM c', { partitionKey: 'p' })
      .fetchAll();
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(resources.map(({ id, n }) => [id, n])));
  });

  test('with all versions and deletes is refused by name; a bad continuation is 400', async () => {
    const container = await cosmos.container();
    const url = `${cosmos.server.endpoint}/dbs/test/colls/${container.id}/docs`;
    const headers = { authorization: 'type=aad&ver=1.0&sig=t' };
    const full = await fetch(url, { headers: { ...headers, 'a-im': 'Full-Fidelity Feed' } });
    expect([full.status, await full.text()]).toEqual([400, expect.stringContaining('Full-Fidelity Feed')]);
    expect(
      (await fetch(url, { headers: { ...headers, 'a-im': 'Incremental feed', 'if-none-match': 'zzz' } })).status,
    ).toBe(400);
    expect(
      (await fetch(url, { headers: { ...headers, 'a-im': 'Incremental feed', 'if-modified-since': 'zzz' } })).status,
    ).toBe(400);
    expect((await refusal(cosmos.database.container('none').items.getChangeFeedIterator().readNext())).code).toBe(404);
  });
});
