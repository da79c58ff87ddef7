/** Telemetry of the direct source. The whole batch is tried again for as long as the store is in trouble; see host.json. */
import { app, type EventHubFunctionOptions } from '@azure/functions';
import { ingestBatch } from '../shared/ingest/ingest.ts';
import { inSpan } from '../shared/observability.ts';
import { traceParentOf } from '../shared/telemetry/decode-direct.ts';
import { readHubBatch } from '../shared/telemetry/hub-batch.ts';
import { services } from './services.ts';

const trigger: EventHubFunctionOptions = {
  connection: 'EventHubConnection',
  eventHubName: '%TELEMETRY_HUB%',
  consumerGroup: 'ingest',
  cardinality: 'many',
  // Unlimited is safe: nothing that a device sends can throw, so what throws passes when the store is back.
  retry: {
    strategy: 'exponentialBackoff',
    maxRetryCount: -1,
    minimumInterval: { seconds: 1 },
    maximumInterval: { seconds: 30 },
  },
  handler: async (messages, context) => {
    const { lane, events } = readHubBatch('direct', messages, context.triggerMetadata);
    const links = events.map(traceParentOf).filter((link) => link !== undefined);
    await inSpan('ingest.batch', { parent: context.traceContext?.traceParent, links, attributes: { lane } }, async () =>
      ingestBatch((await services()).ingest, lane, events),
    );
  },
};

// Bytes as they came (the library's type lacks the option): what is no JSON or no UTF-8 must reach quarantine as sent.
const asBytes = { ...trigger, dataType: 'binary' };
app.eventHub('ingest-telemetry', asBytes);
