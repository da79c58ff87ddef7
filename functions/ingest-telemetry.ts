/** Telemetry of the direct source. The whole batch is tried again for as long as the store is in trouble; see host.json. */
import { app, type EventHubHandler } from '@azure/functions';
import { ingestBatch } from '../shared/ingest/ingest.ts';
import { readHubBatch } from '../shared/telemetry/hub-batch.ts';
import { services } from './services.ts';

const handler: EventHubHandler = async (messages, context) => {
  const { lane, events } = readHubBatch('direct', messages, context.triggerMetadata);
  await ingestBatch((await services()).ingest, lane, events);
};

app.eventHub('ingest-telemetry', {
  connection: 'EventHubConnection',
  eventHubName: '%TELEMETRY_HUB%',
  consumerGroup: 'ingest',
  cardinality: 'many',
  // Bytes as they came: what is no JSON or no UTF-8 must reach quarantine as it was sent.
  dataType: 'binary',
  // Unlimited is safe: nothing that a device sends can throw, so what throws passes when the store is back.
  retry: {
    strategy: 'exponentialBackoff',
    maxRetryCount: -1,
    minimumInterval: { seconds: 1 },
    maximumInterval: { seconds: 30 },
  },
  handler,
});
