import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ChangeFeedStartFrom, PartitionKeyKind, type ChangeFeedIteratorOptions, type Container } from '@azure/cosmos';
import { Account } from './account.ts';

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

/** Everything there is from a start, and where to go on. */
async function readAll(container: Container, changeFeedStartFrom: ChangeFeedStartFrom, maxItemCount = 3) {
  const options: ChangeFeedIteratorOptions = { changeFeedStartFrom, maxItemCount };
  const iterator = container.items.getChangeFeedIterator<Item>(options);
  const items: Item[] = [];
  let continuation = '';
  while (iterator.hasMoreResults) {
    const page = await iterator.readNext();
    continuation = page.continuationToken;
    if (page.statusCode === 304) break;
    items.push(...page.result);
  }
  return { items, continuation };
}

const labels = (items: readonly Item[]) => items.map(({ id, n }) => `${id}${n}`);

test('gives the latest version of each item once, in the order of writes within a key', async () => {
  const container = await account.container();
  for (const id of ['a', 'b', 'c', 'd']) await container.items.create({ id, pk: 'p', n: 1 });
  await container.items.upsert({ id: 'b', pk: 'p', n: 2 });
  await container.item('c', 'p').delete();
  const { items } = await readAll(container, ChangeFeedStartFrom.Beginning('p'));
  expect(labels(items)).toEqual(['a1', 'd1', 'b2']);
});

test('goes on behind a continuation, and gives nothing twice', async () => {
  const container = await account.container();
  for (let n = 0; n < 10; n++) await container.items.create({ id: `i${n}`, pk: `k${n % 5}`, n });
  const first = await readAll(container, ChangeFeedStartFrom.Beginning());
  expect(labels(first.items).toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => `i${n}${n}`));
  const nothing = await readAll(container, ChangeFeedStartFrom.Continuation(first.continuation));
  expect(nothing.items).toEqual([]);
  await container.items.create({ id: 'later', pk: 'k1', n: 1 });
  await container.items.upsert({ id: 'i3', pk: 'k3', n: 33 });
  const next = await readAll(container, ChangeFeedStartFrom.Continuation(nothing.continuation));
  expect(labels(next.items).toSorted()).toEqual(['i333', 'later1']);
});

test('from now on gives what is written later, and nothing before', async () => {
  const container = await account.container();
  await container.items.create({ id: 'before', pk: 'p', n: 1 });
  const start = await readAll(container, ChangeFeedStartFrom.Now());
  expect(start.items).toEqual([]);
  await container.items.create({ id: 'after', pk: 'p', n: 2 });
  const { items } = await readAll(container, ChangeFeedStartFrom.Continuation(start.continuation));
  expect(labels(items)).toEqual(['after2']);
});

test('from a time in the past gives all that was written since', async () => {
  const container = await account.container();
  await container.items.create({ id: 'a', pk: 'p', n: 1 });
  const { items } = await readAll(container, ChangeFeedStartFrom.Time(new Date(Date.now() - 3_600_000)));
  expect(labels(items)).toEqual(['a1']);
});

test('of one key, and of one range, gives its own; all ranges together give everything once', async () => {
  const container = await account.container();
  for (let n = 0; n < 24; n++) await container.items.create({ id: `i${n}`, pk: `k${n}`, n });
  const one = await readAll(container, ChangeFeedStartFrom.Beginning('k7'));
  expect(labels(one.items)).toEqual(['i77']);
  const found: string[] = [];
  for (const range of await container.getFeedRanges())
    found.push(...labels((await readAll(container, ChangeFeedStartFrom.Beginning(range))).items));
  expect(found.toSorted()).toEqual(Array.from({ length: 24 }, (_, n) => `i${n}${n}`).toSorted());
});

test('of the first level of a hierarchical key gives what is below it', async () => {
  const partitionKey = { paths: ['/tenant', '/device'], kind: PartitionKeyKind.MultiHash };
  const container = await account.container({ partitionKey });
  for (const tenant of ['a', 'b'])
    for (const device of ['x', 'y']) await container.items.create({ id: `${tenant}${device}`, tenant, device, n: 1 });
  const { items } = await readAll(container, ChangeFeedStartFrom.Beginning(['a']));
  expect(labels(items).toSorted()).toEqual(['ax1', 'ay1']);
});

test('loses nothing that is written while it is read', async () => {
  const container = await account.container();
  for (let n = 0; n < 10; n++) await container.items.create({ id: `i${n}`, pk: 'p', n });
  const iterator = container.items.getChangeFeedIterator<Item>({
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning('p'),
    maxItemCount: 2,
  });
  const found = new Set<string>();
  for (let written = 10; ;) {
    const page = await iterator.readNext();
    for (const { id } of page.result) found.add(id);
    if (written < 15) await container.items.create({ id: `i${written}`, pk: 'p', n: written++ });
    else if (page.statusCode === 304) break;
  }
  expect(found.size).toBe(15);
});
