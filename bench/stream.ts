/**
 * Streams side by side in one run: our relay alone, writing to the response itself; the same on the stock path, as the
 * library sends a body; the same through the Functions host's forward hop; better-sse,
 * @fastify/sse and nchan. Fan-out per second of the server's processor time, latency, memory per stream, stalled readers.
 * Each server is a process, the readers are raw sockets in this one. `npm run bench -- stream`, some
 * minutes; BENCH_STREAMS=1000,5000 chooses numbers of streams, BENCH_SERVERS=relay,nchan servers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { NODE_SERVERS, startNchan, startNodeServer, type Candidate } from './stream/candidates.ts';
import { openReaders, type Readers } from './stream/readers.ts';
import { until } from '../test/support/until.ts';

const EVENT_BYTES = 300;
/** Streams, and events of a batch: what one device says in a moment, for fewer and for more. */
const SCENES = [
  { streams: 10, events: 15, batches: 1_000 },
  { streams: 100, events: 15, batches: 300 },
  { streams: 1_000, events: 15, batches: 60 },
  { streams: 5_000, events: 8, batches: 10 },
];
const WARM_UP_BATCHES = 5;
const LATENCY_BATCHES = 20;
const LATENCY_PAUSE_MS = 60;
const STALLED = { streams: 20, bytes: 3_300, perBatch: 15, batchMs: 10, seconds: 6, patienceMs: 10_000 };
const MB = 1024 * 1024;

interface Figures {
  deliveriesPerSecond: number;
  p50: number;
  p99: number;
  kbPerStream: number;
}

let sequence = 0;

/** Publishes a batch and waits until every stream has all of it. @returns milliseconds until each had it */
async function deliver(server: Candidate, readers: Readers, streams: number, events: number, size: number) {
  const delays: number[] = [];
  const startedAt = performance.now();
  const all = new Promise<void>((resolve) => {
    readers.onMore(size, () => {
      delays.push(performance.now() - startedAt);
      if (delays.length === streams) resolve();
    });
  });
  await server.publish({ from: sequence, events, bytes: EVENT_BYTES });
  sequence += events;
  await all;
  return delays;
}

/** Bytes that a batch is on the wire, chunk marks included: read once, when nothing else moves. */
async function sizeOf(server: Candidate, readers: Readers, events: number): Promise<number> {
  const before = readers.least();
  await server.publish({ from: sequence, events, bytes: EVENT_BYTES });
  sequence += events;
  let last = -1;
  await until(async () => {
    await delay(300);
    const now = readers.least() - before;
    const still = now > events * EVENT_BYTES && now === last;
    last = now;
    return still;
  }, 30_000);
  return last;
}

async function fanOut(start: () => Promise<Candidate>, { streams, events, batches }: (typeof SCENES)[number]) {
  const server = await start();
  // What the first stream loads is no stream's memory.
  const first = await openReaders(server.port, server.path, 1);
  await delay(500);
  const rssBefore = server.rss();
  const readers = await openReaders(server.port, server.path, streams);
  await delay(500);
  const kbPerStream = (server.rss() - rssBefore) / streams / 1024;
  // The cursor and chunk marks vary by a few bytes between batches; a batch counts as had once all but that is there.
  const size = (await sizeOf(server, readers, events)) - 40;
  const deliverOne = () => deliver(server, readers, streams, events, size);
  for (let warm = 0; warm < WARM_UP_BATCHES; warm++) await deliverOne();
  const cpuBefore = server.cpuSeconds();
  for (let batch = 0; batch < batches; batch++) await deliverOne();
  const cpu = server.cpuSeconds() - cpuBefore;
  const delays: number[] = [];
  for (let batch = 0; batch < LATENCY_BATCHES; batch++) {
    delays.push(...(await deliverOne()));
    await delay(LATENCY_PAUSE_MS);
  }
  readers.close();
  first.close();
  server.stop();
  delays.sort((a, b) => a - b);
  const at = (share: number) => delays[Math.floor(delays.length * share)] ?? NaN;
  return { deliveriesPerSecond: (streams * events * batches) / cpu, p50: at(0.5), p99: at(0.99), kbPerStream };
}

/** 20 readers that do not read, at 5 MB/s. @returns growth of memory after a third of the time and at the end, in MB */
async function stalled(start: () => Promise<Candidate>) {
  const server = await start();
  const readers = await openReaders(server.port, server.path, STALLED.streams);
  await delay(300);
  readers.pause();
  const before = server.rss();
  const { bytes, perBatch, batchMs, seconds } = STALLED;
  const batches = (seconds * 1000) / batchMs;
  let early = 0;
  const startedAt = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    await server.publish({ from: sequence, events: perBatch, bytes });
    sequence += perBatch;
    if (batch === Math.floor(batches / 3)) early = (server.rss() - before) / MB;
    await delay(Math.max(0, startedAt + (batch + 1) * batchMs - performance.now()));
  }
  const late = (server.rss() - before) / MB;
  const hadBefore = readers.least();
  readers.resume();
  // Everything, or what is left of it once nothing has come for a while.
  const isComplete = () => readers.least() - hadBefore > batches * perBatch * bytes * 0.9;
  let last = -1;
  let lastAt = performance.now();
  await until(async () => {
    await delay(500);
    if (readers.least() > last) [last, lastAt] = [readers.least(), performance.now()];
    return isComplete() || performance.now() - lastAt > STALLED.patienceMs;
  }, 300_000);
  const complete = isComplete();
  readers.close();
  server.stop();
  return { early, late, complete };
}

const nchan = await startNchan();
nchan?.stop();
if (nchan === undefined) console.log('nchan is left out: Debian’s libnginx-mod-nchan is not installed.');
const starts = new Map<string, () => Promise<Candidate>>(
  NODE_SERVERS.map((name) => [name, () => startNodeServer(name)]),
);
const servers = process.env['BENCH_SERVERS']?.split(',');
if (nchan) starts.set('nchan', async () => (await startNchan()) as Candidate);

for (const name of starts.keys()) if (servers?.includes(name) === false) starts.delete(name);

const results: Record<string, Record<string, Figures>> = {};
const wanted = process.env['BENCH_STREAMS']?.split(',').map(Number);
for (const scene of SCENES.filter(({ streams }) => wanted?.includes(streams) ?? true)) {
  console.log(`\n${scene.streams} streams, batches of ${scene.events} events of ${EVENT_BYTES} B`);
  const figures: Record<string, Figures> = {};
  for (const [name, start] of starts) figures[name] = await fanOut(start, scene);
  const base = figures['better-sse']?.deliveriesPerSecond ?? NaN;
  for (const [name, { deliveriesPerSecond, p50, p99, kbPerStream }] of Object.entries(figures)) {
    const rate = `${(deliveriesPerSecond / 1000).toFixed(0)} k/s`.padStart(10);
    const ratio = `${(deliveriesPerSecond / base).toFixed(1)}x`.padStart(7);
    const times = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`.padEnd(28);
    console.log(`  ${name.padEnd(14)}${rate}${ratio}   ${times}${kbPerStream.toFixed(1)} KB per stream`);
  }
  results[scene.streams] = figures;
}

console.log(
  `\n${STALLED.streams} readers that do not read, ${(STALLED.bytes * STALLED.perBatch) / STALLED.batchMs / 1000} MB/s`,
);
const growth: Record<string, Awaited<ReturnType<typeof stalled>>> = {};
for (const [name, start] of starts) {
  growth[name] = await stalled(start);
  const { early, late, complete } = growth[name];
  console.log(
    `  ${name.padEnd(14)} +${early.toFixed(0)} MB after ${STALLED.seconds / 3} s, +${late.toFixed(0)} MB at the end; ${complete ? 'everything came once they read' : 'not everything came'}`,
  );
}
console.log(`\n${JSON.stringify({ streams: results, stalled: growth })}`);
