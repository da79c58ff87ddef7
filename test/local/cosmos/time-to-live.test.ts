import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ChangeFeedStartFrom } from '@azure/cosmos';
import { refusal, startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

let cosmos: CosmosUnderTest;
let nowMs = Date.UTC(2026, 0, 1);
beforeAll(async () => {
  cosmos = await startCosmosUnderTest({ now: () => nowMs });
});
afterAll(() => cosmos.close());

const ids = async (container: Awaited<ReturnType<CosmosUnderTest['container']>>) =>
  (await container.items.query<string>('SELECT VALUE c.id FROM c', { partitionKey: 'p' }).fetchAll()).resources;

describe('time to live', () => {
  test("the container's default, an item's own, and -1 decide when an item is gone", async () => {
    const container = await cosmos.container({ defaultTtl: 100 });
    await container.items.create({ id: 'default', pk: 'p' });
    await container.items.create({ id: 'short', pk: 'p', ttl: 10 });
    await container.items.create({ id: 'long', pk: 'p', ttl: 1000 });
    await container.items.create({ id: 'ever', pk: 'p', ttl: -1 });
    nowMs += 9_000;
    expect(await ids(container)).toEqual(['default', 'short', 'long', 'ever']);
    nowMs += 1_000;
    expect(await ids(container)).toEqual(['default', 'long', 'ever']);
    expect((await container.item('short', 'p').read()).statusCode).toBe(404);
    expect((await refusal(container.item('short', 'p').replace({ id: 'short', pk: 'p' }))).code).toBe(404);
    nowMs += 90_000;
    expect(await ids(container)).toEqual(['long', 'ever']);
    nowMs += 900_000;
    expect(await ids(container)).toEqual(['ever']);
  });

  test('a write starts it anew, and without a default it is off', async () => {
    const container = await cosmos.container({ defaultTtl: -1 });
    await container.items.create({ id: 'renewed', pk: 'p', ttl: 10 });
    nowMs += 8_000;
    await container.item('renewed', 'p').patch([{ op: 'set', path: '/n', value: 1 }]);
    nowMs += 8_000;
    expect(await ids(container)).toEqual(['renewed']);
    const off = await cosmos.container();
    await off.items.create({ id: 'kept', pk: 'p', ttl: 1 });
    nowMs += 1_000_000;
    expect(await ids(container)).toEqual([]);
    expect(await ids(off)).toEqual(['kept']);
  });

  test('an expired id and unique key can be taken again before the sweep', async () => {
    const container = await cosmos.container({
      defaultTtl: 5,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/mail'] }] },
    });
    const { etag } = await container.items.create({ id: 'again', pk: 'p', mail: 'a' });
    nowMs += 5_000;
    expect((await container.items.create({ id: 'other', pk: 'p', mail: 'a' })).statusCode).toBe(201);
    const remade = await container.items.create({ id: 'again', pk: 'p', mail: 'b' });
    expect(remade.etag).not.toBe(etag);
    expect(await ids(container)).toEqual(['other', 'again']);
  });

  test('expired items are in no aggregate and no feed', async () => {
    const container = await cosmos.container({ defaultTtl: 5 });
    await container.items.create({ id: 'gone', pk: 'p' });
    nowMs += 6_000;
    await container.items.create({ id: 'here', pk: 'p' });
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([1]);
    const page = await container.items
      .getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() })
      .readNext();
    expect(page.result.map(({ id }) => id)).toEqual(['here']);
  });

  test('a changed default holds for the items that are there', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'plain', pk: 'p' });
    await container.items.create({ id: 'own', pk: 'p', ttl: 1000 });
    const definition = { id: container.id, partitionKey: { paths: ['/pk'] } };
    await container.replace({ ...definition, defaultTtl: 10 });
    nowMs += 11_000;
    expect(await ids(container)).toEqual(['own']);
    await container.replace(definition);
    nowMs += 2_000_000;
    expect(await ids(container)).toContain('own');
  });

  test('_ts is the time of the last write in seconds', async () => {
    const container = await cosmos.container();
    const { resource } = await container.items.create({ id: 'stamped', pk: 'p' });
    expect(resource?._ts).toBe(Math.floor(nowMs / 1000));
    nowMs += 2_500;
    expect((await container.items.upsert({ id: 'stamped', pk: 'p' })).resource?._ts).toBe(Math.floor(nowMs / 1000));
  });
});
