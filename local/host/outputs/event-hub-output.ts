/** The Event Hubs output: every entry is one event. */
import { EventHubProducerClient, type EventData } from '@azure/event-hubs';
import { ConfigurationError } from '../config/configuration-error.ts';
import { type EventHubsConnection, eventHubsConnection } from '../event-hubs-connection.ts';
import { type Output, outputEntries } from './output.ts';

export const eventHubOutput: Output = {
  type: 'eventHub',
  prepare: ({ functionName, binding, readSetting }) => {
    const { connection, eventHubName } = binding;
    if (typeof connection !== 'string' || typeof eventHubName !== 'string' || eventHubName === '') {
      throw new ConfigurationError(`Function "${functionName}": its eventHub output needs connection and eventHubName`);
    }
    const source = eventHubsConnection(functionName, connection, readSetting);
    let producer: Promise<EventHubProducerClient> | undefined;
    return {
      write: async (data) => {
        producer ??= createProducer(source, eventHubName);
        await send(await producer, outputEntries(data).map(toEvent));
      },
      close: async () => {
        await (await producer)?.close();
      },
    };
  },
};

async function createProducer(source: EventHubsConnection, eventHubName: string): Promise<EventHubProducerClient> {
  if (source.kind === 'connection-string') {
    return source.entityPath === undefined
      ? new EventHubProducerClient(source.connectionString, eventHubName)
      : new EventHubProducerClient(source.connectionString);
  }
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new EventHubProducerClient(source.namespace, eventHubName, new DefaultAzureCredential());
}

/** Bodies go out as bytes: the SDK would put a text between quotes. */
function toEvent(entry: unknown): EventData {
  if (Buffer.isBuffer(entry)) return { body: entry };
  return { body: Buffer.from(typeof entry === 'string' ? entry : JSON.stringify(entry)) };
}

async function send(producer: EventHubProducerClient, events: EventData[]): Promise<void> {
  let batch = await producer.createBatch();
  for (const event of events) {
    if (batch.tryAdd(event)) continue;
    // oxlint-disable-next-line no-await-in-loop -- the next batch begins when this one is full
    if (batch.count > 0) await producer.sendBatch(batch);
    // oxlint-disable-next-line no-await-in-loop
    batch = await producer.createBatch();
    if (!batch.tryAdd(event))
      throw new Error(`An event of ${(event.body as Buffer).length} bytes is too large for the hub.`);
  }
  if (batch.count > 0) await producer.sendBatch(batch);
}
