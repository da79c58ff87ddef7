/** SDK clients of the hub under test, all closed together; and the few words these tests are written in. */
import {
  type CheckpointStore,
  EventHubBufferedProducerClient,
  type EventHubBufferedProducerClientOptions,
  EventHubConsumerClient,
  EventHubProducerClient,
  type EventPosition,
  type ReceivedEventData,
  type SubscribeOptions,
  earliestEventPosition,
} from '@azure/event-hubs';
import { until } from '../../support/until.ts';
import { type EventHubsTarget, eventHubsTarget } from '../target.ts';

/** No second tries, so that errors are seen as they come. */
const retryOptions = { maxRetries: 0, timeoutInMs: 10_000, retryDelayInMs: 50 };
/** Milliseconds the cloud may take to do what is waited for. */
const PATIENCE_MS = 12_000;

/** A reader on one partition, and what it has seen. */
export interface Reading {
  readonly got: ReceivedEventData[];
  readonly bodies: () => unknown[];
  /** Codes of the errors it was told. */
  readonly codes: () => unknown[];
  /** Waits until so many events have come. */
  reads(count: number): Promise<ReceivedEventData[]>;
  /** Waits until it was told of an error; returns the first. */
  fails(): Promise<{ code?: unknown; message: string }>;
  close(): Promise<void>;
}

export interface ClientOptions {
  readonly connectionString?: string;
  readonly hub?: string;
  readonly group?: string;
}

/** Everything a test makes through it is closed with it. */
export class Connected implements AsyncDisposable {
  readonly target: EventHubsTarget = eventHubsTarget();
  readonly #open: { close(): Promise<void> }[] = [];

  #made<Client extends { close(): Promise<void> }>(client: Client): Client {
    this.#open.push(client);
    return client;
  }

  producer({ connectionString, hub }: ClientOptions = {}): EventHubProducerClient {
    const { target } = this;
    return this.#made(
      new EventHubProducerClient(connectionString ?? target.connectionString, hub ?? target.hub, { retryOptions }),
    );
  }

  /** The caller closes it: closing sends what it still holds. */
  bufferedProducer(options: EventHubBufferedProducerClientOptions): EventHubBufferedProducerClient {
    return new EventHubBufferedProducerClient(this.target.connectionString, this.target.hub, {
      retryOptions,
      ...options,
    });
  }

  consumer({ connectionString, hub, group = '$Default' }: ClientOptions = {}): EventHubConsumerClient {
    const { target } = this;
    return this.#made(
      new EventHubConsumerClient(group, connectionString ?? target.connectionString, hub ?? target.hub, {
        retryOptions,
      }),
    );
  }

  /** A member of a group that shares the partitions through a store. */
  member(store: CheckpointStore): EventHubConsumerClient {
    const { connectionString, hub, group } = this.target;
    return this.#made(
      new EventHubConsumerClient(group, connectionString, hub, store, {
        retryOptions,
        loadBalancingOptions: {
          strategy: 'greedy',
          updateIntervalInMs: 300,
          partitionOwnershipExpirationIntervalInMs: 5000,
        },
      }),
    );
  }

  /** The position after everything that is in a partition now. */
  async end(partition: string): Promise<EventPosition> {
    const { isEmpty, lastEnqueuedSequenceNumber } = await this.producer().getPartitionProperties(partition);
    return isEmpty ? earliestEventPosition : { sequenceNumber: lastEnqueuedSequenceNumber };
  }

  /** Starts to read a partition. */
  read(partition: string, startPosition: EventPosition, more: SubscribeOptions & ClientOptions = {}): Reading {
    const { connectionString: _connectionString, hub: _hub, group: _group, ...options } = more;
    const got: ReceivedEventData[] = [];
    const errors: { code?: unknown; message: string }[] = [];
    const subscription = this.consumer(more).subscribe(
      partition,
      {
        processEvents: async (events) => void got.push(...events),
        processError: async (error) => void errors.push(error),
      },
      { startPosition, maxWaitTimeInSeconds: 0.2, maxBatchSize: 300, ...options },
    );
    this.#open.unshift(subscription);
    return {
      got,
      bodies: () => got.map(({ body }) => body as unknown),
      codes: () => errors.map(({ code }) => code),
      reads: async (count) => {
        await until(() => got.length >= count || errors.length > 0, PATIENCE_MS);
        if (got.length < count) throw new Error(`Reading failed: ${errors[0]?.message}`);
        return got;
      },
      fails: () => until(() => errors[0], PATIENCE_MS),
      close: () => subscription.close(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Subscriptions first: a client that closes under one leaves its timers behind.
    for (const each of this.#open) await each.close();
  }
}

/** The code of the error that a promise rejects with; fails when it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  throw new Error('it did not fail');
}

/** The connection string with another key, or with a signature in place of the key. */
export function withCredential(connectionString: string, credential: string): string {
  const kept = connectionString.split(';').filter((part) => !/^SharedAccess(?:Key|KeyName|Signature)=/i.test(part));
  return [...kept.filter((part) => part !== ''), credential].join(';');
}

/** A field of the connection string. */
export const fieldOf = (connectionString: string, name: string): string =>
  new RegExp(`(?:^|;)${name}=([^;]*)`, 'i').exec(connectionString)?.[1] ?? '';
