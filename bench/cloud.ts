/**
 * The stand-ins through the real SDKs: events and operations a second, processor time of the stand-ins for each, start
 * time and memory. The three run in one process, the SDKs in this one; beside each figure stands what the prototypes
 * reached on a machine like this. Rates vary by two with what else the machine does, processor time by a tenth.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CosmosClient, type OperationInput } from '@azure/cosmos';
import { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition } from '@azure/event-hubs';
import { WebPubSubServiceClient } from '@azure/web-pubsub';
import { WebPubSubClient, WebPubSubJsonProtocol } from '@azure/web-pubsub-client';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Clock ticks per second of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;
const DOCUMENTS = 5000;
const EVENT = {
  deviceId: 'bench-1',
  ts: '2026-11-24T12:00:00.000Z',
  readings: { temperature: 21.53, wind: 4.2 },
  pad: 'x'.repeat(110),
};

interface Ready {
  connectionString: string;
  endpoint: string;
  key: string;
}
interface Cloud {
  readonly child: ChildProcess;
  readonly cosmos: Ready;
  readonly eventHubs: Ready;
  readonly webPubSub: Ready;
  readonly startMs: number;
}

/** What was measured, and the range that the prototypes reached. */
interface Row {
  what: string;
  perSecond: number;
  /** The rate that the processor times below allow when nobody else uses the two cores. */
  perSecondAlone: number;
  prototype: string;
  /** That rate over the lower end of the prototypes' range: it hardly depends on what else the machine does. */
  ratio: number;
  /** Microseconds of processor time of this process, the SDK's, for each. */
  sdkUs: number;
  /** The same of the stand-ins. */
  standInUs: number;
  prototypeUs?: string;
}

async function startCloud(): Promise<Cloud> {
  const began = performance.now();
  const child = spawn(process.execPath, ['local/cloud.ts', '--port', '0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Ready[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line) as Ready);
    if (lines.length === 3) break;
  }
  const [cosmos, eventHubs, webPubSub] = lines;
  if (cosmos === undefined || eventHubs === undefined || webPubSub === undefined) throw new Error('It did not start.');
  return { child, cosmos, eventHubs, webPubSub, startMs: Math.round(performance.now() - began) };
}

/** Processor seconds of a process so far (Linux). */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const residentMegabytes = (pid: number | undefined): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

/** Does so many, `inFlight` at a time. */
async function repeat(count: number, inFlight: number, once: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await once(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

const cloud = await startCloud();
const { pid } = cloud.child;
const idleMB = residentMegabytes(pid);
const startCpuMs = Math.round(cpuSeconds(pid) * 1000);
const rows: Row[] = [];

/** Times `run`, which does `count` of something. @param prototype lower and upper end of the prototypes' range */
async function row(
  what: string,
  count: number,
  prototype: readonly [low: number, high: number],
  run: () => Promise<unknown>,
  prototypeUs?: string,
): Promise<void> {
  const cpu = cpuSeconds(pid);
  const own = process.cpuUsage();
  const began = performance.now();
  await run();
  const perSecond = Math.round(count / ((performance.now() - began) / 1000));
  const { user, system } = process.cpuUsage(own);
  const sdkUs = (user + system) / count;
  const standInUs = ((cpuSeconds(pid) - cpu) * 1e6) / count;
  const perSecondAlone = Math.round(1e6 / Math.max(sdkUs, standInUs));
  rows.push({
    what,
    perSecond,
    perSecondAlone,
    prototype: prototype.map((end) => end.toLocaleString('en')).join('–'),
    ratio: Math.round((perSecondAlone / prototype[0]) * 100) / 100,
    sdkUs: Math.round(((user + system) * 10) / count) / 10,
    standInUs: Math.round(((cpuSeconds(pid) - cpu) * 1e7) / count) / 10,
    ...(prototypeUs === undefined ? {} : { prototypeUs }),
  });
}

async function benchEventHubs(): Promise<void> {
  const { connectionString } = cloud.eventHubs;
  const producer = new EventHubProducerClient(connectionString, 'telemetry');
  const partitionIds = await producer.getPartitionIds();
  const send = (size: number) => (number: number) =>
    producer.sendBatch(Array(size).fill({ body: EVENT }), { partitionId: String(number % partitionIds.length) });
  await repeat(200, 4, send(100));
  await row(
    'events sent, 1 a batch, 64 in flight',
    20_000,
    [14_000, 17_000],
    () => repeat(20_000, 64, send(1)),
    '21–24',
  );
  await row(
    'events sent, 100 a batch, 1 in flight',
    100_000,
    [72_000, 101_000],
    () => repeat(1000, 1, send(100)),
    '3.7–3.8',
  );
  await row(
    'events sent, 100 a batch, 4 in flight',
    100_000,
    [75_000, 88_000],
    () => repeat(1000, 4, send(100)),
    '3.5',
  );
  let stored = 0;
  for (const id of partitionIds) stored += (await producer.getPartitionProperties(id)).lastEnqueuedSequenceNumber + 1;
  await producer.close();
  const consumer = new EventHubConsumerClient('$Default', connectionString, 'telemetry');
  await row(
    'events read, 300 a batch',
    stored,
    [31_000, 74_000],
    async () => {
      let got = 0;
      const done = Promise.withResolvers<void>();
      const subscription = consumer.subscribe(
        {
          processEvents: async (events) => {
            got += events.length;
            if (got >= stored) done.resolve();
          },
          processError: async (error) => done.reject(error),
        },
        { startPosition: earliestEventPosition, maxBatchSize: 300, prefetchCount: 2000 },
      );
      await done.promise;
      await subscription.close();
    },
    '5.8–6.8',
  );
  await consumer.close();
}

async function benchCosmos(): Promise<void> {
  const { endpoint, key } = cloud.cosmos;
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
  const { database } = await client.databases.create({ id: 'bench' });
  const indexingPolicy = { includedPaths: [{ path: '/ts/?' }], excludedPaths: [{ path: '/*' }] };
  const { container } = await database.containers.create({ id: 'items', partitionKey: '/pk', indexingPolicy });
  const document = (number: number) => ({ ...EVENT, id: `d-${number}`, pk: `p-${number % 50}`, ts: number });
  const upsert = (number: number) => container.items.upsert(document(number % DOCUMENTS));
  await repeat(500, 64, upsert);
  await row('documents upserted, 64 in flight', DOCUMENTS, [1300, 2100], () => repeat(DOCUMENTS, 64, upsert));
  await row('documents read, 64 in flight', DOCUMENTS, [2000, 2800], () =>
    repeat(DOCUMENTS, 64, (number) => container.item(`d-${number}`, `p-${number % 50}`).read()),
  );
  const query = 'SELECT TOP 20 * FROM c ORDER BY c.ts DESC';
  await row('queries of one partition, TOP 20 ordered', 1000, [350, 800], () =>
    repeat(1000, 16, (number) => container.items.query(query, { partitionKey: `p-${number % 50}` }).fetchAll()),
  );
  const operations = (batch: number): OperationInput[] =>
    Array.from({ length: 100 }, (_, index) => ({
      operationType: 'Upsert',
      resourceBody: { ...document(batch * 100 + index), pk: `b-${batch % 4}` },
    }));
  await row('documents in batches of 100, 4 in flight', 20_000, [19_000, 30_000], () =>
    repeat(200, 4, (batch) => container.items.batch(operations(batch), `b-${batch % 4}`)),
  );
  client.dispose();
}

async function benchWebPubSub(): Promise<void> {
  const service = new WebPubSubServiceClient(cloud.webPubSub.connectionString, 'bench', {
    allowInsecureConnection: true,
  });
  const credential = {
    getClientAccessUrl: async () => (await service.getClientAccessToken({ roles: ['webpubsub.sendToGroup'] })).url,
  };
  // Not the reliable protocol: its client acknowledges once a second, and a session ends with 1,000 messages unacknowledged.
  const client = new WebPubSubClient(credential, { protocol: WebPubSubJsonProtocol() });
  await client.start();
  const group = service.group('nobody');
  const hundred = Array(100).fill(EVENT);
  await repeat(200, 16, () => group.sendToAll(EVENT));
  await row('messages sent by REST, 16 in flight', 3000, [1484, 1484], () =>
    repeat(3000, 16, () => group.sendToAll(EVENT)),
  );
  await row('events sent by REST, 100 a message', 50_000, [83_691, 83_691], () =>
    repeat(500, 1, () => group.sendToAll(hundred)),
  );
  await row('messages sent by a client, 16 in flight', 50_000, [79_682, 79_682], () =>
    repeat(50_000, 16, () => client.sendToGroup('nobody', EVENT, 'json')),
  );
  client.stop();
}

await benchEventHubs();
await benchCosmos();
await benchWebPubSub();
const memoryMB = { idle: idleMB, afterwards: residentMegabytes(pid) };
cloud.child.kill('SIGTERM');
await once(cloud.child, 'exit');

console.log(
  `start ${cloud.startMs} ms (${startCpuMs} ms of processor time); memory: ${idleMB} MB idle, ${memoryMB.afterwards} MB afterwards`,
);
console.table(rows);
console.log(
  JSON.stringify({
    bench: 'cloud',
    node: process.version,
    cpus: os.cpus().length,
    loadBefore: os.loadavg().map((load) => Math.round(load * 100) / 100),
    startMs: cloud.startMs,
    startCpuMs,
    memoryMB,
    rows,
    goals: { startMs: 1000, ratio: 1 },
  }),
);
