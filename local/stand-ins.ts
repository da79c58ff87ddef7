/** The three services as they run on one machine. */
import path from 'node:path';
import resources from '../infra/resources.json' with { type: 'json' };
import { startCosmos, type CosmosServer } from './cosmos/cosmos.ts';
import { startEventHubs, type EventHubsOptions, type EventHubsServer } from './event-hubs/event-hubs.ts';
import { startWebPubSub, type WebPubSubServer } from './web-pubsub/web-pubsub.ts';
import type { Ports } from './options.ts';

/** The hub that devices send to. */
export const TELEMETRY_HUB = resources.eventHubs.hubs[0]?.name ?? '';

/** The running services. */
export interface StandIns {
  cosmos: CosmosServer;
  eventHubs: EventHubsServer;
  webPubSub: WebPubSubServer;
  close(): Promise<void>;
}

/** A port that somebody else has: one sentence with the way out. */
export class PortTakenError extends Error {
  override name = 'PortTakenError';
}

/** Starts one service; a taken port becomes one sentence. */
export async function listening<T>(what: string, port: number, flag: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EADDRINUSE') throw error;
    throw new PortTakenError(`Port ${port} (${what}) is taken by another program; choose another with ${flag} N.`, {
      cause: error,
    });
  }
}

/**
 * Starts the Event Hubs stand-in, with the product's hubs unless told otherwise. Lenient positions unless told otherwise:
 * a hub whose folder was deleted under surviving checkpoints starts over instead of delivering nothing.
 */
export function startHubs(
  port: number,
  data: string | undefined,
  flag: string,
  more: Partial<EventHubsOptions> = {},
): Promise<EventHubsServer> {
  const { hubs } = resources.eventHubs;
  const dataDir = data === undefined ? undefined : path.join(data, 'event-hubs');
  return listening('Event Hubs', port, flag, () =>
    startEventHubs({ hubs, port, lenientPositions: true, dataDir, ...more }),
  );
}

/** Starts the Cosmos DB stand-in; empty until `provision`. */
export function startStore(
  port: number,
  data: string | undefined,
  flag: string,
  partitions = 1,
): Promise<CosmosServer> {
  const dataDir = data === undefined ? {} : { dataDir: path.join(data, 'cosmos') };
  // The fault of that name ends the process that all stand-ins share, as whoever kills a stand-in does.
  const kill = () => process.kill(process.pid, 'SIGKILL');
  return listening('Cosmos DB', port, flag, () => startCosmos({ port, partitions, kill, ...dataDir }));
}

/** Starts the Web PubSub stand-in; as in the service, a hub is there once it is used. */
export function startPubSub(port: number, flag: string): Promise<WebPubSubServer> {
  return listening('Web PubSub', port, flag, () => startWebPubSub({ port }));
}

/** Starts all three; when one cannot start, the others are stopped again. */
export async function startStandIns(ports: Ports, data: string | undefined, partitions = 1): Promise<StandIns> {
  const started = await Promise.allSettled([
    startStore(ports.cosmos, data, '--cosmos-port', partitions),
    startHubs(ports.eventHubs, data, '--event-hubs-port'),
    startPubSub(ports.webPubSub, '--web-pubsub-port'),
  ]);
  const [cosmos, eventHubs, webPubSub] = started;
  if (cosmos.status === 'fulfilled' && eventHubs.status === 'fulfilled' && webPubSub.status === 'fulfilled') {
    const services = [eventHubs.value, webPubSub.value, cosmos.value];
    return {
      cosmos: cosmos.value,
      eventHubs: eventHubs.value,
      webPubSub: webPubSub.value,
      close: async () => {
        await Promise.all(services.map((service) => service.close()));
      },
    };
  }
  for (const each of started) if (each.status === 'fulfilled') await each.value.close();
  throw started.find((each) => each.status === 'rejected')?.reason;
}
