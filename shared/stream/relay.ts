/**
 * All streams of this instance: opens them within the caps, keeps one feed per tenant that has a stream, and keeps time
 * for everyone with one timer.
 */
import { randomUUID } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { JournalEntry } from '../journal/journal-entry.ts';
import { adjust, count, record } from '../observability.ts';
import {
  AuthorityWatch,
  viewScope,
  type Authority,
  type Decision,
  type Scope,
  type StreamCaller,
} from './authority-watch.ts';
import type { Position } from './cursor.ts';
import { GatedJournal } from './gated-journal.ts';
import { JournalReader, type JournalSource } from './journal-reader.ts';
import { cutReadings, type LatestValues } from './latest-values.ts';
import { refuseForeign, refuseLargeSnapshot } from './permitted.ts';
import { refused, StreamCaps, type StreamLimits } from './stream-caps.ts';
import type { Sink } from './sink.ts';
import { Stream } from './stream.ts';
import { TenantFeed } from './tenant-feed.ts';
import { jitter, type Cancel, type Timing } from './timing.ts';
import { ViewBook, viewOf, type Selection, type View } from './view.ts';

/** The live bus, as streams use it. It may be down: then they find everything in the journal, a little later. */
export interface LiveEntries {
  /** Asks for a tenant's entries; returns what takes that back. */
  listen(tenantId: string): Cancel;
  onEntries(take: (entries: JournalEntry[]) => void): void;
  /** Entries of these tenants may be missing up to now. */
  onGap(look: (tenantIds: string[]) => void): void;
}

/** What the relay needs. */
export interface RelayParts<Caller extends StreamCaller> {
  journal: JournalSource;
  live: LiveEntries;
  authority: (caller: Caller) => Promise<Decision>;
  /** The devices that are in any of the groups now. */
  members: (tenantId: string, groups: ReadonlySet<string>) => Promise<ReadonlySet<string>>;
  /** The last values of devices, as a client gets them: those that have any. */
  latest: (tenantId: string, devices: ReadonlySet<string>) => Promise<LatestValues[]>;
  timing: Timing;
  limits: StreamLimits;
}

/** A stream to open. */
export interface OpenRequest<Caller> {
  caller: Caller;
  selection: Selection;
  /** Where to begin; undefined is now. May need the journal, so it is asked for once the caps are passed. */
  from: (journal: JournalSource) => Promise<Position | undefined>;
  /** Whether that is a cursor, and not a point in time. */
  resumed: boolean;
  /** Whether the last values of its devices come first. */
  snapshot: boolean;
  sink: Sink;
  /** Longest life of this stream, where it is shorter than `lifeMs`. */
  lifeMs?: number;
}

/** Milliseconds between two looks at every stream's clock. */
const TICK_MS = 500;
/** Milliseconds a tenant's feed outlives its last stream: clients that reconnect find it warm. */
const FEED_LINGER_MS = 30_000;
/** Streams start to age at this share of their life, so that they do not all end together. */
const LIFE_JITTER = 0.2;
interface FeedSlot {
  feed: TenantFeed;
  unlisten: Cancel;
  streams: number;
  cancelLinger: Cancel | undefined;
}

/** See the top of the file. */
export class Relay<Caller extends StreamCaller> {
  readonly #parts: RelayParts<Caller>;
  readonly #journal: GatedJournal;
  readonly #reader: JournalReader;
  readonly #caps: StreamCaps;
  readonly #authority: AuthorityWatch<Caller>;
  readonly #views = new ViewBook();
  readonly #feeds = new Map<string, FeedSlot>();
  readonly #streams = new Set<Stream>();
  #closing = false;
  #cancelTick: Cancel | undefined;

  constructor(parts: RelayParts<Caller>) {
    this.#parts = parts;
    this.#journal = new GatedJournal(parts.journal);
    this.#reader = new JournalReader(this.#journal);
    this.#caps = new StreamCaps(parts.limits, parts.timing);
    this.#authority = new AuthorityWatch((scope) => this.#authorityIn(scope), parts.timing);
    parts.live.onEntries((entries) => {
      for (const entry of entries) this.#feeds.get(entry.tenantId)?.feed.offer(entry);
    });
    parts.live.onGap((tenantIds) => {
      for (const tenantId of tenantIds) void this.#feeds.get(tenantId)?.feed.audit().catch(ignored);
    });
  }

  /** The journal, read few pages at a time by everyone together. */
  get journal(): JournalSource {
    return this.#journal;
  }

  /** Streams open now. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream.
   * @throws Problem 503 or 429 with Retry-After above a cap, 403 when the application may not or asks for a device that
   *   is not its own
   */
  async open(request: OpenRequest<Caller>): Promise<Stream> {
    const { caller, sink } = request;
    if (this.#closing) throw shuttingDown();
    const release = this.#caps.take(caller);
    try {
      const scope = scopeOf(caller, request.selection);
      const authority = await this.#decide(scope, request.selection);
      if (request.snapshot) refuseLargeSnapshot(viewOf(authority, request.selection).devices);
      const slot = this.#feedSlot(caller.tenantId);
      slot.streams += 1;
      try {
        const from = await request.from(this.#journal);
        // Who resumes need not wait for the store: a refusal would end an EventSource for good.
        if (from === undefined) await slot.feed.start();
        if (this.#closing) throw shuttingDown();
        const stream = this.#start(request, slot.feed, scope, authority, from);
        sink.onClosed(() => {
          this.#streams.delete(stream);
          this.#releaseFeed(slot);
          release();
          if (this.#streams.size === 0) this.#rest();
        });
        return stream;
      } catch (error) {
        this.#releaseFeed(slot);
        throw error;
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * What a caller sees of a selection now, for one answer.
   * @throws Problem 403, as `open`
   */
  async view(caller: Caller, selection: Selection): Promise<View> {
    return viewOf(await this.#decide(scopeOf(caller, selection), selection), selection);
  }

  /** Looks at once whether streams of these callers may go on, and what they may see: something of theirs has changed. */
  recheck(isConcerned: (caller: Caller) => boolean): void {
    this.#authority.checkNow(isConcerned);
  }

  /** Says goodbye to every stream, and opens no more. */
  close(reason = 'shutdown'): void {
    this.#closing = true;
    for (const stream of this.#streams) stream.close(reason);
    this.#cancelTick?.();
    for (const { feed, unlisten, cancelLinger } of this.#feeds.values()) {
      cancelLinger?.();
      feed.close();
      unlisten();
    }
    this.#feeds.clear();
  }

  async #decide(scope: Scope<Caller>, selection: Selection): Promise<Authority> {
    const decision = await this.#authority.decide(scope);
    if (!decision.allowed && decision.reason === 'superseded') {
      throw new Problem('ticket-superseded', 409, 'This ticket has a newer connection: get a ticket for each.');
    }
    if (!decision.allowed) {
      throw new Problem('application-not-allowed', 403, `This application is ${decision.reason}: no stream for it.`);
    }
    refuseForeign(selection, decision.authority);
    return decision.authority;
  }

  /** What an application may see, narrowed to the groups that were asked for. */
  async #authorityIn({ caller, groups, devices }: Scope<Caller>): Promise<Decision> {
    const decision = await this.#parts.authority(caller);
    if (!decision.allowed || groups === undefined) return decision;
    const members = await this.#parts.members(caller.tenantId, groups);
    const narrowed = [...decision.devices].filter((id) => members.has(id) || devices?.has(id) === true);
    return { ...decision, devices: new Set(narrowed) };
  }

  #start(
    request: OpenRequest<Caller>,
    feed: TenantFeed,
    scope: Scope<Caller>,
    authority: Authority,
    from: Position | undefined,
  ): Stream {
    const { caller, selection, sink } = request;
    const { timing, limits } = this.#parts;
    const nowMs = timing.now();
    const viewUnder = (current: Authority) => this.#views.view(viewScope(scope), current, selection);
    const lifeMs = Math.min(limits.lifeMs, request.lifeMs ?? Infinity);
    const stream = new Stream({
      sink,
      feed,
      timing,
      viewUnder,
      view: viewUnder(authority),
      expiresAtMs: caller.expiresAtMs,
      rotateAtMs: nowMs + jitter(timing, lifeMs * (1 - LIFE_JITTER / 2), LIFE_JITTER / 2),
    });
    this.#streams.add(stream);
    adjust('sluice.stream.active', 1);
    record('sluice.stream.utilization', this.#caps.taken / limits.streams);
    if (request.resumed) count('sluice.stream.resumed');
    const unwatch = this.#authority.watch(scope, authority, stream);
    sink.onClosed(() => {
      adjust('sluice.stream.active', -1);
      unwatch();
    });
    const opening = {
      session: randomUUID(),
      resumed: request.resumed,
      retentionFrom: new Date(nowMs - limits.retentionMs).toISOString(),
      tokenExpiresAt: new Date(caller.expiresAtMs).toISOString(),
    };
    const { parameters } = selection;
    const latest = async () => cutReadings(await this.#parts.latest(caller.tenantId, stream.view.devices), parameters);
    stream.start(from, opening, request.snapshot ? latest : undefined);
    this.#cancelTick ??= timing.every(TICK_MS, () => this.#tick());
    return stream;
  }

  /** Nothing is kept, and nothing ticks, while there is no stream. */
  #rest(): void {
    this.#views.clear();
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #tick(): void {
    const nowMs = this.#parts.timing.now();
    for (const stream of this.#streams) stream.tick(nowMs);
    this.#caps.sweep();
  }

  #feedSlot(tenantId: string): FeedSlot {
    let slot = this.#feeds.get(tenantId);
    if (slot === undefined) {
      const feed = new TenantFeed(tenantId, this.#reader, this.#parts.timing);
      slot = { feed, unlisten: this.#parts.live.listen(tenantId), streams: 0, cancelLinger: undefined };
      this.#feeds.set(tenantId, slot);
    }
    slot.cancelLinger?.();
    slot.cancelLinger = undefined;
    return slot;
  }

  #releaseFeed(slot: FeedSlot): void {
    slot.streams -= 1;
    if (slot.streams > 0) return;
    slot.cancelLinger = this.#parts.timing.after(FEED_LINGER_MS, () => {
      slot.feed.close();
      slot.unlisten();
      this.#feeds.delete(slot.feed.tenantId);
    });
  }
}

function scopeOf<Caller extends StreamCaller>(caller: Caller, { devices, groups }: Selection): Scope<Caller> {
  return { caller, ...(groups ? { groups, ...(devices ? { devices } : {}) } : {}) };
}

/** A look at the heads that fails is repeated by the next one. */
function ignored(): void {}

function shuttingDown(): Problem {
  return refused('shutting-down', 503, 'This instance is shutting down.', 1);
}
