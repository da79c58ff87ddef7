/** A running Event Hubs stand-in with SDK clients on it, all ended together. */
import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  type CheckpointStore,
  EventHubConsumerClient,
  EventHubProducerClient,
  type ReceivedEventData,
  type SubscribeOptions,
  type SubscriptionEventHandlers,
  earliestEventPosition,
} from '@azure/event-hubs';
import { type EventHubsOptions, type EventHubsServer, startEventHubs } from '../../local/event-hubs/event-hubs.ts';

/** Patience of SDK clients in tests: a broken test must not wait for the default minute. */
export const retryOptions = { maxRetries: 0, timeoutInMs: 5000, retryDelayInMs: 50 };

export const HUB = 'telemetry';

/** What a test needs of a stand-in; everything made through it ends with it. */
export interface LivingHubs extends AsyncDisposable {
  readonly server: EventHubsServer;
  readonly log: readonly string[];
  producer(options?: { retries?: number; hub?: string; connectionString?: string }): EventHubProducerClient;
  consumer(options?: { group?: string; store?: CheckpointStore; connectionString?: string }): EventHubConsumerClient;
  /** Reads until `count` events have come. Rejects with the first error. */
  read(count: number, options?: ReadOptions): Promise<ReceivedEventData[]>;
}

interface ReadOptions extends SubscribeOptions {
  readonly partition?: string;
  readonly group?: string;
}

/** A folder that is gone when the test is. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-hubs-'));
  return { path: folder, [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

/** Starts a stand-in with the hub `telemetry`, 4 partitions and the group `ingest`, unless told otherwise. */
export async function livingHubs(options: Partial<EventHubsOptions> = {}): Promise<LivingHubs> {
  const log: string[] = [];
  const server = await startEventHubs({
    hubs: [{ name: HUB, partitionCount: 4, retentionHours: 24, consumerGroups: ['ingest'] }],
    log: (line) => log.push(line),
    ...options,
  });
  const clients: { close(): Promise<void> }[] = [];
  const made = <Client extends { close(): Promise<void> }>(client: Client): Client => {
    clients.push(client);
    return client;
  };
  const consumer: LivingHubs['consumer'] = ({ group = '$Default', store, connectionString } = {}) => {
    const to = connectionString ?? server.connectionString;
    return made(
      store === undefined
        ? new EventHubConsumerClient(group, to, HUB, { retryOptions })
        : new EventHubConsumerClient(group, to, HUB, store, {
            retryOptions,
            loadBalancingOptions: {
              strategy: 'greedy',
              updateIntervalInMs: 200,
              partitionOwnershipExpirationIntervalInMs: 3000,
            },
          }),
    );
  };
  return {
    server,
    log,
    producer: ({ retries = 0, hub = HUB, connectionString } = {}) =>
      made(
        new EventHubProducerClient(connectionString ?? server.connectionString, hub, {
          retryOptions: { ...retryOptions, maxRetries: retries },
        }),
      ),
    consumer,
    read: async (count, { partition, group = '$Default', ...subscribe } = {}) => {
      const client = consumer({ group });
      const events: ReceivedEventData[] = [];
      const done = Promise.withResolvers<void>();
      const handlers: SubscriptionEventHandlers = {
        processEvents: async (batch) => {
          events.push(...batch);
          if (events.length >= count) done.resolve();
        },
        processError: async (error) => done.reject(error),
      };
      const wanted = { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, maxBatchSize: 300, ...subscribe };
      const subscription =
        partition === undefined ? client.subscribe(handlers, wanted) : client.subscribe(partition, handlers, wanted);
      try {
        await done.promise;
      } finally {
        await subscription.close();
        await client.close();
      }
      return events;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await server.close();
    },
  };
}

/** Waits until a condition holds; fails after fifteen seconds, naming what did not happen. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`did not happen within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves with the error a promise rejects with; fails when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<{ name: string; message: string; code?: unknown }> {
  try {
    await promise;
  } catch (error) {
    return error as { name: string; message: string; code?: unknown };
  }
  throw new Error('it did not fail');
}

/** Milliseconds beyond which a timer serves no test: the SDK renews its tokens every 45 minutes. */
const LONG_TIMER_MS = 600_000;

/**
 * Keeps the SDK's token renewals from holding the process. Once a link of its was ended by the service or a socket was
 * cut, the SDK (6.0.4) starts a new renewal timer without ending the old one, and no `close()` finds that again. Until
 * the returned object is disposed of, timers that long do not keep the process alive.
 */
export function releaseRenewals(): Disposable {
  const original = globalThis.setTimeout;
  const patched = (handler: (...args: unknown[]) => void, ms?: number, ...rest: unknown[]): NodeJS.Timeout => {
    const timer = original(handler, ms, ...rest);
    return ms !== undefined && ms > LONG_TIMER_MS ? timer.unref() : timer;
  };
  globalThis.setTimeout = Object.assign(patched, original);
  return { [Symbol.dispose]: () => void (globalThis.setTimeout = original) };
}

/** A shared access signature for a resource, valid for five minutes from `nowMs`. */
export function sasToken(resource: string, keyName: string, key: string, nowMs: number = Date.now()): string {
  const sr = encodeURIComponent(resource);
  const se = Math.floor(nowMs / 1000) + 300;
  const sig = createHmac('sha256', key).update(`${sr}\n${se}`).digest('base64');
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=${encodeURIComponent(keyName)}`;
}

/** Where a test finds the emulator's default key. */
export const DEFAULT_KEY = { name: 'RootManageSharedAccessKey', value: 'SAS_KEY_VALUE' };

/** A checkpoint store in memory with etags, as the SDK's balancer needs it; several consumers share one. */
export function memoryCheckpoints(): CheckpointStore {
  type Ownership = Awaited<ReturnType<CheckpointStore['claimOwnership']>>[number];
  type Checkpoint = Parameters<CheckpointStore['updateCheckpoint']>[0];
  const owned = new Map<string, Ownership>();
  const checkpoints = new Map<string, Checkpoint>();
  let version = 0;
  return {
    listOwnership: async () => [...owned.values()],
    claimOwnership: async (wanted) => {
      const claimed: Ownership[] = [];
      for (const ownership of wanted) {
        const current = owned.get(ownership.partitionId);
        if (current !== undefined && current.etag !== ownership.etag) continue;
        version += 1;
        const mine = { ...ownership, etag: String(version), lastModifiedTimeInMs: Date.now() };
        owned.set(ownership.partitionId, mine);
        claimed.push(mine);
      }
      return claimed;
    },
    updateCheckpoint: async (checkpoint) => void checkpoints.set(checkpoint.partitionId, checkpoint),
    listCheckpoints: async () => [...checkpoints.values()],
  };
}
