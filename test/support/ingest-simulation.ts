/**
 * A seeded storm over the real ingest and journal: one hub partition, two hosts that steal it from each other, batches
 * cut differently at each delivery, and at any request to the store a crash, an error, an answer that is lost, or a write
 * that arrives long after its writer gave up. One request runs at a time, and the seed alone says which.
 */
import { DeviceDetectors } from '../../shared/anomalies/device-detectors.ts';
import type { DeviceCommitter } from '../../shared/ingest/commit-device.ts';
import { newState, type StateDocument } from '../../shared/ingest/device-state.ts';
import { foldDevice, type Caused, type ReadingSet } from '../../shared/ingest/fold-device.ts';
import { ingestBatch } from '../../shared/ingest/ingest.ts';
import { Journal } from '../../shared/journal/journal.ts';
import type { JournalEntry } from '../../shared/journal/journal-entry.ts';
import { compileForDevice } from '../../shared/rules/compile-rules.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { decodeDirect } from '../../shared/telemetry/decode-direct.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';
import { above, HubPartition, JOURNAL_SECONDS, type IngestWorld } from './ingest-world.ts';
import { InterceptedStore, type Intercept, type StoreRequest } from './intercepted-store.ts';
import { noise, seeded } from './signals.ts';

/** A bug, put between ingest and its store (or around its committer), that the simulation has to find. */
export interface Plant {
  around?: Intercept;
  committer?: (committer: DeviceCommitter) => DeviceCommitter;
}

/** Chances of what may happen to one request. */
const CRASH = 0.012;
const FAILS = 0.02;
const ANSWER_LOST = 0.02;
const ARRIVES_LATE = 0.015;
/** Chances after a batch: that it is not checkpointed, and that the host begins again at the checkpoint. */
const UNCHECKPOINTED = 0.3;
const STOLEN = 0.2;
/** Requests after which a run counts as going round for ever. */
const REQUESTS_MAX = 6_000;
const EVENTS = 22;
const BATCH_MAX = 7;

interface SimulatedDevice {
  tenantId: string;
  deviceId: string;
}

/** What the storm must leave behind. */
interface Expected {
  /** By device: ids of the applied sets, and of the transitions. */
  applied: Map<string, string[]>;
  caused: Map<string, string[]>;
  states: Map<string, StateDocument>;
  /** By device: the memory after each number of sets. */
  memories: Map<string, string[]>;
  /** By tenant: what its lane says. */
  lanes: Map<string, string[]>;
  quarantined: string[];
}

const rules: RuleDefinition[] = [
  above('level', 100),
  {
    ...ruleDefinition.parse({
      name: 'Long',
      for: '20s',
      keepFiring: '10s',
      when: {
        kind: 'condition',
        if: {
          all: [
            { param: 'level', op: 'gt', value: 60 },
            { param: 'on', op: 'eq', value: true },
          ],
        },
      },
    }),
    id: 'rul_long',
    version: 1,
  },
];

/** What happened in a storm, in times. */
export type Tally = Record<'crash' | 'failure' | 'lost answer' | 'late write' | 'failed batch' | 'stolen', number>;

/** A tally of nothing. */
export function newTally(): Tally {
  return { crash: 0, failure: 0, 'lost answer': 0, 'late write': 0, 'failed batch': 0, stolen: 0 };
}

/** Runs one seed. @returns what is wrong afterwards; empty when nothing is */
export async function simulate(
  world: IngestWorld,
  seed: number,
  name: string,
  { plant = {}, tally = newTally() }: { plant?: Plant; tally?: Tally } = {},
): Promise<string[]> {
  const random = seeded(seed);
  const pick = (n: number) => Math.floor(random() * n);
  const lane = `sim-${name}-${seed}`;
  const devices = ['a', 'a', 'b'].map((tenant, index): SimulatedDevice => ({
    tenantId: `${name}-${seed}-${tenant}`,
    deviceId: `${name}-${seed}-d${index}`,
  }));
  for (const { tenantId, deviceId } of devices) await world.register(tenantId, deviceId);
  const log = hubLog(lane, devices, random);
  const expected = foldInSequence(log, devices, lane);

  const turns = new Turns(pick);
  const published: JournalEntry[] = [];
  let checkpoint = 0;
  const host = async () => {
    for (;;) {
      const life = { ended: false };
      const store = new InterceptedStore(world.client.database('sluice'), (request, run) =>
        plant.around ? plant.around(request, () => stormy(life, request, run)) : stormy(life, request, run),
      );
      const instance = world.instance({ store, rules, ...(plant.committer ? { committer: plant.committer } : {}) });
      let position = checkpoint;
      while (!life.ended && position < log.length) {
        const batch = log.slice(position, position + 1 + pick(BATCH_MAX));
        try {
          await ingestBatch(instance.services, lane, batch);
        } catch {
          // The trigger delivers the whole batch again, unless the host is gone.
          tally['failed batch']++;
          continue;
        }
        position += batch.length;
        if (random() >= UNCHECKPOINTED) checkpoint = position;
        if (random() >= STOLEN) continue;
        tally.stolen++;
        position = checkpoint;
      }
      published.push(...instance.published);
      if (!life.ended) return;
    }
  };
  /** What happens to one request of a host. */
  const stormy = async <T>(life: { ended: boolean }, request: StoreRequest, run: () => Promise<T>): Promise<T> => {
    const end = await turns.take();
    try {
      if (life.ended) throw new Error('dead');
      const chance = random();
      const isWrite = request.kind !== 'read' && request.kind !== 'query';
      if (chance < CRASH) {
        life.ended = true;
        tally.crash++;
        if (isWrite && random() < 0.5) await run();
        throw new Error('dead');
      }
      if (chance < CRASH + FAILS) {
        tally.failure++;
        throw trouble();
      }
      if (isWrite && chance < CRASH + FAILS + ANSWER_LOST) {
        tally['lost answer']++;
        await run();
        throw trouble();
      }
      if (isWrite && chance < CRASH + FAILS + ANSWER_LOST + ARRIVES_LATE) {
        tally['late write']++;
        turns.later(run);
        throw trouble();
      }
      return await run();
    } finally {
      end();
    }
  };
  const finished = await turns.drive([host(), host()]);
  if (!finished) return [`did not come to an end within ${REQUESTS_MAX} requests`];
  return compare(world, lane, devices, expected, published);
}

function trouble(): Error {
  return Object.assign(new Error('The store is in trouble: a storm.'), { code: 503 });
}

/** Lets one request run at a time, each time a random one of those that wait. */
class Turns {
  readonly #pick: (n: number) => number;
  readonly #waiting: ((end: () => void) => void)[] = [];
  #requests = 0;
  #stopped = false;

  constructor(pick: (n: number) => number) {
    this.#pick = pick;
  }

  /** Resolves when it is the caller's turn, with what ends it. */
  take(): Promise<() => void> {
    if (this.#stopped) return new Promise(() => {});
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A write under way whose writer has given up. */
  later(work: () => Promise<unknown>): void {
    void this.take().then(async (end) => {
      await work().catch(() => undefined);
      end();
    });
  }

  /** Grants turns until all have ended and nothing is under way. @returns false when there is no end to it */
  async drive(work: Promise<unknown>[]): Promise<boolean> {
    let ended = false;
    const all = Promise.all(work).then(() => (ended = true));
    for (;;) {
      // Whoever can go on without the store has done so after this.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#waiting.length === 0) {
        if (!ended) await Promise.race([all, new Promise((resolve) => setImmediate(resolve))]);
        if (ended && this.#waiting.length === 0) return true;
        continue;
      }
      if (++this.#requests > REQUESTS_MAX) {
        this.#stopped = true;
        return false;
      }
      const [granted] = this.#waiting.splice(this.#pick(this.#waiting.length), 1);
      await new Promise<void>((resolve) => granted?.(resolve));
    }
  }
}

function hubLog(lane: string, devices: SimulatedDevice[], random: () => number): RawEvent[] {
  const hub = new HubPartition();
  const value = () => ({ level: random() < 0.04 ? 500 : 50 + 30 * noise(random), on: random() < 0.7 });
  const messageIds: string[] = [];
  return Array.from({ length: EVENTS }, () => {
    const device = devices[Math.floor(random() * devices.length)];
    const deviceId = device?.deviceId ?? '';
    const kind = random();
    // Brokers change, and their clocks differ.
    if (random() < 0.1) hub.enqueuedMs -= 4_000;
    if (kind < 0.06) return hub.send('{"no json', { lane });
    if (kind < 0.1) return hub.send({ deviceId: `nobody-${lane}`, readings: { level: 1 } }, { lane });
    if (kind < 0.4) {
      const ts = hub.enqueuedMs;
      const sets = Array.from({ length: 2 + Math.floor(random() * 30) }, (_, index) => ({
        deviceId,
        ts: ts - 30_000 + index * 1_000,
        readings: value(),
      }));
      return hub.send(sets, { lane });
    }
    const again = messageIds.length > 0 && random() < 0.2;
    const messageId = again ? messageIds[Math.floor(random() * messageIds.length)] : `m${messageIds.length}`;
    if (messageId !== undefined && !again) messageIds.push(messageId);
    const ts = hub.enqueuedMs - (random() < 0.1 ? 15_000 : 0);
    return hub.send({ deviceId, ts, messageId, readings: value() }, { lane });
  });
}

/** What one calm writer would make of the log, from the pure fold alone. */
function foldInSequence(log: RawEvent[], devices: SimulatedDevice[], lane: string): Expected {
  const sets = new Map<string, ReadingSet[]>(devices.map(({ deviceId }) => [deviceId, []]));
  const quarantined: string[] = [];
  for (const raw of log) {
    const decoded = decodeDirect(raw);
    const own = decoded.ok ? sets.get(decoded.deviceId) : undefined;
    if (!decoded.ok || !own) {
      quarantined.push(`${raw.seq}-${raw.enqueuedMs}`);
      continue;
    }
    for (const [index, event] of decoded.events.entries()) {
      const last = index === decoded.events.length - 1;
      own.push({
        at: { seq: raw.seq, enq: raw.enqueuedMs, ...(last ? {} : { i: index }) },
        event,
        ...(decoded.messageId === undefined ? {} : { messageId: decoded.messageId }),
      });
    }
  }
  const expected: Expected = {
    applied: new Map(),
    caused: new Map(),
    states: new Map(),
    memories: new Map(),
    lanes: new Map(),
    quarantined,
  };
  const lines = new Map<string, { seq: number; i: number; text: string[] }[]>();
  for (const { tenantId, deviceId } of devices) {
    const compiled = compileForDevice(rules, { id: deviceId, name: deviceId, groups: [] });
    const detectors = DeviceDetectors.restore();
    let state = newState(tenantId, deviceId);
    const applied: string[] = [];
    const caused: string[] = [];
    const memories: string[] = ['{}'];
    const told = lines.get(tenantId) ?? [];
    lines.set(tenantId, told);
    for (const set of sets.get(deviceId) ?? []) {
      const folded = foldDevice(state, detectors, compiled, lane, [set]);
      ({ state } = folded);
      const ids = folded.caused.map(idOfCaused);
      caused.push(...ids);
      for (const { id, v } of folded.applied) {
        applied.push(id);
        memories.push(JSON.stringify(detectors.state()));
        told.push({ seq: set.at.seq, i: set.at.i ?? Infinity, text: [telemetryLine(id, v), ...ids] });
      }
    }
    expected.applied.set(deviceId, applied);
    expected.caused.set(deviceId, caused);
    expected.states.set(deviceId, state);
    expected.memories.set(deviceId, memories);
  }
  for (const [tenantId, told] of lines) {
    const inOrder = told.toSorted((a, b) => a.seq - b.seq || (a.i < b.i ? -1 : 1));
    expected.lanes.set(
      tenantId,
      inOrder.flatMap(({ text }) => text),
    );
  }
  return expected;
}

function idOfCaused(caused: Caused): string {
  return caused.k === 'alert' ? caused.transition.id : caused.transition.event.eventId;
}

function telemetryLine(id: string, readings: object): string {
  return `${id} ${JSON.stringify(readings)}`;
}

async function compare(
  world: IngestWorld,
  lane: string,
  devices: SimulatedDevice[],
  expected: Expected,
  published: JournalEntry[],
): Promise<string[]> {
  const wrong: string[] = [];
  const same = (what: string, actual: unknown, wanted: unknown) => {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(wanted)];
    if (a !== b) wrong.push(`${what}: ${firstDifference(a, b)}`);
  };
  for (const { tenantId, deviceId } of devices) {
    const { state, readings, transitions, alerts, anomalies, detectors } = await world.device(tenantId, deviceId);
    const wantedState = expected.states.get(deviceId);
    const applied = expected.applied.get(deviceId) ?? [];
    const caused = expected.caused.get(deviceId) ?? [];
    same(
      `${deviceId} readings`,
      readings.flatMap(({ e }) => e.map(({ id }) => id)),
      applied,
    );
    let n = 0;
    for (const chunk of readings) same(`${deviceId} chunk`, chunk.n, (n += chunk.e.length));
    same(
      `${deviceId} transitions`,
      transitions.flatMap(({ e }) => e.map(({ d }) => d.eventId)),
      caused,
    );
    if (applied.length > 0) {
      for (const part of ['n', 'pos', 'rules', 'last', 'episodes', 'seen'] as const)
        same(`${deviceId} state ${part}`, sorted(state?.[part]), sorted(wantedState?.[part]));
    }
    const open = new Set(caused.filter((id) => id.endsWith('~opened')).map((id) => id.replace(/~opened$/, '')));
    const ended = new Set(caused.filter((id) => /~(resolved|closed)$/.test(id)).map((id) => id.replace(/~\w+$/, '')));
    const current = [
      ...alerts.map(({ alertId, condition }) => `${alertId} ${condition === 'active'}`),
      ...anomalies.map(({ anomalyId, state: now }) => `${anomalyId} ${now === 'open'}`),
    ];
    same(`${deviceId} current`, current.toSorted(), [...open].map((id) => `${id} ${!ended.has(id)}`).toSorted());
    const due = applied.length >= 50 + BATCH_SETS_MAX;
    if (detectors) {
      const memory = expected.memories.get(deviceId)?.[detectors.n];
      same(`${deviceId} detectors`, sorted(detectors.detectors), sorted(JSON.parse(memory ?? 'null')));
    } else if (due) wrong.push(`${deviceId} detectors: never saved`);
  }
  for (const tenantId of new Set(devices.map((device) => device.tenantId))) {
    const entries = await laneOf(world, tenantId, lane);
    same(
      `${tenantId} numbers`,
      entries.map(({ n }) => n),
      entries.map((_, index) => index + 1),
    );
    const lines = entries.flatMap(({ e }) =>
      e.map((event) => (event.k === 'telemetry' ? telemetryLine(event.d.eventId, event.d.readings) : event.d.eventId)),
    );
    same(`${tenantId} journal`, lines, expected.lanes.get(tenantId));
    for (const entry of published.filter((each) => each.tenantId === tenantId))
      same(`${tenantId} published ${entry.n}`, entry, entries[entry.n - 1]);
  }
  const kept = (await world.quarantine(lane)).map(({ id }) => id);
  same('quarantine', kept.toSorted(), expected.quarantined.toSorted());
  return wrong;
}

/** Sets that one commit may hold here. */
const BATCH_SETS_MAX = BATCH_MAX * 32;

async function laneOf(world: IngestWorld, tenantId: string, lane: string): Promise<JournalEntry[]> {
  const journal = new Journal(world.store, JOURNAL_SECONDS);
  const entries: JournalEntry[] = [];
  for (;;) {
    const page = await journal.read(tenantId, lane, entries.at(-1)?.n ?? 0);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

/** With the keys of every object in order: the store keeps them as they came. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function firstDifference(a = 'nothing', b = 'nothing'): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const from = Math.max(0, at - 60);
  return `…${a.slice(from, at + 60)}… instead of …${b.slice(from, at + 60)}…`;
}
