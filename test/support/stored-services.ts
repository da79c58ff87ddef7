/** The product's services over a local Cosmos DB, without a host: any number of instances, each with its own clock. */
import { randomBytes } from 'node:crypto';
import { createServices, type Services } from '../../functions/services.ts';
import { startCosmos, type CosmosServer } from '../../local/cosmos/cosmos.ts';
import { provision } from '../../local/provision.ts';
import { loadConfig } from '../../shared/config.ts';

/** The administrator of the tenant `default`, and of the platform. */
export const ADMIN = { client_id: 'test-administrator', client_secret: 'administrator-secret-for-tests-only' };

/** A provisioned store and instances over it. */
export interface StoredServices {
  cosmos: CosmosServer;
  /** The settings, as an instance reads them from its environment. */
  settings: Record<string, string>;
  /** A new instance. @param changed settings that differ */
  instance(now?: () => number, changed?: Record<string, string>): Promise<Services>;
  close(): Promise<void>;
}

/** Starts the store. */
export async function storedServices(): Promise<StoredServices> {
  // Three physical partitions: lists across partitions go through the merging of the SDK, as in a grown account.
  const cosmos = await startCosmos({ port: 0, partitions: 3 });
  await provision(cosmos);
  const settings = {
    COSMOS_ENDPOINT: cosmos.endpoint,
    COSMOS_KEY: cosmos.key,
    EventHubConnection: 'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b',
    TELEMETRY_HUB: 'telemetry',
    WEBPUBSUB_CONNECTION_STRING: 'Endpoint=http://127.0.0.1:1;AccessKey=none;Version=1.0;',
    WEBPUBSUB_HUB: 'sluice',
    SLUICE_MASTER_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_CLIENT_ID: ADMIN.client_id,
    BOOTSTRAP_CLIENT_SECRET: ADMIN.client_secret,
    TOKEN_ISSUER: 'http://127.0.0.1',
  };
  return {
    cosmos,
    settings,
    instance: (now, changed = {}) => createServices(loadConfig({ ...settings, ...changed }), now),
    close: () => cosmos.close(),
  };
}
