/**
 * The whole local system, measured from outside: start-up time, memory, device → SSE latency at 100 and 1,000 events/s, and
 * ingest of a backlog. Sender and reader run in this process, the stand-ins in a second, the host in a third.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { EventHubProducerClient } from '@azure/event-hubs';
import { administrator, fetchToken, newApplication, type AdministratorApi } from '../test/support/api-client.ts';
import { startLocalSystem, type Connection } from '../test/support/local-system.ts';
import { until } from '../test/support/until.ts';

const LATENCY_SECONDS = 10;
const DEVICES = 100;
const BACKLOG_EVENTS = 20_000;
const READINGS_PER_EVENT = 10;

/** Opens a stream and calls `take` with every telemetry event; resolves when it is open. */
async function readTelemetry(
  connection: Connection,
  token: string,
  take: (data: { ts: string; eventId: string }) => void,
): Promise<AbortController> {
  const controller = new AbortController();
  const response = await fetch(`${connection.api}/v1/stream/telemetry`, {
    headers: { authorization: `Bearer ${token}` },
    signal: controller.signal,
  });
  if (!response.ok || !response.body)
    throw new Error(`The stream answered ${response.status}: ${await response.text()}`);
  const body = response.body.pipeThrough(new TextDecoderStream());
  void (async () => {
    let rest = '';
    for await (const chunk of body) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        if (/^event:/m.test(block)) continue;
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data !== undefined) take(JSON.parse(data) as { ts: string; eventId: string });
      }
    }
  })().catch(() => undefined);
  return controller;
}

async function registerDevices(admin: AdministratorApi): Promise<string[]> {
  await admin.send('POST', '/v1/device-groups', { id: 'bench', name: 'Bench' });
  const ids = Array.from({ length: DEVICES }, (_, index) => `bench-${index}`);
  for (const deviceId of ids) await admin.send('POST', '/v1/devices', { deviceId, name: deviceId, groups: ['bench'] });
  return ids;
}

async function latency(
  producer: EventHubProducerClient,
  connection: Connection,
  token: string,
  ids: string[],
  perSecond: number,
) {
  const delays: number[] = [];
  const reader = await readTelemetry(connection, token, ({ ts }) => delays.push(Date.now() - Date.parse(ts)));
  await delay(500);
  const tickMs = 20;
  const perTick = (perSecond * tickMs) / 1000;
  const began = Date.now();
  let sent = 0;
  const sends: Promise<void>[] = [];
  while (Date.now() - began < LATENCY_SECONDS * 1000) {
    const due = Math.floor(((Date.now() - began) / tickMs) * perTick);
    const byDevice = new Map<string, unknown[]>();
    for (; sent < due; sent++) {
      const deviceId = ids[sent % ids.length] ?? '';
      const list = byDevice.get(deviceId) ?? [];
      list.push({
        body: { deviceId, ts: new Date().toISOString(), readings: { temperature: 20 + Math.sin(sent / 50) } },
      });
      byDevice.set(deviceId, list);
    }
    for (const [deviceId, events] of byDevice)
      sends.push(producer.sendBatch(events as { body: unknown }[], { partitionKey: deviceId }));
    await delay(tickMs);
  }
  await Promise.all(sends);
  await until(() => delays.length >= sent, 30_000).catch(() => undefined);
  reader.abort();
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { perSecond, sent, received: delays.length, p50: at(0.5), p99: at(0.99) };
}

/** Sends a backlog as fast as the hub takes it, and measures until the last of it was delivered. */
async function backlog(
  producer: EventHubProducerClient,
  connection: Connection,
  token: string,
  ids: string[],
  setsPerEvent: number,
  events: number,
) {
  let received = 0;
  const reader = await readTelemetry(connection, token, () => received++);
  await delay(500);
  const cpuBefore = cpuSeconds(connection.pids.host);
  const began = performance.now();
  for (let from = 0; from < events; from += 100) {
    const deviceId = ids[(from / 100) % ids.length] ?? '';
    const batch = Array.from({ length: 100 }, (_, offset) => {
      const set = (index: number) => ({
        deviceId,
        readings: { temperature: 20 + Math.sin((from + offset + index) / 50) },
      });
      return {
        body: setsPerEvent === 1 ? set(0) : Array.from({ length: setsPerEvent }, (_unused, index) => set(index)),
      };
    });
    await producer.sendBatch(batch, { partitionKey: deviceId });
  }
  const expected = events * setsPerEvent;
  await until(() => received >= expected, 300_000);
  const seconds = (performance.now() - began) / 1000;
  const hostCpu = cpuSeconds(connection.pids.host) - cpuBefore;
  reader.abort();
  return {
    events,
    setsPerEvent,
    seconds: round(seconds),
    eventsPerSecond: Math.round(events / seconds),
    readingsPerSecond: Math.round(expected / seconds),
    readingsPerHostCpuSecond: Math.round(expected / hostCpu),
  };
}

/** CPU seconds of a process so far (Linux). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
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
const admin = await administrator(connection);
const ids = await registerDevices(admin);
const { form } = await newApplication(admin, { name: 'Bench', groups: ['bench'] });
const token = await fetchToken(connection.api, form);
const memory = () => ({
  host: residentMegabytes(connection.pids.host),
  cloud: residentMegabytes(connection.pids.cloud),
});
const idle = memory();
const producer = new EventHubProducerClient(connection.eventHubs.connectionString, connection.eventHubs.eventHub);
const latencies = [
  await latency(producer, connection, token, ids, 100),
  await latency(producer, connection, token, ids, 1000),
];
const ingest = [
  await backlog(producer, connection, token, ids, 1, BACKLOG_EVENTS),
  await backlog(producer, connection, token, ids, READINGS_PER_EVENT, BACKLOG_EVENTS / READINGS_PER_EVENT),
];
await producer.close();

console.table(latencies);
console.table(ingest);
console.log(
  JSON.stringify({
    bench: 'system',
    node: process.version,
    cpus: os.cpus().length,
    startSeconds,
    memoryMB: { idle, afterwards: memory() },
    latencies,
    ingest,
  }),
);
