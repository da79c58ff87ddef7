/** What follows from a device's documents: the list of alerts, the lane of what no event caused, who is told. */
import { app, type CosmosDBFunctionOptions } from '@azure/functions';
import { project } from '../shared/ingest/project.ts';
import { services } from './services.ts';

// Everything here is safe to repeat, and what throws passes when the store is back.
const untilItWorks = {
  strategy: 'exponentialBackoff',
  maxRetryCount: -1,
  minimumInterval: { seconds: 1 },
  maximumInterval: { seconds: 30 },
} as const;

const feed: CosmosDBFunctionOptions = {
  connection: 'CosmosConnection',
  databaseName: '%COSMOS_DATABASE%',
  containerName: 'device-data',
  leaseContainerName: 'leases',
  leaseContainerPrefix: 'projection',
  startFromBeginning: true,
  feedPollDelay: 500,
  maxItemsPerInvocation: 500,
  retry: untilItWorks,
  handler: async (documents: unknown[]) => project((await services()).projection, documents),
};
app.cosmosDB('project-device-data', feed);
