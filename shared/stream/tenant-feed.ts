/**
 * The live side of one tenant on this instance: takes entries from the live bus, brings every lane into order, and hands
 * them to the streams that are level with it. All of those stand at one position, so that is kept once, here.
 *
 * The bus only wakes: a number that is missing, or a head that lies beyond what came, is read from the journal. So a lost
 * publish, a lost last publish and a lost Web PubSub session end the same way.
 */
import type { JournalEntry } from '../journal/journal-entry.ts';
import { Cohorts, type LiveStream, type Place } from './cohorts.ts';
import { formatCursor, LANE_START, type LanePosition, type Position } from './cursor.ts';
import { FramedEntry } from './framed-entry.ts';
import type { JournalReader } from './journal-reader.ts';
import { LaneTail } from './lane-tail.ts';
import { jitter, pause, type Cancel, type Timing } from './timing.ts';
import type { View } from './view.ts';

/** A stream as its feed knows it. */
export interface FeedStream extends LiveStream {
  /** Entries are gone for good: the stream's new place is `gap.to`. */
  announceGap(gap: Gap): void;
  /** The reader is too slow: the stream is no longer level and goes on from `position` by itself. */
  fallBehind(position: Position): void;
}

/** Entries that can no longer be had. `from` and `to` are cursors. */
export interface Gap {
  /** Older than the journal keeps, or the lane began anew. */
  reason: 'expired' | 'reset';
  from: string;
  to: string;
}

/** Milliseconds between two looks at the heads of a tenant's lanes: finds a last publish that was lost. */
const AUDIT_MS = 10_000;
/** The first looks come sooner: a publisher may not have heard yet that this tenant has a listener. */
const FIRST_AUDITS_MS = [300, 400, 500, 600, 1_000, 2_000, 4_000];
/** Milliseconds between two attempts to read what should be there: replicas lag, stores throttle. */
const RETRY_MS = 250;
/** Attempts to read what should be there, before the next audit takes over. */
const REPAIR_ATTEMPTS = 8;
/** Audits in a row that must see a head behind us before the lane counts as begun anew. */
const RESET_AUDITS = 2;
/** Longest wait before a write, in milliseconds, while writing takes most of the process's time. */
const WRITE_WAIT_MAX_MS = 50;
/** A write that took this many milliseconds makes the next one wait as long, so that more fits into it. */
const WRITE_HEAVY_MS = 5;

interface Lane {
  readonly tail: LaneTail;
  /** The last entry that was handed out. */
  n: number;
  /** The highest number heard of. */
  wanted: number;
  repairing: boolean;
  auditsBehind: number;
}

/** See the top of the file. */
export class TenantFeed {
  readonly tenantId: string;
  readonly #reader: JournalReader;
  readonly #timing: Timing;
  readonly #lanes = new Map<string, Lane>();
  readonly #cohorts = new Cohorts<FeedStream>();
  #starting: Promise<void> | undefined;
  #started = false;
  #closed = false;
  /** Where level streams stand: everything up to here was written to them, or is held back by their interval. */
  #place: Place = { position: new Map(), cursor: formatCursor(new Map()) };
  #due: { atMs: number; cancel: Cancel } | undefined;
  #unwritten = false;
  #writeScheduled = false;
  #writeMs = 0;
  #audit: Promise<void> | undefined;
  #audits = 0;
  #cancelAudit: Cancel | undefined;

  constructor(tenantId: string, reader: JournalReader, timing: Timing) {
    this.tenantId = tenantId;
    this.#reader = reader;
    this.#timing = timing;
  }

  /** "Now": everything up to here was handed out. */
  get position(): Position {
    this.write();
    return this.#place.position;
  }

  /** Where the level streams of a view stand. */
  placeOf(view: View): Place {
    return this.#cohorts.held(view) ?? this.#place;
  }

  /** Whether the level streams of a view were sent events that the cursor of their place does not cover. */
  unsealed(view: View): boolean {
    return this.#cohorts.unsealed(view);
  }

  /** Whether it has a position. */
  get started(): boolean {
    return this.#started;
  }

  /** Takes up the position "now". Subscribe to the bus before, so that nothing falls in between. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const heads = await this.#reader.heads(this.tenantId);
    for (const [name, n] of heads) this.#lane(name).n = n;
    this.#started = true;
    this.#unwritten = true;
    this.write();
    for (const [name, lane] of this.#lanes) if (lane.wanted > lane.n) void this.#repair(name, lane);
    this.#scheduleAudit();
  }

  /** Ends timers; streams are not told. */
  close(): void {
    this.#closed = true;
    this.#cancelAudit?.();
    this.#due?.cancel();
  }

  /** Takes an entry from the bus. */
  offer(entry: JournalEntry): void {
    const lane = this.#lane(entry.lane);
    lane.wanted = Math.max(lane.wanted, entry.n);
    if (!this.#started || this.#closed) return;
    if (entry.n === lane.n + 1) this.#advance(lane, new FramedEntry(entry));
    else if (entry.n > lane.n + 1) void this.#repair(entry.lane, lane);
  }

  /** A page of a lane after entry `after`: from memory when it is recent, from the journal otherwise. */
  async page(name: string, after: number): Promise<FramedEntry[]> {
    const recent = this.#lane(name).tail.after(after);
    if (recent !== undefined) return recent;
    const page = await this.#reader.page(this.tenantId, name, after);
    // What one stream finds beyond the live side is news for all.
    const lane = this.#lane(name);
    for (const framed of page) if (this.#started && framed.entry.n === lane.n + 1) this.#advance(lane, framed);
    return page;
  }

  /** A lane in which `position` is behind the feed; the next one after `last`, so that lanes take turns. */
  laneBehind(position: Position, last?: string): string | undefined {
    let first: string | undefined;
    let passed = false;
    for (const [name, { n }] of this.#lanes) {
      if ((position.get(name) ?? LANE_START).n < n) {
        if (passed) return name;
        first ??= name;
      }
      passed ||= name === last;
    }
    return first;
  }

  /** The lane in which `position` is ahead of the feed. */
  laneAhead(position: Position): string | undefined {
    for (const [name, { n, i }] of position) {
      const reached = this.#lanes.get(name)?.n ?? 0;
      if (n > reached || (n === reached && i > 0)) return name;
    }
    return undefined;
  }

  /** The number of a lane's last entry that was handed out. */
  reached(name: string): number {
    return this.#lanes.get(name)?.n ?? 0;
  }

  /** Makes a stream at `position` live, if it is level with the feed. From then on it is delivered to. */
  join(stream: FeedStream, position: Position): boolean {
    if (!this.#started || this.laneBehind(position) !== undefined || this.laneAhead(position) !== undefined)
      return false;
    this.joinNow(stream);
    return true;
  }

  /** Makes a stream live from now on. Its place is `placeOf` its view. */
  joinNow(stream: FeedStream): void {
    // What its cohort has lies before the stream's place: it must be out before the stream is in.
    this.#cohorts.hasten(stream.view);
    this.write();
    this.#cohorts.add(stream);
  }

  /** Takes a live stream out, after everything that is at hand for it. */
  leave(stream: FeedStream): void {
    this.#cohorts.hasten(stream.view);
    this.write();
    this.#cohorts.remove(stream);
  }

  /** Writes what is at hand, and due, to level streams. */
  write(): void {
    const startedMs = this.#timing.now();
    const before = this.#place;
    if (this.#unwritten) {
      this.#unwritten = false;
      const position = new Map([...this.#lanes].map(([name, { n }]) => [name, { n, i: 0 } satisfies LanePosition]));
      this.#place = { position, cursor: formatCursor(position) };
    }
    const { slow, dueMs } = this.#cohorts.write(before, this.#place, startedMs);
    for (const { stream, place } of slow) stream.fallBehind(place.position);
    if (dueMs !== undefined) this.#scheduleDue(dueMs);
    this.#writeMs = this.#timing.now() - startedMs;
  }

  #scheduleDue(atMs: number): void {
    if (this.#due !== undefined && this.#due.atMs <= atMs) return;
    this.#due?.cancel();
    const cancel = this.#timing.after(atMs - this.#timing.now(), () => {
      this.#due = undefined;
      this.write();
    });
    this.#due = { atMs, cancel };
  }

  /** Looks at the heads now and fetches what did not come; looks that overlap are one. */
  audit(): Promise<void> {
    this.#audit ??= this.#lookAtHeads().finally(() => {
      this.#audit = undefined;
    });
    return this.#audit;
  }

  async #lookAtHeads(): Promise<void> {
    const reachedBefore = new Map([...this.#lanes].map(([name, { n }]) => [name, n]));
    const heads = await this.#reader.heads(this.tenantId);
    if (this.#closed) return;
    for (const [name, n] of heads) {
      const lane = this.#lane(name);
      const isBehind = n < (reachedBefore.get(name) ?? 0);
      lane.auditsBehind = isBehind ? lane.auditsBehind + 1 : 0;
      if (lane.auditsBehind >= RESET_AUDITS) this.#reset(lane, n);
      lane.wanted = Math.max(lane.wanted, n);
      if (lane.wanted > lane.n) void this.#repair(name, lane);
    }
  }

  #scheduleAudit(): void {
    const ms = FIRST_AUDITS_MS[this.#audits] ?? AUDIT_MS;
    this.#audits += 1;
    this.#cancelAudit = this.#timing.after(jitter(this.#timing, ms), () => {
      const again = () => (this.#closed ? undefined : this.#scheduleAudit());
      // A failed look is repeated like any other.
      void this.audit()
        .catch(() => undefined)
        .then(again);
    });
  }

  /** Reads a lane from the journal until everything heard of was handed out. */
  async #repair(name: string, lane: Lane): Promise<void> {
    if (lane.repairing) return;
    lane.repairing = true;
    let failures = 0;
    while (!this.#closed && lane.wanted > lane.n && failures < REPAIR_ATTEMPTS) {
      const page = await this.#reader.page(this.tenantId, name, lane.n).catch(() => []);
      for (const framed of page) {
        if (framed.entry.n > lane.n + 1) this.#jump(lane, framed.entry.n - 1, 'expired');
        if (framed.entry.n === lane.n + 1) this.#advance(lane, framed);
      }
      if (page.length > 0) failures = 0;
      else await pause(this.#timing, jitter(this.#timing, RETRY_MS * 2 ** Math.min(failures++, 4)));
    }
    lane.repairing = false;
  }

  #advance(lane: Lane, framed: FramedEntry): void {
    lane.n = framed.entry.n;
    lane.wanted = Math.max(lane.wanted, lane.n);
    lane.tail.push(framed);
    this.#unwritten = true;
    if (this.#cohorts.append(framed, this.#place)) this.write();
    else this.#scheduleWrite();
  }

  #scheduleWrite(): void {
    if (this.#writeScheduled) return;
    this.#writeScheduled = true;
    const run = () => {
      this.#writeScheduled = false;
      this.write();
    };
    if (this.#writeMs < WRITE_HEAVY_MS) this.#timing.soon(run);
    else this.#timing.after(Math.min(this.#writeMs, WRITE_WAIT_MAX_MS), run);
  }

  /** The lane's numbers began anew, because the store was emptied or restored: all that is in it is news. */
  #reset(lane: Lane, head: number): void {
    lane.auditsBehind = 0;
    lane.wanted = head;
    this.#jump(lane, 0, 'reset');
  }

  #jump(lane: Lane, to: number, reason: Gap['reason']): void {
    this.write();
    const from = this.#place.cursor;
    lane.n = to;
    lane.tail.clear();
    this.#unwritten = true;
    this.write();
    const gap = { reason, from, to: this.#place.cursor };
    for (const stream of this.#cohorts.streams()) stream.announceGap(gap);
  }

  #lane(name: string): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { tail: new LaneTail(), n: 0, wanted: 0, repairing: false, auditsBehind: 0 };
      this.#lanes.set(name, lane);
    }
    return lane;
  }
}
