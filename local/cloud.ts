/**
 * `npm run cloud`: the stand-ins without the host, for `func start`, a customer's own tests or another language's SDK.
 * Each prints one line of JSON when it is ready.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import resources from '../infra/resources.json' with { type: 'json' };
import { endWithNpm } from './end-with-npm.ts';
import {
  CLOUD_USAGE,
  readCloudOptions,
  STAND_IN_PORTS,
  UsageError,
  type CloudOptions,
  type StandInName,
} from './options.ts';
import { provision } from './provision.ts';
import { startHubs, startPubSub, startStore, TELEMETRY_HUB } from './stand-ins.ts';

interface Running {
  close(): Promise<void>;
}

function certificate(tls: CloudOptions['tls']): { cert: string; key: string } | undefined {
  if (tls === undefined) return undefined;
  try {
    return { cert: readFileSync(tls.certFile, 'utf8'), key: readFileSync(tls.keyFile, 'utf8') };
  } catch (error) {
    throw new UsageError(`--tls-cert or --tls-key cannot be read: ${(error as Error).message}`);
  }
}

async function start(name: StandInName, options: CloudOptions): Promise<Running> {
  const { port, data, partitions } = options;
  const at = port ?? STAND_IN_PORTS[name];
  switch (name) {
    case 'cosmos': {
      const cosmos = await startStore(at, data, '--port', partitions);
      await provision(cosmos);
      const connectionString = `AccountEndpoint=${cosmos.endpoint}/;AccountKey=${cosmos.key};`;
      ready({
        service: name,
        connectionString,
        endpoint: cosmos.endpoint,
        key: cosmos.key,
        database: resources.cosmos.database,
        port: cosmos.port,
      });
      return cosmos;
    }
    case 'event-hubs': {
      const hubs = await startHubs(at, data, '--port', {
        hubs: [...resources.eventHubs.hubs, ...options.hubs.map((hub) => ({ retentionHours: 24, ...hub }))],
        lenientPositions: !options.strictPositions,
        tls: certificate(options.tls),
      });
      ready({
        service: name,
        connectionString: hubs.connectionString,
        eventHub: TELEMETRY_HUB,
        port: hubs.port,
      });
      return hubs;
    }
    case 'web-pubsub': {
      const pubSub = await startPubSub(at, '--port');
      ready({
        service: name,
        connectionString: pubSub.connectionString,
        endpoint: pubSub.endpoint,
        hub: resources.webPubSub.hub,
        port: pubSub.port,
      });
      return pubSub;
    }
  }
}

function ready(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function run(): Promise<void> {
  const options = readCloudOptions(process.argv.slice(2));
  if (!options) return void process.stdout.write(`${CLOUD_USAGE}\n`);
  if (options.data !== undefined) mkdirSync(options.data, { recursive: true });
  const names: StandInName[] = options.only ? [options.only] : ['cosmos', 'event-hubs', 'web-pubsub'];
  const running: Running[] = [];
  // Before the first line says ready: a script may stop what it has just started.
  const stop = () => {
    void Promise.all(running.map((each) => each.close())).then(() => process.exit(0));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  endWithNpm(stop);
  for (const name of names) running.push(await start(name, options));
}

run().catch((error: unknown) => {
  // Whatever keeps it from starting (a taken port, a folder in use, a damaged log) says so in one sentence.
  process.stderr.write(`${Error.isError(error) ? error.message : String(error)}\n`);
  process.exit(1);
});
