/** The product with streams over real sockets, and a mouth that says events as ingest does. One per test file. */
import type { Services } from '../../functions/services.ts';
import { startWebPubSub, type WebPubSubServer } from '../../local/web-pubsub/web-pubsub.ts';
import type { JournalEvent } from '../../shared/journal/journal-entry.ts';
import { living, type Living } from './living.ts';

/** The tenant of everything. */
const TENANT = 'default';

/** See the top of the file. */
export interface Streaming {
  product: Living;
  bus: WebPubSubServer;
  /** The instance that the host runs. */
  instance: Services;
  /** Another instance over the same store and bus, with a clock of its own. */
  another(now?: () => number): Promise<Services>;
  /** Commits events to a lane of the journal and publishes them, as ingest does at the end of a batch. */
  say(lane: string, events: JournalEvent[]): Promise<void>;
  close(): Promise<void>;
}

/** Starts the product, with devices of these ids. */
export async function streaming(deviceIds: string[]): Promise<Streaming> {
  const bus = await startWebPubSub({ port: 0 });
  const product = await living(async () => {
    process.env['WEBPUBSUB_CONNECTION_STRING'] = bus.connectionString;
    await import('../../functions/oauth.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/stream-telemetry.ts');
    await import('../../functions/pull-telemetry.ts');
  });
  const { services } = await import('../../functions/services.ts');
  const instance = await services();
  for (const deviceId of deviceIds) await product.manage('POST', '/v1/devices', { deviceId, name: deviceId });
  let sequence = 0;
  return {
    product,
    bus,
    instance,
    another: (now) => product.instance(now, { WEBPUBSUB_CONNECTION_STRING: bus.connectionString }),
    async say(lane, events) {
      const positioned = events.map((event) => ({ at: { seq: sequence++, enq: Date.now() }, events: [event] }));
      await instance.ingest.publish(await instance.journal.append(TENANT, lane, positioned));
    },
    async close() {
      await product.close();
      await bus.close();
    },
  };
}
