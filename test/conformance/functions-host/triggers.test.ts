import { randomUUID } from 'node:crypto';
import { CosmosClient } from '@azure/cosmos';
import { type EventData, EventHubProducerClient } from '@azure/event-hubs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../../support/until.ts';
import { cosmosTarget, eventHubsTarget, functionsHostTarget } from '../target.ts';

const { url } = functionsHostTarget();
/** Milliseconds the cloud may take to do what is waited for. */
const PATIENCE_MS = 20_000;

async function seen<T>(key: string, count: number): Promise<T[]> {
  const look = async () => {
    const entries = (await (await fetch(`${url}/api/seen/${key}`)).json()) as T[];
    return entries.length >= count ? entries : undefined;
  };
  return until(look, PATIENCE_MS);
}

async function send(events: EventData[], partitionId = '0'): Promise<void> {
  const { connectionString, hub } = eventHubsTarget();
  const producer = new EventHubProducerClient(connectionString, hub);
  try {
    await producer.sendBatch(events, { partitionId });
  } finally {
    await producer.close();
  }
}

interface Call {
  messages: unknown[];
  invocationId: string;
  triggerMetadata: Record<string, unknown[]> & { partitionContext: Record<string, string> };
  retryContext: { retryCount: number; maxRetryCount: number; exception: { message: string } } | null;
}

test('a batch arrives in order, its bodies parsed where they are JSON', async () => {
  const key = randomUUID();
  await send([{ body: { key, n: 1 } }, { body: Buffer.from('no JSON') }, { body: 42 }, { body: { n: 2 } }]);
  const [call] = await seen<Call>(key, 1);
  expect(call?.messages).toEqual([{ key, n: 1 }, 'no JSON', 42, { n: 2 }]);
});

test('its metadata has the platform’s shapes: Longs, numbers for offsets, times without a zone, lower-cased names', async () => {
  const key = randomUUID();
  await send([{ body: { key }, properties: { TenantId: 't', nested: 1 } }]);
  const [call] = await seen<Call>(key, 1);
  const { triggerMetadata: metadata } = call ?? { triggerMetadata: undefined };
  expect(metadata?.['sequenceNumberArray']).toEqual([
    { low: expect.any(Number), high: expect.any(Number), unsigned: false },
  ]);
  expect(metadata?.['enqueuedTimeUtcArray']).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?$/)]);
  expect(metadata?.['propertiesArray']).toEqual([{ tenantId: 't', nested: 1 }]);
  expect(metadata?.['partitionContext']).toMatchObject({ partitionId: '0', eventHubName: eventHubsTarget().hub });
});

test('an event without a body is dropped, and shifts the batch against its metadata', async () => {
  const key = randomUUID();
  await send([{ body: Buffer.alloc(0) }, { body: { key } }]);
  const [call] = await seen<Call>(key, 1);
  expect(call?.messages).toEqual([{ key }]);
  expect(call?.triggerMetadata['sequenceNumberArray']).toHaveLength(2);
});

test('a batch that fails is tried again as a whole, under a new invocation id, and then goes through', async () => {
  const key = randomUUID();
  await send([{ body: { key, fail: 2 } }, { body: { n: 2 } }]);
  const calls = await seen<Call>(key, 3);
  expect(calls.map(({ messages }) => messages.length)).toEqual([2, 2, 2]);
  expect(calls.map(({ retryContext }) => retryContext?.retryCount ?? 0)).toEqual([0, 1, 2]);
  expect(calls[2]?.retryContext).toMatchObject({ maxRetryCount: 2 });
  expect(calls[2]?.retryContext?.exception.message).toContain('asked to fail');
  expect(new Set(calls.map(({ invocationId }) => invocationId)).size).toBe(3);
});

test('a batch that fails for good is left behind: the partition goes on', async () => {
  const [lost, next] = [randomUUID(), randomUUID()];
  await send([{ body: { key: lost, fail: 100 } }]);
  await seen<Call>(lost, 3);
  await send([{ body: { key: next } }]);
  await seen<Call>(next, 1);
  expect(await seen<Call>(lost, 3)).toHaveLength(3);
});

test('an output becomes events: one for each entry of an array', async () => {
  const key = randomUUID();
  const body = JSON.stringify([
    { key, n: 1 },
    { key, n: 2 },
  ]);
  expect((await fetch(`${url}/api/send`, { method: 'POST', body })).status).toBe(202);
  const numbers = async () =>
    (await seen<Call>(key, 1)).flatMap(({ messages }) => (messages as { n: number }[]).map(({ n }) => n));
  await until(async () => (await numbers()).length === 2, PATIENCE_MS);
  expect((await numbers()).toSorted((a, b) => a - b)).toEqual([1, 2]);
});

test('a timer below a minute runs without a schedule status', async () => {
  const [, run] = await seen<{ timer: object; metadata: unknown }>('timer', 2);
  expect(run).toEqual({
    timer: { schedule: { adjustForDST: true }, scheduleStatus: null, isPastDue: false },
    metadata: null,
  });
});

describe('Cosmos DB', () => {
  const client = new CosmosClient(cosmosTarget());

  beforeAll(async () => {
    const { database } = await client.databases.createIfNotExists({ id: 'conformance-functions' });
    await database.containers.createIfNotExists({ id: 'items', partitionKey: { paths: ['/id'] } });
  });

  test('changes of a container arrive as arrays of documents, without metadata', async () => {
    const key = randomUUID();
    const { items } = client.database('conformance-functions').container('items');
    await items.create({ id: key, key, n: 1 });
    await seen(key, 1);
    await items.upsert({ id: key, key, n: 2 });
    const changes = await seen<{ document: { n: number }; isArray: boolean; metadata: object }>(key, 2);
    expect(changes.map(({ document }) => document.n)).toEqual([1, 2]);
    expect(changes[0]).toMatchObject({ isArray: true, metadata: {} });
  });
});
