import { expect, test } from '@jest/globals';
import { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition } from '@azure/event-hubs';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';

const retryOptions = { maxRetries: 0, timeoutInMs: 3000, retryDelayInMs: 50 };

test('what the SDK sends, the SDK receives', async () => {
  const server = await startEventHubs({
    hubs: [{ name: 'telemetry', partitionCount: 4, retentionHours: 1, consumerGroups: ['ingest'] }],
  });
  const producer = new EventHubProducerClient(server.connectionString, 'telemetry', { retryOptions });
  const consumer = new EventHubConsumerClient('ingest', server.connectionString, 'telemetry', { retryOptions });
  try {
    await producer.sendBatch([{ body: { t: 21.5 } }], { partitionKey: 'boiler-1' });
    const body = await new Promise((resolve, reject) => {
      consumer.subscribe(
        {
          processEvents: async ([event]) => {
            if (event !== undefined) resolve(event.body);
          },
          processError: async (error) => reject(error),
        },
        { startPosition: earliestEventPosition },
      );
    });
    expect(body).toEqual({ t: 21.5 });
  } finally {
    await consumer.close();
    await producer.close();
    await server.close();
  }
});
