/** Sends messages to an Event Hub with the real SDK. */
import { EventHubProducerClient } from '@azure/event-hubs';
import type { EventData } from '@azure/event-hubs';
import type { Message } from './chaos.ts';

/** What the simulator needs of a hub. */
export interface HubProducer {
  /** Sends messages of one partition key in order; resolves when the hub has accepted all of them. */
  send(key: string, messages: readonly Message[]): Promise<void>;
  close(): Promise<void>;
}

/** The SDK waits a minute for a hub that has gone; the simulator has retries of its own and wants to know soon. */
const RETRY_OPTIONS = { maxRetries: 1, retryDelayInMs: 200, timeoutInMs: 4_000 };

/** A producer for one hub; connects when it first sends. */
export function openHubProducer(connectionString: string, eventHub: string): HubProducer {
  const client = new EventHubProducerClient(connectionString, eventHub, { retryOptions: RETRY_OPTIONS });
  return {
    send: (key, messages) => send(client, key, messages).catch(refine),
    close: () => client.close(),
  };
}

async function send(client: EventHubProducerClient, key: string, messages: readonly Message[]): Promise<void> {
  let batch = await client.createBatch({ partitionKey: key });
  for (const message of messages) {
    if (batch.tryAdd(toEventData(message))) continue;
    await client.sendBatch(batch);
    batch = await client.createBatch({ partitionKey: key });
    if (!batch.tryAdd(toEventData(message))) throw new Error(`Message ${message.messageId} is larger than a batch.`);
  }
  if (batch.count > 0) await client.sendBatch(batch);
}

/** Node reports a refused connection as an AggregateError with an empty message: one of its causes says more. */
function refine(error: unknown): never {
  if (error instanceof AggregateError && Error.isError(error.errors[0])) {
    throw new Error(error.errors[0].message, { cause: error });
  }
  throw error;
}

function toEventData({ body, messageId }: Message): EventData {
  // The SDK writes an object as JSON and bytes as they are: a text that is not JSON must reach the hub as it stands.
  return {
    body: typeof body === 'string' ? Buffer.from(body) : body,
    contentType: 'application/json',
    messageId,
  };
}
