import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { until } from '../../support/until.ts';
import { Account } from './account.ts';

/** Seconds that short-lived items live: the least that cannot pass between a write and its answer. */
const SHORT_S = 2;
/** Milliseconds the service may take to let go of an item that has expired. */
const PATIENCE_MS = 15_000;

let account: Account;
beforeAll(async () => {
  account = await Account.open();
});
afterAll(() => account[Symbol.asyncDispose]());

const isGone = async (container: Container, id: string) => (await container.item(id, 'p').read()).statusCode === 404;

test("the container's default, an item's own, and -1 decide how long an item lives", async () => {
  const container = await account.container({ defaultTtl: SHORT_S });
  await container.items.create({ id: 'default', pk: 'p' });
  await container.items.create({ id: 'longer', pk: 'p', ttl: 600 });
  await container.items.create({ id: 'for ever', pk: 'p', ttl: -1 });
  await until(() => isGone(container, 'default'), PATIENCE_MS);
  const left = await container.items.query('SELECT VALUE c.id FROM c', { partitionKey: 'p' }).fetchAll();
  expect(left.resources.map(String).toSorted()).toEqual(['for ever', 'longer']);
});

test('under a default of -1 only those go that say so; their ids are free again', async () => {
  const container = await account.container({ defaultTtl: -1 });
  await container.items.create({ id: 'stays', pk: 'p' });
  await container.items.create({ id: 'goes', pk: 'p', ttl: SHORT_S });
  await until(() => isGone(container, 'goes'), PATIENCE_MS);
  expect((await container.items.create({ id: 'goes', pk: 'p' })).statusCode).toBe(201);
  expect(await isGone(container, 'stays')).toBe(false);
});

test('what has expired is in no query and no count, from the second it is gone', async () => {
  const container = await account.container({ defaultTtl: SHORT_S });
  const query = async (text: string) => (await container.items.query(text, { partitionKey: 'p' }).fetchAll()).resources;
  await container.items.create({ id: 'a', pk: 'p' });
  expect(await query('SELECT VALUE c.id FROM c')).toEqual(['a']);
  await until(() => isGone(container, 'a'), PATIENCE_MS);
  expect(await query('SELECT VALUE c.id FROM c')).toEqual([]);
  expect(await query('SELECT VALUE COUNT(1) FROM c')).toEqual([0]);
});

test('without a default none goes, whatever it says', async () => {
  const [off, on] = [await account.container(), await account.container({ defaultTtl: -1 })];
  for (const container of [off, on]) await container.items.create({ id: 'a', pk: 'p', ttl: SHORT_S });
  await until(() => isGone(on, 'a'), PATIENCE_MS);
  expect(await isGone(off, 'a')).toBe(false);
});

test('a write starts the time anew', async () => {
  const container = await account.container({ defaultTtl: -1 });
  await container.items.create({ id: 'renewed', pk: 'p', ttl: SHORT_S });
  await container.items.upsert({ id: 'renewed', pk: 'p', ttl: 600 });
  await container.items.create({ id: 'goes', pk: 'p', ttl: SHORT_S });
  await until(() => isGone(container, 'goes'), PATIENCE_MS);
  expect(await isGone(container, 'renewed')).toBe(false);
});

test.each([0, -2, 1.5, 'soon'])('a time to live of %j is 400', async (ttl) => {
  const container = await account.container({ defaultTtl: -1 });
  await expect(container.items.create({ id: 'a', pk: 'p', ttl: ttl as number })).rejects.toMatchObject({ code: 400 });
});
