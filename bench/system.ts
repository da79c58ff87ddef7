/**
 * The whole local system, measured from outside: start-up time, memory, device → SSE latency at 100 and 1,000 events/s, and
 * ingest of a backlog. Sender and reader run in this process, the stand-ins in a second, the host in a third: on two cores
 * they share what there is, so the processor time of each is told beside the rates.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { EventHubProducerClient } from '@azure/event-hubs';
import resources from '../infra/resources.json' with { type: 'json' };
import { administrator, fetchToken, newApplication, type AdministratorApi } from '../test/support/api-client.ts';
import { startLocalSystem, type Connection } from '../test/support/local-system.ts';
import { until } from '../test/support/until.ts';

const LATENCY_SECONDS = 15;
/** Seconds at the same rate before anything is measured: code is compiled, devices are read for the first time. */
const WARM_UP_SECONDS = 5;
const TICK_MS = 10;
const DEVICES = 1_000;
const BACKLOG_EVENTS = 20_000;
const SETS_PER_EVENT = 10;
const SEND_BATCH = 200;
const PARTITIONS = resources.eventHubs.hubs[0]?.partitionCount ?? 1;
/** Clock ticks per second of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

/** What is needed to send and to read. */
interface Bench {
  connection: Connection;
  producer: EventHubProducerClient;
  token: string;
  deviceIds: string[];
}

/** Opens a stream and calls `take` with the data of every telemetry event. */
async function readTelemetry({ connection, token }: Bench, take: (json: string) => void): Promise<AbortController> {
  const controller = new AbortController();
  const response = await fetch(`${connection.api}/v1/stream/telemetry`, {
    headers: { authorization: `Bearer ${token}` },
    signal: controller.signal,
  });
  if (!response.ok || !response.body)
    throw new Error(`The stream answered ${response.status}: ${await response.text()}`);
  const body = response.body.pipeThrough(new TextDecoderStream());
  let ready = false;
  void (async () => {
    let rest = '';
    for await (const chunk of body) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        if (block.includes('event: ready')) ready = true;
        else if (block.startsWith('data: ')) take(block.slice(6).split('\n', 1)[0] ?? '');
      }
    }
  })().catch(() => undefined);
  await until(() => ready);
  return controller;
}

async function registerDevices(admin: AdministratorApi): Promise<string[]> {
  await admin.send('POST', '/v1/device-groups', { id: 'bench', name: 'Bench' });
  const ids = Array.from({ length: DEVICES }, (_, index) => `bench-${index}`);
  const queue = ids.values();
  const register = async () => {
    for (const deviceId of queue) {
      const { status } = await admin.send('POST', '/v1/devices', { deviceId, groups: ['bench'] });
      if (status !== 201) throw new Error(`The device ${deviceId} was answered ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, register));
  return ids;
}

/** One reading per event from one device after another; from the device's clock to the client's. */
async function latency(bench: Bench, perSecond: number) {
  const delays: number[] = [];
  const measuredFrom = Date.now() + WARM_UP_SECONDS * 1000;
  let received = 0;
  const reader = await readTelemetry(bench, (json) => {
    received++;
    const ts = Date.parse(json.slice(json.indexOf('"ts":"') + 6, json.indexOf('"ts":"') + 30));
    if (ts >= measuredFrom) delays.push(Date.now() - ts);
  });
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const cpu = cpuOf(bench.connection);
  const began = Date.now();
  const endMs = began + (WARM_UP_SECONDS + LATENCY_SECONDS) * 1000;
  let sent = 0;
  const sends: Promise<void>[] = [];
  for (let now = began; now < endMs; now = Date.now()) {
    const batches = Map.groupBy(
      Array.from(
        { length: Math.max(0, Math.floor(((now - began) * perSecond) / 1000) - sent) },
        (_, index) => sent + index,
      ),
      (number) => number % PARTITIONS,
    );
    // One batch per partition and tick, as a gateway sends: single sends at this rate would measure the producer.
    for (const [partition, numbers] of batches) {
      const events = numbers.map((number) => {
        const deviceId = bench.deviceIds[number % DEVICES] ?? '';
        const readings = { temperature: 20 + Math.sin(number / 50) };
        return { body: { deviceId, ts: new Date().toISOString(), readings } };
      });
      sent += numbers.length;
      sends.push(bench.producer.sendBatch(events, { partitionId: String(partition) }));
    }
    await delay(TICK_MS);
  }
  await Promise.all(sends);
  await until(() => received >= sent, 60_000);
  const seconds = (Date.now() - began) / 1000;
  loop.disable();
  reader.abort();
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return {
    perSecond,
    measured: delays.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    benchLoopP99Ms: round(loop.percentile(99) / 1e6),
    ...perSecondOf(cpuSince(bench.connection, cpu), seconds),
  };
}

/**
 * A backlog that waits while the host stands still, so that the sender takes no processor time from it: one event of one
 * device after another. From the host's first moment until a stream has delivered the last.
 */
async function backlog(bench: Bench, events: number, setsPerEvent: number) {
  const { connection, producer, deviceIds } = bench;
  let received = 0;
  const reader = await readTelemetry(bench, () => received++);
  process.kill(connection.pids.host, 'SIGSTOP');
  const body = (event: number) => {
    const deviceId = deviceIds[event % DEVICES] ?? '';
    const ts = Date.now();
    const set = (at: number) => ({
      deviceId,
      ts: ts + at,
      readings: { temperature: 20 + Math.sin((event + at) / 50) },
    });
    return setsPerEvent === 1 ? set(0) : Array.from({ length: setsPerEvent }, (_, at) => set(at));
  };
  try {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = Array.from({ length: events }, (_, event) => event).filter(
        (event) => event % PARTITIONS === partition,
      );
      for (let from = 0; from < own.length; from += SEND_BATCH) {
        const batch = own.slice(from, from + SEND_BATCH).map((event) => ({ body: body(event) }));
        await producer.sendBatch(batch, { partitionId: String(partition) });
      }
    }
  } finally {
    process.kill(connection.pids.host, 'SIGCONT');
  }
  const cpu = cpuOf(connection);
  const began = performance.now();
  await until(() => received >= events * setsPerEvent, 300_000);
  const seconds = (performance.now() - began) / 1000;
  const used = cpuSince(connection, cpu);
  reader.abort();
  return {
    events,
    setsPerEvent,
    seconds: round(seconds),
    eventsPerSecond: Math.round(events / seconds),
    readingsPerSecond: Math.round((events * setsPerEvent) / seconds),
    eventsPerHostCpuSecond: Math.round(events / used.host),
    readingsPerHostCpuSecond: Math.round((events * setsPerEvent) / used.host),
    ...perSecondOf(used, seconds),
  };
}

interface Cpu {
  host: number;
  cloud: number;
}

function cpuOf({ pids }: Connection): Cpu {
  return { host: cpuSeconds(pids.host), cloud: cpuSeconds(pids.cloud) };
}

function cpuSince(connection: Connection, before: Cpu): Cpu {
  const now = cpuOf(connection);
  return { host: now.host - before.host, cloud: now.cloud - before.cloud };
}

function perSecondOf({ host, cloud }: Cpu, seconds: number) {
  return { hostCores: round(host / seconds), cloudCores: round(cloud / seconds) };
}

/** Processor seconds of a process so far (Linux). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentMegabytes(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const began = performance.now();
await using system = await startLocalSystem();
const startSeconds = round((performance.now() - began) / 1000);
const connection = system.connection();
const memory = () => ({
  host: residentMegabytes(connection.pids.host),
  cloud: residentMegabytes(connection.pids.cloud),
});
const idle = memory();
const admin = await administrator(connection);
const deviceIds = await registerDevices(admin);
const { form } = await newApplication(admin, { name: 'Bench', groups: ['bench'] });
const { connectionString, eventHub } = connection.eventHubs;
const producer = new EventHubProducerClient(connectionString, eventHub);
const bench = { connection, producer, deviceIds, token: await fetchToken(connection.api, form) };

const latencies = [await latency(bench, 100), await latency(bench, 1_000)];
const ingest = [
  await backlog(bench, BACKLOG_EVENTS, 1),
  await backlog(bench, BACKLOG_EVENTS / SETS_PER_EVENT, SETS_PER_EVENT),
];
await producer.close();

console.log(`start ${startSeconds} s; memory when ready: host ${idle.host} MB, stand-ins ${idle.cloud} MB`);
console.table(latencies);
console.table(ingest);
console.log(
  JSON.stringify({
    bench: 'system',
    node: process.version,
    cpus: os.cpus().length,
    loadBefore: os.loadavg().map(round),
    devices: DEVICES,
    startSeconds,
    memoryMB: { idle, afterwards: memory() },
    latencies,
    ingest,
    goals: { p99MsAt1000: 150, eventsPerHostCpuSecond: 2_000, readingsPerSecond: 20_000 },
  }),
);
