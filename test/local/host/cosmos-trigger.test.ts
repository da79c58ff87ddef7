import { CosmosClient, type Container } from '@azure/cosmos';
import { type InvocationContext, app } from '@azure/functions';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type CosmosServer, startCosmos } from '../../../local/cosmos/cosmos.ts';
import { type Lease, leasesToTake, newOwner } from '../../../local/host/triggers/cosmos/leases.ts';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';

let cosmos: CosmosServer;
let client: CosmosClient;
let items: Container;
let leases: Container;
let number = 0;

beforeAll(async () => {
  cosmos = await startCosmos({ partitions: 2 });
  client = new CosmosClient({ endpoint: cosmos.endpoint, key: cosmos.key });
  await client.databases.create({ id: 'db' });
});
afterAll(async () => {
  client.dispose();
  await cosmos.close();
});
beforeEach(async () => {
  emptyApp();
  number += 1;
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  items = (await database.containers.create({ id: `items-${number}`, partitionKey: { paths: ['/pk'] } })).container;
  leases = (await database.containers.create({ id: `leases-${number}`, partitionKey: { paths: ['/id'] } })).container;
});

interface Doc {
  id: string;
  n: number;
}

function register(handler: (docs: Doc[], context: InvocationContext) => unknown, options: object = {}): void {
  app.cosmosDB('watcher', {
    connection: 'COSMOS',
    databaseName: 'db',
    containerName: `items-${number}`,
    leaseContainerName: `leases-${number}`,
    feedPollDelay: 20,
    leaseAcquireInterval: 50,
    leaseRenewInterval: 50,
    leaseExpirationInterval: 60_000,
    startFromBeginning: true,
    ...options,
    handler: async (docs: unknown[], context: InvocationContext) => {
      await handler(docs as Doc[], context);
    },
  });
}

const environment = () => ({ COSMOS: `AccountEndpoint=${cosmos.endpoint};AccountKey=${cosmos.key};` });

const create = (from: number, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      items.items.create({ id: `d${from + index}`, pk: `p${index}`, n: from + index }),
    ),
  );

const allLeases = async () => (await leases.items.readAll<Lease>().fetchAll()).resources;

test('changes arrive as arrays of documents, each once, without trigger metadata', async () => {
  const seen: Doc[] = [];
  let context: InvocationContext | undefined;
  register((docs, given) => {
    seen.push(...docs);
    context = given;
  });
  await create(0, 10);
  await using _app = await runApp({ environment: environment() });
  await until(() => seen.length >= 10);
  await create(10, 5);
  await until(() => seen.length >= 15);
  expect(seen.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, n) => n));
  expect(context?.triggerMetadata).toEqual({});
});

test('a host started again goes on where the leases say', async () => {
  const seen: number[] = [];
  register((docs) => seen.push(...docs.map(({ n }) => n)));
  await create(0, 6);
  const first = await runApp({ environment: environment() });
  await until(() => seen.length >= 6);
  await first[Symbol.asyncDispose]();
  expect((await allLeases()).every((lease) => lease.Owner === undefined && lease.ContinuationToken !== undefined)).toBe(
    true,
  );
  await create(6, 4);
  await using _second = await runApp({ environment: environment() });
  await until(() => seen.length >= 10);
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, n) => n));
});

test('without startFromBeginning only what comes later is seen', async () => {
  const seen: number[] = [];
  register((docs) => seen.push(...docs.map(({ n }) => n)), { startFromBeginning: false });
  await create(0, 3);
  await using _app = await runApp({ environment: environment() });
  await until(async () => (await allLeases()).filter((lease) => lease.ContinuationToken !== undefined).length === 2);
  await create(3, 3);
  await until(() => seen.length >= 3);
  expect(seen.toSorted((a, b) => a - b)).toEqual([3, 4, 5]);
});

test('a failed batch is retried as a whole under the policy; without one the lease moves on', async () => {
  let attempts = 0;
  register(
    () => {
      attempts += 1;
      if (attempts < 3) throw new Error('no luck');
    },
    { retry: { strategy: 'fixedDelay', delayInterval: 0, maxRetryCount: -1 } },
  );
  await create(0, 1);
  {
    await using _app = await runApp({ environment: environment() });
    await until(() => attempts === 3);
  }
  emptyApp();
  let failures = 0;
  const later: number[] = [];
  register((docs) => {
    failures += 1;
    if (failures === 1) throw new Error('lost');
    later.push(...docs.map(({ n }) => n));
  });
  await create(1, 1);
  await using _app = await runApp({ environment: environment() });
  await until(() => failures === 1);
  await create(2, 1);
  await until(() => later.length > 0);
  expect(later).toEqual([2]);
});

test('two hosts share the ranges', async () => {
  register(() => undefined);
  await using _first = await runApp({ environment: environment() });
  await until(async () => (await allLeases()).filter((lease) => lease.Owner !== undefined).length === 2);
  await using _second = await runApp({ environment: environment() });
  await until(async () => new Set((await allLeases()).map((lease) => lease.Owner)).size === 2);
  expect(await allLeases()).toHaveLength(2);
});

test('bad options and a missing connection are named at the start', async () => {
  register(() => undefined, { changeFeedMode: 'AllVersionsAndDeletes', feedPollDelay: 'soon' });
  await expect(runApp({ environment: environment() })).rejects.toThrow(
    /cosmosDBTrigger of function "watcher" is not usable:\n {2}feedPollDelay: .*\n {2}changeFeedMode: only LatestVersion/,
  );
  emptyApp();
  register(() => undefined);
  await expect(runApp()).rejects.toThrow('Function "watcher": the setting COSMOS (a connection string) is missing');
});

const times = { now: () => 1000, expirationMs: 100 };
const lease = (id: number, owner?: string, renewedMs = 1000): Lease => ({
  id: String(id),
  version: 1,
  LeaseToken: String(id),
  Owner: owner,
  renewedMs,
});

test('leases are shared evenly: free ones first, then one from who has most, never back and forth', () => {
  const [me, other] = [newOwner(), newOwner()];
  const ids = (taken: Lease[]) => taken.map(({ id }) => id);
  expect(ids(leasesToTake([lease(1), lease(2)], me, times))).toEqual(['1', '2']);
  expect(ids(leasesToTake([lease(1, other), lease(2)], me, times))).toEqual(['2']);
  expect(ids(leasesToTake([lease(1, other), lease(2, other)], me, times))).toEqual(['1']);
  expect(ids(leasesToTake([lease(1, other), lease(2, other), lease(3, me)], me, times))).toEqual([]);
  expect(ids(leasesToTake([lease(1, other)], me, times))).toEqual([]);
  expect(ids(leasesToTake([lease(1, other, 900)], me, times))).toEqual(['1']);
  const dead = other.replace(/\|\d+\|/, '|999999999|');
  expect(ids(leasesToTake([lease(1, dead)], me, times))).toEqual(['1']);
});
