import { expect, test } from '@jest/globals';
import { seededRandom } from '../support/manual-timing.ts';
import { MemorySink, parseBlocks, streamWorld, telemetry } from '../support/stream-world.ts';

/** Steps of one run. */
const STEPS = 250;
const CLIENTS = 6;
const SEEDS = Number(process.env['STREAM_CHAOS_SEEDS'] ?? 15);

/** Some events are large, so that buffers fill, writes split and memory does not reach back. */
const PADS = ['', '', 'x'.repeat(500), 'x'.repeat(6_000), 'x'.repeat(30_000)];

/** A client that keeps the id of the last write it has read whole, and resumes with it. */
class Client {
  sink: MemorySink | undefined;
  lastId: string | undefined;
  readonly seen: string[] = [];
  gaps = 0;
  /** Events said before its first connection are not for it. */
  expectedFrom = -1;
  /** It wants the newest per device only. */
  readonly everyMs: number | undefined;
  #read = 0;

  constructor(everyMs: number | undefined) {
    this.everyMs = everyMs;
  }

  /** Reads what came; events count once their write's id is there. */
  read(): void {
    const blocks = parseBlocks(this.sink?.text ?? '');
    const last = blocks.findLastIndex(({ id }) => id !== undefined);
    for (const block of blocks.slice(this.#read, last + 1)) {
      if (block.type === 'message') this.seen.push(String(block.data['eventId']));
      if (block.type === 'gap') this.gaps += 1;
      if (block.id !== undefined) this.lastId = block.id;
    }
    this.#read = Math.max(this.#read, last + 1);
  }

  disconnect(): void {
    this.read();
    this.sink?.leave();
    this.sink = undefined;
    this.#read = 0;
  }
}

interface Said {
  id: string;
  lane: string;
  device: string;
}

/** What a client that wants everything must have, and one that wants the newest per device. */
function wantedBy(client: Client, said: Said[]): string[] {
  const since = said.slice(client.expectedFrom);
  if (client.everyMs === undefined) return since.map(({ id }) => id);
  return [...new Map(since.map(({ device, id }) => [device, id])).values()];
}

async function run(seed: number): Promise<{ expected: number; problems: string[] }> {
  const random = seededRandom(seed);
  const pick = (below: number) => Math.floor(random() * below);
  const world = streamWorld(seed, { lifeMs: 30_000 });
  const { timing, journal, live } = world;
  const permitted = Array.from({ length: 40 }, (_, lane) => [`d1-${lane}`, `d2-${lane}`]).flat();
  world.policy.decision = { allowed: true, devices: new Set(permitted), includeAnomalies: true };
  journal.trouble = async () => {
    if (random() < 0.5) await new Promise<void>((resolve) => timing.after(pick(60), resolve));
    if (random() < 0.05) throw Object.assign(new Error('throttled'), { code: 429 });
  };
  const said: Said[] = [];
  const late: ReturnType<typeof journal.append>[] = [];
  const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index % 3 === 2 ? 1_500 : undefined));
  let lanes = 2;

  const say = () => {
    if (random() < 0.01) lanes += 1;
    const laneNumber = pick(lanes);
    const lane = `direct-${laneNumber}`;
    const events = Array.from({ length: 1 + pick(4) }, () => {
      // As in a hub, all of a device is in one lane.
      const device = `d${1 + pick(3)}-${laneNumber}`;
      const id = `${said.length}`;
      if (!device.startsWith('d3')) said.push({ id, lane, device });
      return telemetry(device, device.startsWith('d3') ? 'foreign' : id, { pad: PADS[pick(PADS.length)] ?? '' });
    });
    const entry = journal.append('acme', lane, events, timing.now());
    const fate = random();
    if (fate < 0.08) return;
    if (fate < 0.2) late.push(entry);
    else live.take([entry]);
  };
  const connect = async (client: Client) => {
    const sink = new MemorySink();
    // Opening reads the journal, which needs the clock to move.
    const opening = world
      .open({
        sink,
        selection: client.everyMs === undefined ? {} : { everyMs: client.everyMs },
        ...(client.lastId === undefined ? {} : { cursor: client.lastId }),
      })
      .then(
        () => true,
        () => false,
      );
    await timing.advance(300);
    if (!(await opening)) return;
    client.sink = sink;
    client.read();
    if (client.expectedFrom < 0) client.expectedFrom = said.length;
  };

  for (let step = 0; step < STEPS; step++) {
    const client = clients[pick(CLIENTS)];
    if (client === undefined) continue;
    const choice = random();
    if (client.sink?.closed === true) client.disconnect();
    if (choice < 0.6) for (let more = pick(6); more >= 0; more--) say();
    else if (choice < 0.7 && client.sink !== undefined) client.disconnect();
    else if (choice < 0.8 && client.sink === undefined) await connect(client);
    else if (choice < 0.85 && client.sink !== undefined) client.sink.stalled = true;
    else if (choice < 0.92 && client.sink !== undefined) {
      client.sink.stalled = false;
      client.sink.takeAll();
    } else if (choice < 0.95) live.take(late.splice(pick(late.length + 1)).toReversed());
    else if (choice < 0.97) live.look(['acme']);
    await timing.advance(pick(step % 20 === 0 ? 4_000 : 60));
  }
  journal.trouble = () => Promise.resolve();
  for (const client of clients) {
    if (client.sink !== undefined && !client.sink.closed) {
      client.sink.stalled = false;
      client.sink.takeAll();
      await timing.advance(100);
    }
    client.disconnect();
    if (client.lastId !== undefined) await connect(client);
  }
  await timing.advance(25_000);

  const problems: string[] = [];
  let expected = 0;
  for (const [index, client] of clients.entries()) {
    client.read();
    if (client.expectedFrom < 0) continue;
    // The first connection begins "now", which is what the feed has handed out: a few events before are welcome.
    const wanted = wantedBy(client, said);
    expected += wanted.length;
    const seen = new Set(client.seen);
    const missing = wanted.filter((id) => !seen.has(id));
    if (missing.length > 0) problems.push(`client ${index} misses ${missing.length}: ${missing.slice(0, 5).join()}`);
    if (seen.size !== client.seen.length) problems.push(`client ${index} has ${client.seen.length - seen.size} twice`);
    if (seen.has('foreign')) problems.push(`client ${index} saw a foreign device`);
    if (client.gaps > 0) problems.push(`client ${index} was told of ${client.gaps} gaps`);
    for (let lane = 0; lane < lanes; lane++) {
      const order = client.seen.filter((id) => said[Number(id)]?.lane === `direct-${lane}`).map(Number);
      if (order.some((id, at) => at > 0 && id < (order[at - 1] ?? 0)))
        problems.push(`client ${index}: lane ${lane} out of order`);
    }
  }
  world.relay.close();
  return { expected, problems };
}

test('clients that keep the cursor miss nothing and get nothing twice, whatever is lost, late, cut or slow', async () => {
  let expected = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = await run(seed);
    expected += outcome.expected;
    expect({ seed, problems: outcome.problems }).toEqual({ seed, problems: [] });
  }
  expect(expected).toBeGreaterThan(SEEDS * 500);
}, 120_000);
