/** Flags and environment variables of `npm start` and `npm run cloud`. A flag wins over its variable. */
import { parseArgs } from 'node:util';

/** Ports by what listens there; 0 picks a free one. */
export interface Ports {
  api: number;
  eventHubs: number;
  cosmos: number;
  webPubSub: number;
}

/** What `npm start` was asked for. */
export interface StartOptions {
  data: string;
  fresh: boolean;
  simulator: boolean;
  speed: number;
  chaos: boolean;
  replay: string | undefined;
  /** Simulated physical partitions of every Cosmos DB container. */
  partitions: number;
  ports: Ports;
}

/** A wrong flag or variable: one sentence for the person who typed it. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const SPEED_MAX = 1000;
/** Simulated physical partitions of Cosmos DB at most. */
const PARTITIONS_MAX = 64;
const DEFAULT_PORTS: Ports = { api: 7071, eventHubs: 5672, cosmos: 8081, webPubSub: 8080 };
const PORT_FLAGS = {
  api: ['api-port', 'SLUICE_API_PORT'],
  eventHubs: ['event-hubs-port', 'SLUICE_EVENT_HUBS_PORT'],
  cosmos: ['cosmos-port', 'SLUICE_COSMOS_PORT'],
  webPubSub: ['web-pubsub-port', 'SLUICE_WEB_PUBSUB_PORT'],
} as const;

/** The help text of `npm start`. */
export const START_USAGE = `npm start -- [options]

  --data DIR             where state lives (default .sluice, or SLUICE_DATA)
  --fresh                start empty: the state folder is deleted first
  --no-simulator         send nothing; --speed, --chaos and --replay are then without effect
  --speed N              simulated devices send N times faster (default 1: about one reading a second each)
  --chaos                late, repeated, reordered and malformed messages, a silent device, a wrong clock
  --replay FILE          replay a CSV file with a time column instead of the recorded weather stations
  --cosmos-partitions N  physical partitions that Cosmos DB simulates (default 1): the SDK then fans its queries out
  --api-port N           (default ${DEFAULT_PORTS.api}, or SLUICE_API_PORT; 0 picks a free port)
  --event-hubs-port N    (default ${DEFAULT_PORTS.eventHubs}, or SLUICE_EVENT_HUBS_PORT)
  --cosmos-port N        (default ${DEFAULT_PORTS.cosmos}, or SLUICE_COSMOS_PORT)
  --web-pubsub-port N    (default ${DEFAULT_PORTS.webPubSub}, or SLUICE_WEB_PUBSUB_PORT)
  --help`;

/**
 * Reads the options of `npm start`.
 * @returns undefined when help was asked for
 * @throws UsageError naming the flag or variable and its rule
 */
export function readStartOptions(
  args: string[],
  environment: Record<string, string | undefined>,
): StartOptions | undefined {
  const { values } = parse(args, {
    data: { type: 'string' },
    fresh: { type: 'boolean' },
    'no-simulator': { type: 'boolean' },
    speed: { type: 'string' },
    chaos: { type: 'boolean' },
    replay: { type: 'string' },
    'api-port': { type: 'string' },
    'event-hubs-port': { type: 'string' },
    'cosmos-port': { type: 'string' },
    'web-pubsub-port': { type: 'string' },
    'cosmos-partitions': { type: 'string' },
    help: { type: 'boolean' },
  });
  if (values['help']) return undefined;
  const ports = { ...DEFAULT_PORTS };
  for (const key of ['api', 'eventHubs', 'cosmos', 'webPubSub'] as const) {
    const [flag, variable] = PORT_FLAGS[key];
    ports[key] =
      port(values[flag] ?? environment[variable], values[flag] === undefined ? variable : `--${flag}`) ?? ports[key];
  }
  const speed = Number(values['speed'] ?? 1);
  if (!(speed > 0 && speed <= SPEED_MAX))
    throw new UsageError(`--speed must be a number above 0 and at most ${SPEED_MAX}.`);
  return {
    data: text(values['data'] ?? environment['SLUICE_DATA'] ?? '.sluice', '--data'),
    fresh: values['fresh'] === true,
    simulator: values['no-simulator'] !== true,
    speed,
    chaos: values['chaos'] === true,
    replay: values['replay'] === undefined ? undefined : text(values['replay'], '--replay'),
    partitions: partitions(values['cosmos-partitions']),
    ports,
  };
}

/** A stand-in that `npm run cloud` can start alone. */
export type StandInName = 'cosmos' | 'event-hubs' | 'web-pubsub';

/** Where each listens unless told otherwise. */
export const STAND_IN_PORTS: Record<StandInName, number> = {
  cosmos: DEFAULT_PORTS.cosmos,
  'event-hubs': DEFAULT_PORTS.eventHubs,
  'web-pubsub': DEFAULT_PORTS.webPubSub,
};

/** An event hub beside the product's own. */
interface ExtraHub {
  name: string;
  partitionCount: number;
  consumerGroups: string[];
}

/** What `npm run cloud` was asked for; without a name all three, on their default ports. */
export interface CloudOptions {
  only: StandInName | undefined;
  port: number | undefined;
  data: string | undefined;
  hubs: ExtraHub[];
  /** An Event Hubs position past the end fails, as in the service, instead of reading from the start. */
  strictPositions: boolean;
  /** Files with a certificate and its key, PEM: Event Hubs then takes TLS on its port as well. */
  tls: { certFile: string; keyFile: string } | undefined;
  /** Simulated physical partitions of every Cosmos DB container. */
  partitions: number;
}

/** The help text of `npm run cloud`. */
export const CLOUD_USAGE = `npm run cloud -- [cosmos|event-hubs|web-pubsub] [options]

  --port N     where the one stand-in listens; 0 picks a free port, for all three when none is named
  --data DIR   where state lives; without it everything is kept in memory
  --hub NAME[:PARTITIONS[:GROUP,GROUP]]  another event hub (default 4 partitions; $Default is always there); repeatable
  --strict-positions  a reader that starts past the end of a partition fails, as in Azure, and does not start over
  --tls-cert FILE --tls-key FILE  Event Hubs takes TLS on its port as well, for clients that speak nothing else
  --cosmos-partitions N  physical partitions that Cosmos DB simulates (default 1): the SDK then fans its queries out
  --help

Each prints one line of JSON when it is ready. Without a name all three start on their default ports.`;

/**
 * Reads the options of `npm run cloud`.
 * @returns undefined when help was asked for
 * @throws UsageError
 */
export function readCloudOptions(args: string[]): CloudOptions | undefined {
  const { values, positionals } = parse(
    args,
    {
      port: { type: 'string' },
      data: { type: 'string' },
      hub: { type: 'string', multiple: true },
      'strict-positions': { type: 'boolean' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      'cosmos-partitions': { type: 'string' },
      help: { type: 'boolean' },
    },
    true,
  );
  if (values['help']) return undefined;
  const [name, ...more] = positionals;
  if (more.length > 0 || (name !== undefined && name !== 'cosmos' && name !== 'event-hubs' && name !== 'web-pubsub')) {
    throw new UsageError(`Start cosmos, event-hubs or web-pubsub, or all three without a name.`);
  }
  const at = port(values['port'], '--port');
  if (name === undefined && at !== undefined && at !== 0)
    throw new UsageError('--port goes with one stand-in: name it, or pick free ports for all three with 0.');
  const [certFile, keyFile] = [values['tls-cert'], values['tls-key']];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new UsageError('--tls-cert and --tls-key go together.');
  return {
    only: name,
    port: at,
    hubs: [values['hub'] ?? []].flat().map((hub) => extraHub(text(hub, '--hub'))),
    strictPositions: values['strict-positions'] === true,
    tls:
      certFile === undefined || keyFile === undefined
        ? undefined
        : { certFile: text(certFile, '--tls-cert'), keyFile: text(keyFile, '--tls-key') },
    data: values['data'] === undefined ? undefined : text(values['data'], '--data'),
    partitions: partitions(values['cosmos-partitions']),
  };
}

function extraHub(given: string): ExtraHub {
  const [, name, partitionCount = '4', groups = ''] = /^([^:]+)(?::(\d+)(?::([^:]+))?)?$/.exec(given) ?? [];
  if (name === undefined) throw new UsageError(`--hub must be NAME[:PARTITIONS[:GROUP,GROUP]], not '${given}'.`);
  return { name, partitionCount: Number(partitionCount), consumerGroups: groups.split(',').filter(Boolean) };
}

type Flags = Record<string, { type: 'string' | 'boolean'; multiple?: boolean }>;
type Value = string | boolean | (string | boolean)[] | undefined;

function parse(args: string[], options: Flags, allowPositionals = false) {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals });
    return { values: values as Record<string, Value>, positionals };
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
}

function port(value: Value, name: string): number | undefined {
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (typeof value !== 'string' || !/^\d+$/.test(value) || number > 65_535)
    throw new UsageError(`${name} must be a port from 0 to 65535.`);
  return number;
}

function partitions(value: Value): number {
  const count = Number(value ?? 1);
  if (!Number.isInteger(count) || count < 1 || count > PARTITIONS_MAX)
    throw new UsageError(`--cosmos-partitions must be a whole number from 1 to ${PARTITIONS_MAX}.`);
  return count;
}

function text(value: Value, name: string): string {
  if (typeof value !== 'string' || value === '') throw new UsageError(`${name} must not be empty.`);
  return value;
}
