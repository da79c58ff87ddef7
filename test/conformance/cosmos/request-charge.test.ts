import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Container } from '@azure/cosmos';
import { Account } from './account.ts';

let account: Account;
beforeAll(async () => {
  account = await Account.open();
});
afterAll(() => account[Symbol.asyncDispose]());

const lean = { includedPaths: [{ path: '/n/?' }], excludedPaths: [{ path: '/*' }] };
const text = (kilobytes: number) => 'x'.repeat(kilobytes * 1024 - 200);
const create = async (container: Container, item: Record<string, unknown>) =>
  (await container.items.create({ pk: 'p', ...item })).requestCharge;

test('a point read of 1 KB costs 1 RU, of 64 KB more', async () => {
  const container = await account.container({ indexingPolicy: lean });
  await create(container, { id: 'small', text: text(1) });
  await create(container, { id: 'large', text: text(64) });
  expect((await container.item('small', 'p').read()).requestCharge).toBeCloseTo(1, 1);
  expect((await container.item('large', 'p').read()).requestCharge).toBeGreaterThan(2);
});

test('a write costs by its size, by what is indexed of it, and about twice as much when it replaces', async () => {
  const [few, all] = [await account.container({ indexingPolicy: lean }), await account.container()];
  const fields = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, n]));
  const small = await create(few, { id: 'a', text: text(1) });
  expect(small).toBeGreaterThan(4);
  expect(small).toBeLessThan(8);
  expect(await create(few, { id: 'b', text: text(32) })).toBeGreaterThan(small * 1.5);
  expect(await create(all, { id: 'a', ...fields })).toBeGreaterThan((await create(few, { id: 'c', ...fields })) + 2);
  const replaced = (await few.items.upsert({ id: 'a', pk: 'p', text: text(1) })).requestCharge;
  expect(replaced / small).toBeGreaterThan(1.5);
  expect(replaced / small).toBeLessThan(2.5);
});

test('a query costs more than a point read, and more the more it answers', async () => {
  const container = await account.container({ indexingPolicy: lean });
  for (let n = 0; n < 30; n++) await create(container, { id: `i${n}`, n, text: text(2) });
  const cost = async (top: number) =>
    (await container.items.query(`SELECT TOP ${top} * FROM c`, { partitionKey: 'p' }).fetchAll()).requestCharge;
  const one = await cost(1);
  expect(one).toBeGreaterThan(2);
  expect(await cost(30)).toBeGreaterThan(one + 3);
});

test('a batch costs the sum of its operations, not less', async () => {
  const container = await account.container({ indexingPolicy: lean });
  const single = await create(container, { id: 'single', text: text(1) });
  const { headers } = await container.items.batch(
    Array.from({ length: 10 }, (_, n) => ({
      operationType: 'Create' as const,
      resourceBody: { id: `b${n}`, pk: 'p', text: text(1) },
    })),
    'p',
  );
  expect(Number(headers['x-ms-request-charge'])).toBeGreaterThan(single * 8);
});
