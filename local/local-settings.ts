/** The settings under which the same code runs on this machine: the values of local.settings.sample.json, made real. */
import resources from '../infra/resources.json' with { type: 'json' };
import type { LocalSecrets } from './state-folder.ts';
import { TELEMETRY_HUB, type StandIns } from './stand-ins.ts';

/** The tenant of the local administrator and the simulated fleet. */
export const LOCAL_TENANT = 'demo';

/** Builds the app settings for the host process. */
export function localSettings(standIns: StandIns, secrets: LocalSecrets, api: string): Record<string, string> {
  return {
    EventHubConnection: standIns.eventHubs.connectionString,
    TELEMETRY_HUB,
    COSMOS_ENDPOINT: standIns.cosmos.endpoint,
    COSMOS_KEY: standIns.cosmos.key,
    CosmosConnection: `AccountEndpoint=${standIns.cosmos.endpoint};AccountKey=${standIns.cosmos.key};`,
    COSMOS_DATABASE: resources.cosmos.database,
    WEBPUBSUB_CONNECTION_STRING: standIns.webPubSub.connectionString,
    WEBPUBSUB_HUB: resources.webPubSub.hub,
    TOKEN_ISSUER: api,
    SLUICE_MASTER_KEY: secrets.masterKey,
    BOOTSTRAP_CLIENT_ID: secrets.admin.clientId,
    BOOTSTRAP_CLIENT_SECRET: secrets.admin.clientSecret,
    BOOTSTRAP_TENANT: LOCAL_TENANT,
    SETUP_CODE: secrets.setupCode,
  };
}
