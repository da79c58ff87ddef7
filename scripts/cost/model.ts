/**
 * What a month costs: Azure's list prices (prices.json) times what the system does for so many devices, with the request
 * units per event that the tests measure (measured.json). Pure: size in, estimate out. An estimate for comparing designs
 * and for budgets, not a bill.
 */
import host from '../../host.json' with { type: 'json' };
import measured from './measured.json' with { type: 'json' };
import prices from './prices.json' with { type: 'json' };

/** What is asked: devices that send one event of one reading every so many seconds, and streams that are always open. */
export interface Size {
  devices: number;
  everySeconds: number;
  streams: number;
}

/** One line of the estimate; `usd` a month. */
interface Line {
  resource: string;
  usd: number;
  why: string;
}

/** See the top of the file. */
interface Estimate {
  lines: Line[];
  total: number;
  assumptions: string[];
  dominates: Line;
  lever: string;
}

const HOURS = 730;
const SECONDS = HOURS * 3600;
const DAYS = HOURS / 24;
/** Bytes of one event in the hub and, roughly, stored. */
const EVENT_BYTES = 500;
/** Readings live 30 days; the journal's day is a thirtieth on top. */
const STORED_DAYS = 31;
/** Seconds from a batch's arrival to its checkpoint: what arrives meanwhile is the next batch. */
const BATCH_SECONDS = 0.1;
/** Processor seconds of one event. */
const EVENT_CPU_SECONDS = 0.001;
/** Flex Consumption bills at least this many seconds of an active instance. */
const ACTIVE_SECONDS_MIN = 1;
/** One throughput unit takes a thousand events a second; a fifth is kept free for peaks. */
const UNIT_EVENTS = 1000;
const HEADROOM = 1.2;
/** Open streams of one instance: perInstanceConcurrency of the template. */
const STREAMS_PER_INSTANCE = 200;
/** Web PubSub bills each receiver in steps of 2 KB. */
const MESSAGE_BYTES = 2048;
/** Bytes of an event in a live message; those of many events are compressed. */
const LIVE_EVENT_BYTES = 200;
/** Seconds of one publish. An instance has one message of a group under way: what comes meanwhile shares the next. */
const PUBLISH_SECONDS = 0.03;
/** GB of logs a month: the app as such, and each further instance. No event is logged. */
const LOG_GB = { app: 2, instance: 1 };
/** From this many events a second on the larger sizes of the template are assumed. */
const LARGE_EVENTS_PER_SECOND = 1000;

/** How the template would be set for this size. */
interface Sizing {
  partitions: number;
  memoryGb: number;
  /** Cores of one such instance. */
  cores: number;
}

/** @returns the estimate; the arithmetic of each line is in its `why` */
export function estimate(size: Size): Estimate {
  const perSecond = size.devices / size.everySeconds;
  const sizing: Sizing =
    perSecond >= LARGE_EVENTS_PER_SECOND
      ? { partitions: 32, memoryGb: 2, cores: 1 }
      : { partitions: 4, memoryGb: 0.5, cores: 0.25 };
  const perPartition = perSecond / sizing.partitions;
  const batchesPerSecond = Math.min(perPartition, 1 / BATCH_SECONDS) * sizing.partitions;
  const eventsPerBatch = perSecond / batchesPerSecond;
  const ruPerEvent = requestUnits(eventsPerBatch);
  const load = { ...size, perSecond, batchesPerSecond, ruPerEvent, sizing };
  const database = cosmos(perSecond, ruPerEvent);
  const lines = [
    eventHubs(perSecond),
    ingest(load),
    streaming(load),
    ...database.lines,
    webPubSub(load),
    checkpoints(load),
    logs(load),
  ];
  const dominates = lines.reduce((most, line) => (line.usd > most.usd ? line : most));
  return {
    lines,
    total: lines.reduce((sum, { usd }) => sum + usd, 0),
    assumptions: [
      `${number(perSecond)} events/s of one reading and ${EVENT_BYTES} B, evenly spread; ${number(eventsPerBatch)} events to a batch.`,
      `${number(ruPerEvent)} RU per event, measured against the local Cosmos DB; no rule fires.`,
      `infra/main.bicep with instanceMemoryMB ${sizing.memoryGb * 1024}, partitionCount ${sizing.partitions}, cosmosMode ${database.mode}.`,
      `${host.extensions.eventHubs.batchCheckpointFrequency} batches to a checkpoint (host.json); ${EVENT_CPU_SECONDS * 1000} ms of processor per event; readings are kept 30 days.`,
      `Each open stream may see every event. One region; no zone redundancy, private endpoints, egress, alert rules or tax.`,
      `Prices of ${prices.dated}, ${prices.currency}; sources in scripts/cost/prices.json. Free monthly grants are taken.`,
    ],
    dominates,
    lever: LEVERS[dominates.resource] ?? '',
  };
}

/** What lowers each line. */
const LEVERS: Record<string, string> = {
  'Event Hubs':
    'One throughput unit is the floor. Beyond it, several readings in one event (an array is one event) lower it.',
  'Functions, ingest': 'Lower instanceMemoryMB, or several readings in one event.',
  'Functions, streams':
    'An open stream keeps an instance billed: lower instanceMemoryMB, or close streams that nobody watches.',
  'Cosmos DB, requests': `Several readings in one event, or a longer interval: an event of ten readings costs ${measured.sixteenInBatch.tenReadings} RU, one of one ${measured.sixteenInBatch.oneReading} (16 events to a batch).`,
  'Cosmos DB, storage': 'Keep readings for fewer days.',
  'Web PubSub': 'Fewer instances that listen (more streams on each), or several readings in one event.',
  'Storage, checkpoints':
    'More batches to a checkpoint (batchCheckpointFrequency in host.json); a restart then repeats more, which is safe.',
  'Log Analytics': 'Log less: host.json logLevel, and the daily cap of infra/main.bicep.',
};

interface Load extends Size {
  perSecond: number;
  batchesPerSecond: number;
  ruPerEvent: number;
  sizing: Sizing;
}

/** A part of each event's own, and a part of the batch that its events share: two measurements give both. */
function requestUnits(eventsPerBatch: number): number {
  const [alone, sixteen] = [measured.aloneInBatch.oneReading, measured.sixteenInBatch.oneReading];
  const shared = ((alone - sixteen) * 16) / 15;
  return alone - shared + shared / eventsPerBatch;
}

function eventHubs(perSecond: number): Line {
  const { throughputUnitHour, millionEvents } = prices.eventHubs;
  const units = Math.max(1, Math.ceil((perSecond * HEADROOM) / UNIT_EVENTS));
  const millions = (perSecond * SECONDS) / 1e6;
  return {
    resource: 'Event Hubs',
    usd: units * throughputUnitHour * HOURS + millions * millionEvents,
    why: `${units} throughput unit(s), ${number(millions)} M events`,
  };
}

function ingestInstances({ perSecond, sizing }: Load): number {
  return Math.max(1, Math.ceil((perSecond * EVENT_CPU_SECONDS) / sizing.cores));
}

function ingest(load: Load): Line {
  const executions = load.batchesPerSecond * SECONDS;
  const activeSeconds = Math.min(executions * ACTIVE_SECONDS_MIN, SECONDS * ingestInstances(load));
  const gbSeconds = Math.max(0, activeSeconds * load.sizing.memoryGb - prices.flexFree.gbSeconds);
  const millions = Math.max(0, executions - prices.flexFree.executions) / 1e6;
  return {
    resource: 'Functions, ingest',
    usd: gbSeconds * prices.flexOnDemandGbSecond + millions * prices.flexMillionExecutions,
    why: `${number(gbSeconds)} GB-s on at most ${ingestInstances(load)} instance(s), ${number(millions)} M executions`,
  };
}

function streamInstances({ streams }: Size): number {
  return Math.ceil(streams / STREAMS_PER_INSTANCE);
}

function streaming(load: Load): Line {
  const instances = streamInstances(load);
  return {
    resource: 'Functions, streams',
    usd: instances * SECONDS * load.sizing.memoryGb * prices.flexOnDemandGbSecond,
    why: instances === 0 ? 'no stream is open' : `${instances} instance(s) awake all month`,
  };
}

/** The cheapest mode of the template: the free tier where it suffices (one account per subscription may have it). */
function cosmos(perSecond: number, ruPerEvent: number): { mode: string; lines: Line[] } {
  const { hundredRuHour, autoscaleFactor, serverlessMillionRu, gbMonth, freeTier } = prices.cosmos;
  const ruPerSecond = perSecond * ruPerEvent;
  const gb = (perSecond * EVENT_BYTES * STORED_DAYS * 86_400) / 1e9;
  const serverless = ((ruPerSecond * SECONDS) / 1e6) * serverlessMillionRu;
  const autoscale = (ruPerSecond / 100) * hundredRuHour * autoscaleFactor * HOURS;
  const free = ruPerSecond <= freeTier.ruPerSecond && gb <= freeTier.gb;
  const mode = free ? 'free' : serverless < autoscale ? 'serverless' : 'autoscale';
  return {
    mode,
    lines: [
      {
        resource: 'Cosmos DB, requests',
        usd: free ? 0 : Math.min(serverless, autoscale),
        why: free
          ? `${number(ruPerSecond)} RU/s in the free tier (one per subscription; serverless: $${serverless.toFixed(2)})`
          : `${number(ruPerSecond)} RU/s, ${mode}`,
      },
      { resource: 'Cosmos DB, storage', usd: free ? 0 : gb * gbMonth, why: `${number(gb)} GB` },
    ],
  };
}

/** Nothing is published while nobody listens; each instance with streams is one receiver. */
function webPubSub(load: Load): Line {
  const { unitDay, millionMessages, unitConnections, unitMessagesPerDay, freeConnections, freeMessagesPerDay } =
    prices.webPubSub;
  const receivers = streamInstances(load);
  const messages = Math.min(load.batchesPerSecond, ingestInstances(load) / PUBLISH_SECONDS);
  const steps = Math.max(messages, (load.perSecond * LIVE_EVENT_BYTES) / MESSAGE_BYTES);
  const perDay = steps * 86_400 * receivers;
  if (receivers <= freeConnections && perDay <= freeMessagesPerDay)
    return { resource: 'Web PubSub', usd: 0, why: `${number(perDay)} messages a day on the free size` };
  const units = Math.max(1, Math.ceil(receivers / unitConnections));
  const beyond = (Math.max(0, perDay - units * unitMessagesPerDay) * DAYS) / 1e6;
  return {
    resource: 'Web PubSub',
    usd: units * unitDay * DAYS + beyond * millionMessages,
    why: `${units} standard unit(s), ${number(beyond)} M messages beyond what is included`,
  };
}

function checkpoints({ batchesPerSecond }: Load): Line {
  const writes = (batchesPerSecond * SECONDS) / host.extensions.eventHubs.batchCheckpointFrequency;
  return {
    resource: 'Storage, checkpoints',
    usd: (writes / 10_000) * prices.blob.tenThousandWrites,
    why: `${number(writes / 1e6)} M blob writes`,
  };
}

function logs(load: Load): Line {
  const gb = LOG_GB.app + (ingestInstances(load) + streamInstances(load)) * LOG_GB.instance;
  const billed = Math.max(0, gb - prices.logs.freeGb);
  return {
    resource: 'Log Analytics',
    usd: billed * prices.logs.gb,
    why: `${gb} GB, ${prices.logs.freeGb} of them free`,
  };
}

/** Three digits are more than an estimate knows. */
function number(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
