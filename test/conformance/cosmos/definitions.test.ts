import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CosmosClient, PartitionKeyKind } from '@azure/cosmos';
import { cosmosTarget } from '../target.ts';
import { Account, refused } from './account.ts';

let account: Account;
beforeAll(async () => {
  account = await Account.open();
});
afterAll(() => account[Symbol.asyncDispose]());

describe('the account', () => {
  test('names a place to write to and one to read from', async () => {
    const { resource } = await account.client.getDatabaseAccount();
    expect(resource?.writableLocations[0]?.databaseAccountEndpoint).toMatch(/^https?:\/\//);
    expect(resource?.readableLocations.length).toBeGreaterThan(0);
    expect(resource?.consistencyPolicy).toBe('Session');
  });

  test('opens for its key only', async () => {
    const key = Buffer.alloc(64, 1).toString('base64');
    const stranger = account.connect({ key, connectionPolicy: { enableEndpointDiscovery: false } });
    expect((await refused(stranger.databases.readAll().fetchAll()))[0]).toBe(401);
    expect((await refused(stranger.database(account.database.id).read()))[0]).toBe(401);
  });

  test('takes a connection string', async () => {
    const { endpoint, key } = cosmosTarget();
    const client = new CosmosClient(`AccountEndpoint=${endpoint};AccountKey=${key};`);
    expect((await client.database(account.database.id).read()).resource?.id).toBe(account.database.id);
    client.dispose();
  });
});

describe('databases', () => {
  test('are made once, found by query and among all, and read with their system properties', async () => {
    const { id } = account.database;
    expect((await account.client.databases.createIfNotExists({ id })).statusCode).toBe(200);
    expect(await refused(account.client.databases.create({ id }))).toEqual([409, 0]);
    const query = { query: 'SELECT * FROM d WHERE d.id = @id', parameters: [{ name: '@id', value: id }] };
    expect((await account.client.databases.query(query).fetchAll()).resources).toHaveLength(1);
    const all = (await account.client.databases.readAll().fetchAll()).resources;
    expect(all.map((database) => database.id)).toContain(id);
    const { resource } = await account.database.read();
    expect(resource).toMatchObject({
      id,
      _rid: expect.any(String),
      _self: expect.any(String),
      _etag: expect.any(String),
    });
  });

  test('that are not there are 404; what is wanted of them is 404 with sub-status 1003', async () => {
    const none = account.client.database('sluice-no-such-database');
    expect(await refused(none.read())).toEqual([404, 0]);
    expect((await refused(none.containers.create({ id: 'c', partitionKey: '/pk' })))[0]).toBe(404);
  });
});

describe('containers', () => {
  test('get the default index, hashing of version 2 and no time to live', async () => {
    const container = await account.container();
    const { resource } = await container.read();
    expect(resource?.indexingPolicy).toMatchObject({
      indexingMode: 'consistent',
      automatic: true,
      includedPaths: [{ path: '/*' }],
      excludedPaths: [{ path: '/"_etag"/?' }],
    });
    expect(resource?.partitionKey).toMatchObject({ paths: ['/pk'], kind: 'Hash', version: 2 });
    expect(resource?.defaultTtl).toBeUndefined();
    expect(resource).toMatchObject({ _rid: expect.any(String), _self: expect.any(String), _ts: expect.any(Number) });
  });

  test('are made once; createIfNotExists leaves one that is there as it was', async () => {
    const container = await account.container({ defaultTtl: 60 });
    const again = { id: container.id, partitionKey: '/pk', defaultTtl: 90 };
    expect((await account.database.containers.createIfNotExists(again)).resource?.defaultTtl).toBe(60);
    expect(await refused(account.database.containers.create(again))).toEqual([409, 0]);
    const all = (await account.database.containers.readAll().fetchAll()).resources;
    expect(all.map(({ id }) => id)).toContain(container.id);
  });

  test('take another index and time to live, but keep their partition key', async () => {
    const container = await account.container();
    const { resource } = await container.read();
    const changed = {
      ...resource,
      id: container.id,
      partitionKey: { paths: ['/pk'], kind: PartitionKeyKind.Hash, version: 2 },
      defaultTtl: 30,
      indexingPolicy: { includedPaths: [{ path: '/n/?' }], excludedPaths: [{ path: '/*' }] },
    };
    await container.replace(changed);
    const after = (await container.read()).resource;
    expect(after?.defaultTtl).toBe(30);
    expect(after?.indexingPolicy?.includedPaths).toMatchObject([{ path: '/n/?' }]);
    const moved = { ...changed, partitionKey: { paths: ['/other'], kind: PartitionKeyKind.Hash, version: 2 } };
    expect((await refused(container.replace(moved)))[0]).toBe(400);
  });

  test('are gone with their items once they are deleted', async () => {
    const container = await account.container();
    await container.items.create({ id: 'a', pk: 'p' });
    expect((await container.delete()).statusCode).toBe(204);
    expect((await refused(container.read()))[0]).toBe(404);
    const { container: again } = await account.database.containers.create({ id: container.id, partitionKey: '/pk' });
    expect((await again.items.readAll().fetchAll()).resources).toEqual([]);
  });

  test('without a partition key path, with one that is no path, or with four are 400', async () => {
    for (const paths of [[], ['pk'], ['/a', '/b', '/c', '/d']]) {
      const kind = paths.length > 1 ? PartitionKeyKind.MultiHash : PartitionKeyKind.Hash;
      expect((await refused(account.container({ partitionKey: { paths, kind } })))[0]).toBe(400);
    }
  });

  test('an index that leaves out the root on both sides is 400', async () => {
    const indexingPolicy = { includedPaths: [{ path: '/a/?' }], excludedPaths: [] };
    expect((await refused(account.container({ indexingPolicy })))[0]).toBe(400);
  });

  test('are cut into ranges of the hash that leave no gap and do not overlap', async () => {
    const container = await account.container();
    const ranges = (await container.readPartitionKeyRanges().fetchAll()).resources;
    const sorted = ranges.toSorted((a, b) => (a.minInclusive < b.minInclusive ? -1 : 1));
    expect(sorted[0]?.minInclusive).toBe('');
    expect(sorted.at(-1)?.maxExclusive).toBe('FF');
    for (const [index, range] of sorted.slice(1).entries())
      expect(range.minInclusive).toBe(sorted[index]?.maxExclusive);
  });
});

describe('throughput', () => {
  test('of a container is kept as its offer, and can be changed', async () => {
    const container = await account.container({ throughput: 400 });
    const { resource, offer } = await container.readOffer();
    expect(resource?.content?.offerThroughput).toBe(400);
    const changed = { ...resource, content: { offerThroughput: 500 } };
    await offer?.replace(changed as never);
    expect((await container.readOffer()).resource?.content?.offerThroughput).toBe(500);
  });

  test('by autoscale names its maximum', async () => {
    const container = await account.container({ maxThroughput: 1000 });
    const { resource } = await container.readOffer();
    expect(resource?.content).toMatchObject({ offerAutopilotSettings: { maxThroughput: 1000 } });
  });

  test('below 400 or between hundreds is 400', async () => {
    for (const throughput of [300, 450]) expect((await refused(account.container({ throughput })))[0]).toBe(400);
  });
});
