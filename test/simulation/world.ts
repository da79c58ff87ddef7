/**
 * A simulated world: devices that send to a hub, hosts that consume it and die, a store that fails, and the people who
 * handle alerts, all under one seed. It runs until everything that was sent is processed and projected; then the faults
 * have ended, and `judge.ts` says whether anything was lost or happened twice.
 */
import type { PartitionEnd } from '../../shared/ingest/processed-time.ts';
import type { JournalEntry } from '../../shared/journal/journal-entry.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';
import { seeded } from '../support/signals.ts';
import { Account, FEED_RANGES, textOf } from './account.ts';
import { statusError, type Network, type StoreRequest } from './database.ts';
import { Host, type Life } from './host.ts';
import { Hub, type Partition } from './hub.ts';
import { drawScenario, POISON, SILENCE_MS, type Incident, type Scenario } from './scenario.ts';
import { pick, Scheduler, type Random } from './scheduler.ts';

/** What a run leaves behind. */
export interface Outcome {
  seed: number;
  scenario: Scenario;
  account: Account;
  hub: Hub;
  /** What live streams were woken with. */
  published: JournalEntry[];
  /** Why it did not come to an end; undefined when it did. */
  stuck: string | undefined;
  turns: number;
  tally: Tally;
}

/** How often what happened. */
export type Tally = Record<string, number>;

/** Turns after which a run counts as going round for ever. */
const TURNS_MAX = 30_000;
const START_MS = Date.parse('2026-11-24T10:00:00Z');
const BATCH_MAX = 8;
/** Batches that an owner may have at hand when it loses its partition. */
const BATCHES_AT_HAND = 2;
const FEED_BATCH_MAX = 25;
const SWEEP_EVERY_MS = 15_000;
/** Chance of a second sweep beside the first: the lease of the timer was lost. */
const SWEEP_TWICE = 0.1;
/** Passing trouble as the service answers it. */
const TROUBLES = [503, 429, 408, 449, 500];

/** A host that lives now, and what it owns. */
interface Instance {
  life: Life;
  host: Host;
}

/** An owner's walk through a partition or feed range. */
interface Session {
  instance: Instance;
  /** Somebody else owns it now; the owner does not know it yet. */
  isLost: boolean;
}

/** Runs a seed. @param trace gets what happened, line by line */
export async function runWorld(seed: number, trace?: string[]): Promise<Outcome> {
  return new World(seed, trace).run();
}

class World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #scenario: Scenario;
  readonly #account: Account;
  readonly #hub: Hub;
  readonly #instances: Instance[] = [];
  readonly #owners = new Map<string, Session>();
  readonly #feed = Array.from({ length: FEED_RANGES }, () => ({ lease: 0, read: 0 }));
  readonly #published: JournalEntry[] = [];
  readonly #tally: Tally = {};
  #lives = 0;
  #calm = false;
  #stalledUntilMs = 0;
  #storeOutUntilMs = 0;
  #hasSentAll = false;
  #finalSweeps = 0;
  /** Requests whose host ended before they were answered: they are told when the world has ended. */
  readonly #abandoned: ((error: Error) => void)[] = [];
  #hasEnded = false;
  /** No host may start: the hub is being created again. */
  #isClosed = false;

  constructor(seed: number, trace?: string[]) {
    this.#seed = seed;
    this.#random = seeded(seed);
    this.#scenario = drawScenario(this.#random);
    this.#scheduler = new Scheduler(this.#random, START_MS, trace);
    this.#account = new Account(
      () => this.#scheduler.nowMs,
      ({ kind, e }) => kind === 'readings' && JSON.stringify(e).includes(POISON),
    );
    this.#hub = new Hub(this.#scenario.partitions);
  }

  async run(): Promise<Outcome> {
    const { rules, devices, hosts } = this.#scenario;
    for (const tenantId of new Set(devices.map((device) => device.tenantId))) {
      const document = { id: `rules-of-${tenantId}`, tenantId, rules: rules.length };
      this.#account.batch('rules', tenantId, [{ kind: 'create', id: document.id, document }], { by: 'setup' });
    }
    for (let host = 0; host < hosts; host++) this.#startHost(host);
    void this.#sendAll();
    void this.#sweepForEver();
    const isOver = await this.#scheduler.run(() => this.#isOver(), TURNS_MAX);
    this.#hasEnded = true;
    this.#scheduler.stop();
    for (const reject of this.#abandoned) reject(statusError(503));
    return {
      seed: this.#seed,
      scenario: this.#scenario,
      account: this.#account,
      hub: this.#hub,
      published: this.#published,
      stuck: isOver ? undefined : `It did not come to an end within ${this.#scheduler.turns} turns.`,
      turns: this.#scheduler.turns,
      tally: this.#tally,
    };
  }

  /** All sent, processed, swept twice in the calm, and projected. */
  #isOver(): boolean {
    if (!this.#hasSentAll || !this.#hub.isDrained() || this.#finalSweeps < 2) return false;
    return this.#feed.every(({ read }, range) => this.#account.changes('device-data', range, read, 1).length === 0);
  }

  // ---- devices and incidents

  async #sendAll(): Promise<void> {
    const { sendings, incidents } = this.#scenario;
    for (const [index, { afterMs, key, body }] of sendings.entries()) {
      await this.#scheduler.sleep(afterMs);
      for (const incident of incidents.get(index) ?? []) await this.#befall(incident);
      const sent = this.#hub.send(key, body(this.#scheduler.nowMs), this.#scheduler.nowMs);
      this.#scheduler.note(`device ${key}`, `sends ${sent?.lane}:${sent?.seq} ${String(sent?.body).slice(0, 100)}`);
    }
    // Long enough for every silence, hold and window to end.
    await this.#scheduler.sleep(SILENCE_MS);
    this.#calm = true;
    this.#scheduler.calm = true;
    this.#hasSentAll = true;
    this.#scheduler.note('world', 'all is sent, and all faults end');
  }

  async #befall(incident: Incident): Promise<void> {
    this.#count(incident.kind);
    this.#scheduler.note('world', JSON.stringify(incident));
    const { nowMs } = this.#scheduler;
    switch (incident.kind) {
      case 'crash':
        return this.#end(pick(this.#random, this.#instances.length));
      case 'steal':
        return this.#steal();
      case 'checkpoint lost': {
        const partition = this.#anyPartition();
        if (partition) partition.checkpoint = undefined;
        return;
      }
      case 'partition added':
        this.#hub.add(1);
        return this.#own(`${this.#hub.partitions.length - 1}`, this.#anyInstance());
      case 'hub re-created':
        return this.#recreateHub();
      case 'consumers stall':
        this.#stalledUntilMs = nowMs + incident.ms;
        return;
      case 'store out':
        this.#storeOutUntilMs = nowMs + incident.ms;
        return;
      case 'broker behind': {
        const partition = this.#anyPartition();
        if (partition) partition.clockOffMs = partition.clockOffMs === 0 ? -incident.ms : 0;
        return;
      }
      case 'operator':
        void this.#handleSomeAlert();
    }
  }

  /** As it is done: when all is processed, the consumers are stopped, and started on the new hub. */
  async #recreateHub(): Promise<void> {
    while (!this.#hub.isDrained()) await this.#scheduler.sleep(1_000);
    this.#isClosed = true;
    for (const { life } of this.#instances) life.ended = true;
    await this.#scheduler.sleep(60_000);
    this.#isClosed = false;
    this.#hub.recreate();
    this.#owners.clear();
    for (const index of this.#instances.keys()) this.#startHost(index);
  }

  async #handleSomeAlert(): Promise<void> {
    const alerts = this.#account
      .all('device-data')
      .filter(({ kind, condition }) => kind === 'alert' && condition === 'active');
    const alert = alerts[pick(this.#random, alerts.length)];
    if (!alert) return;
    const life: Life = { name: 'operator', ended: false };
    const desk = new Host(this.#surroundings(life)).operator();
    const operation = this.#random() < 0.5 ? ({ do: 'acknowledge' } as const) : ({ do: 'resolve' } as const);
    this.#scheduler.note('operator', `${operation.do} ${textOf(alert['alertId'])}`);
    // Whom an error answers tries again or lets it be.
    await desk.handle(textOf(alert['tenantId']), textOf(alert['alertId']), operation, 'ann').catch(() => undefined);
  }

  // ---- hosts

  #startHost(index: number): void {
    const life: Life = { name: `host ${++this.#lives}`, ended: false };
    const instance: Instance = { life, host: new Host(this.#surroundings(life)) };
    this.#instances[index] = instance;
    this.#scheduler.note(life.name, 'starts');
    // What nobody owns, or the dead do, is taken over.
    const things = [...this.#hub.partitions.keys()].map(String).concat(this.#feed.map((_, range) => `feed ${range}`));
    for (const thing of things) {
      const owner = this.#owners.get(thing);
      if (!owner || owner.instance.life.ended) this.#own(thing, instance);
    }
  }

  #end(index: number): void {
    const instance = this.#instances[index];
    if (!instance || instance.life.ended) return;
    instance.life.ended = true;
    this.#count('host ended');
    this.#scheduler.note(instance.life.name, 'ends');
    this.#scheduler.at(this.#scheduler.nowMs + 500 + pick(this.#random, 5_000), () => {
      if (this.#instances[index] === instance && !this.#isClosed) this.#startHost(index);
    });
  }

  #steal(): void {
    const things = [...this.#owners.keys()];
    const thing = things[pick(this.#random, things.length)];
    if (thing !== undefined) this.#own(thing, this.#anyInstance());
  }

  #own(thing: string, instance: Instance): void {
    if (instance.life.ended) return;
    const before = this.#owners.get(thing);
    if (before) before.isLost = true;
    const session: Session = { instance, isLost: false };
    this.#owners.set(thing, session);
    this.#scheduler.note(instance.life.name, `owns ${thing}`);
    const partition = this.#hub.partitions[Number(thing)];
    void (partition ? this.#consume(partition, session) : this.#follow(Number(thing.split(' ')[1]), session));
  }

  /** The Event Hubs trigger on one partition: batch after batch, each until it works. */
  async #consume(partition: Partition, session: Session): Promise<void> {
    const { life, host } = session.instance;
    const sleep = this.#sleepOf(life);
    const { generation } = this.#hub;
    let position = partition.checkpoint ?? 0;
    let atHand = pick(this.#random, BATCHES_AT_HAND + 1);
    while (generation === this.#hub.generation) {
      if (session.isLost && atHand-- <= 0) return;
      if (this.#stalledUntilMs > this.#scheduler.nowMs) await sleep(this.#stalledUntilMs - this.#scheduler.nowMs);
      const batch: RawEvent[] = partition.log.slice(position, position + 1 + pick(this.#random, BATCH_MAX));
      if (batch.length === 0) {
        await sleep(200 + pick(this.#random, 1_500));
        continue;
      }
      const last = position + batch.length;
      this.#scheduler.note(life.name, `ingests ${partition.lane}:${position}-${last - 1}`);
      const isDone = await this.#untilItWorks(session, () => host.ingest(partition.lane, batch));
      if (!isDone) return;
      position = last;
      partition.processed = Math.max(partition.processed, position);
      // Whoever has lost the partition may still write a checkpoint: older than the new owner's, or newer.
      if (this.#random() >= this.#scenario.faults.uncheckpointed) partition.checkpoint = position;
      this.#scheduler.note(life.name, `has ingested ${partition.lane} up to ${position - 1}`);
    }
  }

  /** The change-feed trigger on one range. */
  async #follow(range: number, session: Session): Promise<void> {
    const { life, host } = session.instance;
    const sleep = this.#sleepOf(life);
    const feed = this.#feed[range];
    if (!feed) return;
    let position = feed.lease;
    let atHand = pick(this.#random, BATCHES_AT_HAND + 1);
    for (;;) {
      if (session.isLost && atHand-- <= 0) return;
      const changes = this.#account.changes('device-data', range, position, 1 + pick(this.#random, FEED_BATCH_MAX));
      const last = changes.at(-1);
      if (!last) {
        await sleep(500 + pick(this.#random, 3_000));
        continue;
      }
      const isDone = await this.#untilItWorks(session, () => host.project(changes.map(({ document }) => document)));
      if (!isDone) return;
      position = last.lsn;
      feed.read = Math.max(feed.read, position);
      if (this.#random() >= this.#scenario.faults.uncheckpointed) feed.lease = position;
    }
  }

  /** As the retry policy of the triggers: for ever, unless the function has to go. @returns false when it had to */
  async #untilItWorks(session: Session, work: () => Promise<void>): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await work();
        return true;
      } catch (error) {
        this.#count('invocation failed');
        this.#scheduler.note(session.instance.life.name, `fails: ${String(error)}`);
        if (!isPassing(error)) this.#count(`unexpected: ${String(error)}`);
        if (session.isLost && this.#random() < 0.5) return false;
        await this.#sleepOf(session.instance.life)(1_000 * 2 ** Math.min(attempt, 4));
      }
    }
  }

  /** The timer trigger, on whichever host has the lease. */
  async #sweepForEver(): Promise<void> {
    for (;;) {
      await this.#scheduler.sleep(SWEEP_EVERY_MS);
      if (this.#random() < SWEEP_TWICE && !this.#calm) void this.#sweepOnce();
      // A sweep that a crash cut off is not waited for.
      await Promise.race([this.#sweepOnce(), this.#scheduler.sleep(SWEEP_EVERY_MS * 3)]);
      if (this.#hasSentAll && this.#hub.isDrained()) this.#finalSweeps++;
    }
  }

  async #sweepOnce(): Promise<void> {
    const { life, host } = this.#anyInstance();
    if (life.ended) return;
    this.#scheduler.note(life.name, 'sweeps');
    await host.sweep().catch(() => this.#count('sweep failed'));
  }

  #surroundings(life: Life) {
    const { devices, rules, journalSeconds } = this.#scenario;
    return {
      account: this.#account,
      network: this.#networkOf(life),
      devices,
      rules,
      journalSeconds,
      now: () => this.#scheduler.nowMs,
      sleep: this.#sleepOf(life),
      published: (entries: JournalEntry[]) => void this.#published.push(...entries),
      partitionEnds: (): Promise<PartitionEnd[]> =>
        this.#networkOf(life)({ kind: 'read', what: 'ask the hub where it ends' }, () => this.#hub.ends()),
    };
  }

  #sleepOf(life: Life): (ms: number) => Promise<void> {
    return (ms) =>
      new Promise((resolve) => {
        this.#scheduler.at(this.#scheduler.nowMs + ms, () => {
          if (!life.ended) resolve();
        });
      });
  }

  /** What lies between a host and the store: requests wait for their turn, and what may happen to them happens. */
  #networkOf(life: Life): Network {
    return (request, run) =>
      new Promise((resolve, reject) => {
        if (this.#hasEnded) return reject(statusError(503));
        this.#scheduler.turn(() => this.#carry(life, request, run, resolve, reject));
      });
  }

  #carry<T>(
    life: Life,
    request: StoreRequest,
    run: () => T,
    resolve: (answer: T) => void,
    reject: (error: Error) => void,
  ): void {
    if (this.#hasEnded) return reject(statusError(503));
    const { faults } = this.#scenario;
    const isWrite = request.kind === 'write';
    const quietly = () => {
      try {
        run();
      } catch {
        // Nobody hears the answer.
      }
    };
    const happens = (what: string) => {
      this.#count(what);
      this.#scheduler.note(life.name, `${request.what}: ${what}`);
    };
    if (life.ended) {
      this.#abandoned.push(reject);
      if (!isWrite || this.#random() < 0.5) return;
      happens('arrives although its host has ended');
      return quietly();
    }
    if (this.#scheduler.nowMs < this.#storeOutUntilMs) return reject(statusError(503));
    const chance = this.#calm ? 1 : this.#random();
    const trouble = () => statusError(TROUBLES[pick(this.#random, TROUBLES.length)] ?? 503);
    let limit = faults.crash;
    if (chance < limit && this.#instances.some((instance) => instance.life === life)) {
      const isApplied = isWrite && this.#random() < 0.5;
      happens(isApplied ? 'its host ends after it' : 'its host ends before it');
      if (isApplied) quietly();
      this.#abandoned.push(reject);
      return this.#end(this.#instances.findIndex((instance) => instance.life === life));
    }
    if (chance < (limit += faults.fails)) {
      happens('fails');
      return reject(trouble());
    }
    if (isWrite && chance < (limit += faults.answerLost)) {
      happens('is applied, and its answer is lost');
      quietly();
      return reject(trouble());
    }
    if (isWrite && chance < (limit += faults.arrivesLate)) {
      happens('is given up, and arrives later');
      this.#scheduler.turn(quietly);
      return reject(trouble());
    }
    let answer: T;
    try {
      answer = run();
    } catch (error) {
      return reject(error as Error);
    }
    this.#scheduler.note(life.name, request.what);
    if (this.#random() >= faults.slowAnswer) return resolve(answer);
    this.#scheduler.turn(() => {
      if (life.ended) this.#abandoned.push(reject);
      else resolve(answer);
    });
  }

  #anyInstance(): Instance {
    const living = this.#instances.filter(({ life }) => !life.ended);
    const from = living.length > 0 ? living : this.#instances;
    const instance = from[pick(this.#random, from.length)];
    if (!instance) throw new Error('The world has no host.');
    return instance;
  }

  #anyPartition(): Partition | undefined {
    return this.#hub.partitions[pick(this.#random, this.#hub.partitions.length)];
  }

  #count(what: string): void {
    if (!this.#hasEnded) this.#tally[what] = (this.#tally[what] ?? 0) + 1;
  }
}

/** What the product may throw at a trigger: trouble of the store, or others that were always faster. */
function isPassing(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'number' || /contended/.test(String(error));
}
