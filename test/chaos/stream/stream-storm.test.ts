/**
 * The whole stream in a storm, over real sockets: two hosts as processes, clients killed every 150 ms and sent to either
 * of them, Web PubSub sockets cut, publishes lost, the store throttling, partitions moving because a host is killed and
 * comes back. Whoever tracks ids misses nothing and has nothing twice. The storm is seeded: STREAM_STORM_SEED repeats it.
 */
import { EventHubProducerClient } from '@azure/event-hubs';
import { expect, test } from '@jest/globals';
import { TELEMETRY_HUB } from '../../../local/stand-ins.ts';
import { administrator, fetchToken, newApplication } from '../../support/api-client.ts';
import { seededRandom } from '../../support/manual-timing.ts';
import { until } from '../../support/until.ts';
import { startReader, type RelentlessReader } from './relentless-reader.ts';
import { startTwoHosts, type TwoHosts } from './two-hosts.ts';

const CLIENTS = 24;
const DEVICES = 40;
/** Each client must have every one of them: 24 × 3,600 = 86,400 deliveries. */
const EVENTS = 3_600;
const EVENTS_PER_SEND = 15;
/** Every so many sends the storm waits until a reader is at most so many events behind. */
const PACE_STEPS = 10;
const PACE_EVENTS = 300;
const PACE_MS_MAX = 3_000;
/** Milliseconds between two sends, two killings, two cuts. */
const SEND_MS = 60;
const KILL_MS = 150;
const CUT_MS = 700;
/** Share of publishes that are accepted and lost, and of the store's requests that are refused. */
const LOST = 0.05;
const THROTTLED = 0.02;
/** Milliseconds in which nobody gets anything, after the storm, that make it a stall: a slow machine is none. */
const STALLED_MS = 30_000;
const SETTLE_MS_MAX = 400_000;

const LARGE = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`note-${index}`, 'x'.repeat(200)]));

const SEED = Number(process.env['STREAM_STORM_SEED'] ?? Date.now() % 100_000);

test('24 clients in a storm miss nothing and have nothing twice', async () => {
  const random = seededRandom(SEED);
  const pick = (below: number) => Math.floor(random() * below);
  await using hosts = await startTwoHosts();
  const tokens = await makeReaders(hosts);
  const url = () => `${hosts.urls()[pick(hosts.urls().length)]}/v1/stream/telemetry?types=telemetry`;
  const readers = Array.from({ length: CLIENTS }, (_, index) => startReader(url, () => tokens[index % 2] ?? ''));
  try {
    await until(() => readers.every(({ begun }) => begun), 30_000);
    const sent = await storm(hosts, readers, pick);
    await settle(readers, sent.length);
    const problems = readers.flatMap((reader, index) =>
      faultsOf(reader, sent).map((fault) => `client ${index} ${fault}`),
    );
    const connections = readers.reduce((sum, reader) => sum + reader.connections, 0);
    const { dropped, cut } = hosts.standIns.webPubSub.faults.counts;
    const deliveries = readers.reduce((sum, { taken }) => sum + taken.length, 0);
    process.stderr.write(
      `storm ${SEED}: ${deliveries} deliveries over ${connections} connections, ${cut} sockets cut, ${dropped} publishes lost\n`,
    );
    expect({ seed: SEED, problems }).toEqual({ seed: SEED, problems: [] });
    expect(deliveries).toBe(CLIENTS * EVENTS);
    expect(connections).toBeGreaterThan(CLIENTS * 3);
    expect(dropped).toBeGreaterThan(0);
    expect(cut).toBeGreaterThan(10);
  } finally {
    for (const reader of readers) reader.close();
  }
}, 600_000);

/** Waits until everybody has everything, or until nobody gets anything any more. */
async function settle(readers: RelentlessReader[], count: number): Promise<void> {
  let had = -1;
  let hadAt = Date.now();
  await until(() => {
    const has = readers.reduce((sum, { taken }) => sum + taken.length, 0);
    if (has > had) [had, hadAt] = [has, Date.now()];
    return readers.every(({ taken }) => taken.length >= count) || Date.now() - hadAt > STALLED_MS;
  }, SETTLE_MS_MAX);
}

/** Registers the devices, and two applications that may see all of them. @returns a token of each */
async function makeReaders(hosts: TwoHosts): Promise<string[]> {
  const admin = await administrator(hosts.admin);
  const ids = Array.from({ length: DEVICES }, (_, index) => `storm-${index}`);
  for (const deviceId of ids) {
    const { status } = await admin.send('POST', '/v1/devices', { deviceId, name: deviceId });
    if (status !== 201) throw new Error(`The device ${deviceId} was answered ${status}.`);
  }
  const applications = await Promise.all(
    ['one', 'two'].map((name) => newApplication(admin, { name: `Storm ${name}`, devices: ids })),
  );
  return Promise.all(applications.map(({ form }) => fetchToken(hosts.admin.api, form)));
}

/** Sends everything while everything goes wrong. @returns what was sent */
async function storm(hosts: TwoHosts, readers: RelentlessReader[], pick: (below: number) => number): Promise<string[]> {
  const { cosmos, eventHubs, webPubSub } = hosts.standIns;
  webPubSub.faults.set({ dropFraction: LOST, seed: SEED });
  cosmos.faults.add({ kind: 'throttle', probability: THROTTLED, count: -1, seed: SEED, retryAfterMs: 50 });
  const kill = () => readers[pick(CLIENTS)]?.kill();
  const timers = [
    setInterval(() => {
      // A burst now and then: many come back together.
      for (let more = pick(10) === 0 ? CLIENTS / 2 : 2 + pick(4); more > 0; more--) kill();
    }, KILL_MS),
    setInterval(() => webPubSub.faults.cut(), CUT_MS),
  ];
  const producer = new EventHubProducerClient(eventHubs.connectionString, TELEMETRY_HUB);
  const sent: string[] = [];
  const next = new Map<number, number>();
  try {
    for (let step = 0; sent.length < EVENTS; step++) {
      const device = pick(DEVICES);
      const batch = await producer.createBatch({ partitionKey: `storm-${device}` });
      for (let index = 0; index < EVENTS_PER_SEND; index++) {
        const n = next.get(device) ?? 0;
        next.set(device, n + 1);
        // Some are large, so that writes split and buffers fill.
        const readings = { n, ...(pick(8) === 0 ? LARGE : {}) };
        if (!batch.tryAdd({ body: { deviceId: `storm-${device}`, readings } })) throw new Error('The batch is full.');
        sent.push(`storm-${device}/${n}`);
      }
      await producer.sendBatch(batch);
      // On a slow machine the storm lasts longer: otherwise everything would come after it, in a few large batches.
      if (step % PACE_STEPS === 0)
        await until(() => (readers[0]?.taken.length ?? 0) > sent.length - PACE_EVENTS, PACE_MS_MAX).catch(
          () => undefined,
        );
      if (step === 60) await hosts.killSecond();
      if (step === 110) await hosts.startSecond();
      await new Promise((resolve) => setTimeout(resolve, SEND_MS));
    }
  } finally {
    for (const timer of timers) clearInterval(timer);
    await producer.close();
    webPubSub.faults.clear();
    cosmos.faults.clear();
  }
  return sent;
}

function faultsOf({ taken, complaints }: RelentlessReader, sent: string[]): string[] {
  const seen = new Set(taken);
  const missing = sent.filter((each) => !seen.has(each));
  const lastOf = new Map<string, number>();
  let disordered = 0;
  for (const each of taken) {
    const [device = '', n] = each.split('/');
    if (Number(n) <= (lastOf.get(device) ?? -1)) disordered += 1;
    lastOf.set(device, Number(n));
  }
  return [
    ...complaints,
    ...(missing.length > 0 ? [`misses ${missing.length}: ${missing.slice(0, 5).join()}`] : []),
    ...(seen.size < taken.length ? [`has ${taken.length - seen.size} twice`] : []),
    ...(disordered > 0 ? [`has ${disordered} out of order`] : []),
  ];
}
