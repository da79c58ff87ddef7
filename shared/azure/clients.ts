/**
 * Makes the SDK clients from settings. The only room that knows how a client is made; it knows endpoints and
 * credentials, never "local" or "cloud". The SDKs are imported lazily, so that the token path stays light at a cold start.
 */
import { hostname } from 'node:os';
import { CosmosClient, type Database } from '@azure/cosmos';
import type { EventHubProducerClient } from '@azure/event-hubs';
import type { TokenCredential } from '@azure/identity';
import type { WebPubSubServiceClient } from '@azure/web-pubsub';
import type { WebPubSubClient } from '@azure/web-pubsub-client';
import type { Config } from '../config.ts';
import type { TelemetryExport } from './export-telemetry.ts';

/** Milliseconds a store request may take before it counts as failed: an HTTP caller waits behind it. */
const COSMOS_REQUEST_MS = 10_000;
/**
 * Milliseconds between pings of our Web PubSub connection, and until it counts as dead without an answer. The SDK's own
 * 20 s and 120 s notice a half-open connection late, and its timers outlive a stopped client by up to 40 s.
 */
const LIVE_PING_MS = 5_000;
const LIVE_SILENCE_MS = 15_000;
/** Milliseconds one question to the hub may take. */
const HUB_REQUEST_MS = 10_000;
/** Minutes a client token for our own Web PubSub connection lives; it is only checked at connect. */
const LIVE_TOKEN_MINUTES = 60;

async function credential(config: Config): Promise<TokenCredential> {
  const { createCredential } = await import('./credential.ts');
  return createCredential(config.AZURE_CLIENT_ID);
}

/** The product's database. Key when one is set, Entra ID otherwise. */
export async function createDatabase(config: Config): Promise<Database> {
  const connectionPolicy = {
    requestTimeout: COSMOS_REQUEST_MS,
    enableEndpointDiscovery: config.COSMOS_KEY === undefined,
    retryOptions: { maxRetryAttemptCount: 5, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 10 },
  };
  const client =
    config.COSMOS_KEY === undefined
      ? new CosmosClient({
          endpoint: config.COSMOS_ENDPOINT,
          aadCredentials: await credential(config),
          connectionPolicy,
        })
      : new CosmosClient({ endpoint: config.COSMOS_ENDPOINT, key: config.COSMOS_KEY, connectionPolicy });
  return client.database(config.COSMOS_DATABASE);
}

/** The service side of Web PubSub: publishes, and signs client tokens. */
export async function createWebPubSubService(config: Config): Promise<WebPubSubServiceClient> {
  const { WebPubSubServiceClient: Service } = await import('@azure/web-pubsub');
  const retryOptions = { maxRetries: 2, retryDelayInMs: 100, maxRetryDelayInMs: 500 };
  if (config.WEBPUBSUB_CONNECTION_STRING !== undefined) {
    const allowInsecureConnection = /Endpoint=http:/i.test(config.WEBPUBSUB_CONNECTION_STRING);
    return new Service(config.WEBPUBSUB_CONNECTION_STRING, config.WEBPUBSUB_HUB, {
      retryOptions,
      allowInsecureConnection,
    });
  }
  if (config.WEBPUBSUB_ENDPOINT === undefined) throw new Error('WEBPUBSUB_ENDPOINT is missing');
  return new Service(config.WEBPUBSUB_ENDPOINT, await credential(config), config.WEBPUBSUB_HUB, { retryOptions });
}

/** Where a partition of a hub ends. Times are epoch milliseconds. */
interface HubPartitionEnd {
  partitionId: string;
  isEmpty: boolean;
  lastSeq: number;
  lastEnqueuedMs: number;
}

/** Asks the telemetry hub where its partitions end, over one connection that is kept. */
export function createHubProbe(config: Config): () => Promise<HubPartitionEnd[]> {
  // What reads from no partition needs no consumer group.
  const client = kept(() => hubProducer(config, config.TELEMETRY_HUB));
  return async () => {
    const hub = await client();
    const ids = await hub.getPartitionIds();
    const all = await Promise.all(ids.map((id) => hub.getPartitionProperties(id)));
    return all.map(({ partitionId, isEmpty, lastEnqueuedSequenceNumber, lastEnqueuedOnUtc }) => ({
      partitionId,
      isEmpty,
      lastSeq: lastEnqueuedSequenceNumber,
      lastEnqueuedMs: lastEnqueuedOnUtc.getTime(),
    }));
  };
}

/** Sends to the hub of commands, over one connection that is kept. */
export function createCommandProducer(config: Config): () => Promise<EventHubProducerClient> {
  return kept(() => hubProducer(config, config.COMMAND_HUB));
}

async function hubProducer(config: Config, hub: string): Promise<EventHubProducerClient> {
  const { EventHubProducerClient: Producer } = await import('./event-hub-producer.ts');
  const retryOptions = { maxRetries: 1, timeoutInMs: HUB_REQUEST_MS };
  const namespace = config.EventHubConnection__fullyQualifiedNamespace;
  if (config.EventHubConnection !== undefined) return new Producer(config.EventHubConnection, hub, { retryOptions });
  if (namespace === undefined) throw new Error('EventHubConnection is missing');
  return new Producer(namespace, hub, await credential(config), { retryOptions });
}

/**
 * Exports metrics and traces to Application Insights, where that is set. Waits until everything from here on is counted.
 * @returns undefined where it is not set: then only who registered providers of his own hears of them
 */
export async function startTelemetryExport(config: Config): Promise<TelemetryExport | undefined> {
  const connectionString = config.APPLICATIONINSIGHTS_CONNECTION_STRING;
  if (connectionString === undefined) return undefined;
  const { exportTelemetry } = await import('./export-telemetry.ts');
  return exportTelemetry(
    {
      connectionString,
      role: config.OTEL_SERVICE_NAME,
      instance: hostname(),
      ...(config.AZURE_CLIENT_ID && { token: tokens(config) }),
    },
    config.TRACES_SAMPLED,
  );
}

/** Gives tokens for Communication Services. */
export function createCommunicationToken(config: Config): () => Promise<string> {
  const token = tokens(config);
  return () => token('https://communication.azure.com/.default');
}

/** Gives tokens for a scope; the credential keeps them until shortly before they end. */
function tokens(config: Config): (scope: string) => Promise<string> {
  const credentials = kept(() => credential(config));
  return async (scope) => {
    const token = await (await credentials()).getToken(scope);
    if (!token) throw new Error(`There is no token for ${scope}.`);
    return token.token;
  };
}

/** Makes something once, at its first use; a failure is not kept. */
function kept<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** One multiplexed client connection of this instance, allowed to join every live group (`t.*`) and the control group. */
export async function createWebPubSubClient(service: WebPubSubServiceClient): Promise<WebPubSubClient> {
  const { WebPubSubClient: Client } = await import('@azure/web-pubsub-client');
  const getClientAccessUrl = async () => {
    const token = await service.getClientAccessToken({
      expirationTimeInMinutes: LIVE_TOKEN_MINUTES,
      roles: ['webpubsub.joinLeaveGroup'],
    });
    return token.url;
  };
  // A lost session is replaced by the live bus itself: the SDK would return at fixed intervals, all instances in step.
  return new Client(
    { getClientAccessUrl },
    { autoReconnect: false, keepAliveIntervalInMs: LIVE_PING_MS, keepAliveTimeoutInMs: LIVE_SILENCE_MS },
  );
}
