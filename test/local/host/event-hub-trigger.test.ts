import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventHubProducerClient, type EventData } from '@azure/event-hubs';
import { type InvocationContext, app } from '@azure/functions';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type EventHubsServer, startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import { appFolder } from '../../support/app-folder.ts';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';

const PARTITIONS = 2;
let hubs: EventHubsServer;
let hubNumber = 0;
let hub = '';

app.setup({ capabilities: {} });

beforeAll(async () => {
  hubs = await startEventHubs({
    hubs: Array.from({ length: 20 }, (_, number) => ({
      name: `hub-${number}`,
      partitionCount: PARTITIONS,
      retentionHours: 1,
      consumerGroups: ['workers'],
    })),
  });
});
afterAll(() => hubs.close());
beforeEach(() => {
  emptyApp();
  hub = `hub-${hubNumber}`;
  hubNumber += 1;
});

async function send(events: EventData[], partitionId = '0'): Promise<void> {
  const producer = new EventHubProducerClient(hubs.connectionString, hub);
  await producer.sendBatch(events, { partitionId });
  await producer.close();
}

const numbers = (from: number, count: number): EventData[] =>
  Array.from({ length: count }, (_, index) => ({ body: { n: from + index } }));

interface Call {
  messages: { n: number }[];
  context: InvocationContext;
}

function register(handler: (call: Call) => unknown, options: object = {}): void {
  app.eventHub('reader', {
    connection: 'HUB',
    eventHubName: '%HUB_NAME%',
    cardinality: 'many',
    ...options,
    handler: (messages, context) => handler({ messages: messages as { n: number }[], context }),
  });
}

const environment = () => ({ HUB: hubs.connectionString, HUB_NAME: hub });

function checkpointFolder(dataFolder: string, group = '$default'): string {
  return join(dataFolder, 'azure-webjobs-eventhub', '127.0.0.1', hub, encodeURIComponent(group), 'checkpoint');
}

function checkpoint(dataFolder: string, partition = '0'): number | undefined {
  try {
    return JSON.parse(readFileSync(join(checkpointFolder(dataFolder), partition), 'utf8')).sequenceNumber as number;
  } catch {
    return undefined;
  }
}

test('a batch arrives with the payload and the metadata of the platform', async () => {
  const calls: Call[] = [];
  register((call) => calls.push(call));
  await send([
    { body: { t: 1 }, properties: { TenantId: 'a' }, contentType: 'application/json', messageId: 'm1' },
    { body: Buffer.from('plain') },
    { body: Buffer.from('42') },
  ]);
  await using _app = await runApp({ environment: environment() });
  await until(() => calls.length > 0);
  const [{ messages, context } = { messages: [], context: undefined }] = calls;
  expect(messages).toEqual([{ t: 1 }, 'plain', 42]);
  const metadata = context?.triggerMetadata;
  expect(metadata?.['partitionContext']).toEqual({
    fullyQualifiedNamespace: '127.0.0.1',
    eventHubName: hub,
    consumerGroup: '$Default',
    partitionId: '0',
  });
  expect(metadata?.['sequenceNumberArray']).toEqual([0, 1, 2].map((low) => ({ low, high: 0, unsigned: false })));
  expect(metadata?.['propertiesArray']).toEqual([{ tenantId: 'a' }, {}, {}]);
  expect(metadata?.['partitionKeyArray']).toEqual([]);
  expect(metadata?.['enqueuedTimeUtcArray']).toEqual(
    Array.from({ length: 3 }, () =>
      expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,2}[1-9]|\.\d?[1-9])?$/),
    ),
  );
  const [system] = (metadata?.['systemPropertiesArray'] ?? []) as Record<string, unknown>[];
  expect(system).toMatchObject({
    sequenceNumber: 0,
    partitionKey: null,
    'content-type': 'application/json',
    'message-id': 'm1',
  });
  expect(context?.retryContext).toBeUndefined();
  expect(context?.traceContext?.traceParent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
});

test('an empty event is dropped and shifts the batch against its metadata', async () => {
  const calls: Call[] = [];
  register((call) => calls.push(call));
  await send([{ body: Buffer.alloc(0) }, { body: { n: 1 } }]);
  await using _app = await runApp({ environment: environment() });
  await until(() => calls.length > 0);
  expect(calls[0]?.messages).toEqual([{ n: 1 }]);
  expect(calls[0]?.context.triggerMetadata?.['sequenceNumberArray']).toHaveLength(2);
});

test('cardinality one: an invocation per event, in order', async () => {
  const calls: Call[] = [];
  register((call) => calls.push(call), { cardinality: 'one' });
  await send(numbers(0, 3));
  await using _app = await runApp({ environment: environment() });
  await until(() => calls.length === 3);
  expect(calls.map((call) => call.messages)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  expect(calls[1]?.context.triggerMetadata).toMatchObject({ sequenceNumber: 1, properties: {} });
});

test('dataType binary delivers bytes that nobody parsed', async () => {
  const calls: Call[] = [];
  register((call) => calls.push(call), { dataType: 'binary' });
  await send([{ body: Buffer.from('{"n":1}') }]);
  await using _app = await runApp({ environment: environment() });
  await until(() => calls.length > 0);
  expect(Buffer.from(calls[0]?.messages[0] as never).toString()).toBe('{"n":1}');
});

test('one invocation at a time in a partition, several across; batches keep to maxEventBatchSize', async () => {
  const running = new Map<string, number>();
  let most = 0;
  let together = 0;
  const seen: number[] = [];
  register(async ({ messages, context }) => {
    const source = context.triggerMetadata?.['partitionContext'] as { partitionId: string } | undefined;
    const partition = source?.partitionId ?? '';
    running.set(partition, (running.get(partition) ?? 0) + 1);
    most = Math.max(most, ...running.values());
    together = Math.max(together, [...running.values()].filter((count) => count > 0).length);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running.set(partition, (running.get(partition) ?? 0) - 1);
    expect(messages.length).toBeLessThanOrEqual(4);
    if (partition === '0') seen.push(...messages.map(({ n }) => n));
  });
  await send(numbers(0, 20), '0');
  await send(numbers(0, 20), '1');
  await using _app = await runApp({
    environment: environment(),
    hostJson: { extensions: { eventHubs: { maxEventBatchSize: 4 } } },
  });
  await until(() => seen.length === 20);
  expect(seen).toEqual(numbers(0, 20).map(({ body }) => body.n as number));
  expect(most).toBe(1);
  expect(together).toBe(2);
});

test('a batch that fails is retried as a whole; the checkpoint waits for the last attempt', async () => {
  const attempts: Call[] = [];
  let dataFolder = '';
  const checkpoints: (number | undefined)[] = [];
  register(
    (call) => {
      attempts.push(call);
      checkpoints.push(checkpoint(dataFolder));
      if (attempts.length < 3) throw new Error(`attempt ${attempts.length}`);
    },
    { retry: { strategy: 'fixedDelay', delayInterval: 0, maxRetryCount: 5 } },
  );
  await send(numbers(0, 3));
  await using running = await runApp({ environment: environment() });
  ({ dataFolder } = running.folder);
  await until(() => checkpoint(dataFolder) === 2);
  expect(attempts.map((call) => call.messages.length)).toEqual([3, 3, 3]);
  expect(new Set(attempts.map((call) => call.context.invocationId)).size).toBe(3);
  expect(checkpoints).toEqual([undefined, undefined, undefined]);
  expect(attempts[2]?.context.retryContext).toMatchObject({
    retryCount: 2,
    maxRetryCount: 5,
    exception: { message: expect.stringContaining('Exception: attempt 2') },
  });
});

test('without a retry policy a failed batch is checkpointed all the same: its events are gone', async () => {
  let failures = 0;
  register(() => {
    failures += 1;
    throw new Error('no luck');
  });
  await send(numbers(0, 3));
  await using running = await runApp({ environment: environment() });
  await until(() => checkpoint(running.folder.dataFolder) === 2);
  expect(failures).toBe(1);
});

test('a batch that is running when the host stops is not checkpointed, and comes again', async () => {
  using folder = appFolder();
  const gate = Promise.withResolvers<void>();
  const batches: number[] = [];
  register(async ({ messages }) => {
    batches.push(messages.length);
    if (batches.length === 1) await gate.promise;
  });
  await send(numbers(0, 3));
  const first = await runApp({ environment: environment(), folder });
  await until(() => batches.length === 1);
  const closed = first.host.close();
  gate.resolve();
  await closed;
  expect(checkpoint(folder.dataFolder)).toBeUndefined();
  await using _second = await runApp({ environment: environment(), folder });
  await until(() => checkpoint(folder.dataFolder) === 2);
  expect(batches).toEqual([3, 3]);
});

test('a host started again goes on behind the checkpoint', async () => {
  using folder = appFolder();
  const seen: number[] = [];
  register(({ messages }) => seen.push(...messages.map(({ n }) => n)));
  await send(numbers(0, 3));
  const first = await runApp({ environment: environment(), folder });
  await until(() => checkpoint(folder.dataFolder) === 2);
  await first.host.close();
  await send(numbers(3, 2));
  await using _second = await runApp({ environment: environment(), folder });
  await until(() => checkpoint(folder.dataFolder) === 4);
  expect(seen).toEqual([0, 1, 2, 3, 4]);
});

test('batchCheckpointFrequency counts batches; a graceful stop writes what is left', async () => {
  const seen: number[] = [];
  register(({ messages }) => seen.push(...messages.map(({ n }) => n)));
  using folder = appFolder({ extensions: { eventHubs: { maxEventBatchSize: 1, batchCheckpointFrequency: 2 } } });
  await send(numbers(0, 3));
  const running = await runApp({ environment: environment(), folder });
  await until(() => seen.length === 3 && checkpoint(folder.dataFolder) === 1);
  await running.host.close();
  expect(checkpoint(folder.dataFolder)).toBe(2);
});

test('minEventBatchSize waits for more, maxWaitTime ends the wait', async () => {
  const batches: number[] = [];
  register(({ messages }) => batches.push(messages.length));
  await using _app = await runApp({
    environment: environment(),
    hostJson: { extensions: { eventHubs: { minEventBatchSize: 5, maxWaitTime: '00:00:01' } } },
  });
  await send(numbers(0, 2));
  await until(() => batches.length === 1);
  await send(numbers(2, 5));
  await until(() => batches.length === 2);
  expect(batches).toEqual([2, 5]);
});

test('initialOffsetOptions fromEnd skips what was there before', async () => {
  const seen: number[] = [];
  register(({ messages }) => seen.push(...messages.map(({ n }) => n)));
  await send(numbers(0, 3));
  await using running = await runApp({
    environment: environment(),
    hostJson: { extensions: { eventHubs: { initialOffsetOptions: { type: 'fromEnd' } } } },
  });
  await until(() => running.log.filter((line) => line.includes('reads partition')).length === PARTITIONS);
  let n = 3;
  await until(async () => {
    await send(numbers(n, 1));
    n += 1;
    return seen.length > 0;
  });
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(3);
});

test('a missing connection is named at the start', async () => {
  register(() => undefined);
  await expect(runApp({ environment: { HUB_NAME: hub } })).rejects.toThrow(
    'Function "reader": the setting HUB (a connection string) is missing, and so is HUB__fullyQualifiedNamespace',
  );
  await expect(runApp({ environment: { HUB: hubs.connectionString } })).rejects.toThrow(
    'Function "reader": the setting HUB_NAME (%HUB_NAME%) is missing',
  );
});

test('a retry without end gives way when the host stops', async () => {
  using folder = appFolder();
  let attempts = 0;
  register(
    () => {
      attempts += 1;
      throw new Error('never');
    },
    { retry: { strategy: 'fixedDelay', delayInterval: { hours: 1 }, maxRetryCount: -1 } },
  );
  await send(numbers(0, 1));
  const running = await runApp({ environment: environment(), folder });
  await until(() => attempts === 1);
  const startedAt = performance.now();
  await running.host.close();
  expect(performance.now() - startedAt).toBeLessThan(3000);
  expect(checkpoint(folder.dataFolder)).toBeUndefined();
});

test('cut connections are made again; every event arrives', async () => {
  const seen = new Set<number>();
  register(({ messages }) => messages.forEach(({ n }) => seen.add(n)));
  await send(numbers(0, 2));
  await using _app = await runApp({ environment: environment() });
  await until(() => seen.size === 2);
  hubs.faults.apply({ cutConnections: true });
  await send(numbers(2, 2));
  await until(() => seen.size === 4);
  expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
});

test('every partition is read on after a cut, and after the next', async () => {
  const seen = new Set<number>();
  register(({ messages }) => messages.forEach(({ n }) => seen.add(n)));
  await send(numbers(0, 1), '0');
  await send(numbers(1, 1), '1');
  await using _app = await runApp({ environment: environment() });
  await until(() => seen.size === 2);
  for (const from of [2, 4]) {
    hubs.faults.apply({ cutConnections: true });
    await send(numbers(from, 1), '0');
    await send(numbers(from + 1, 1), '1');
    await until(() => seen.size === from + 2);
  }
  expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
});
