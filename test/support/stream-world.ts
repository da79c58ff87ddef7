/**
 * The surroundings of the stream machine in memory: a journal that is slow and sometimes fails, a bus that loses and
 * reorders, and readers that stall, leave and come back. Only for the pure machine; everything else is tested on the wire.
 */
import type { JournalEntry, JournalEvent } from '../../shared/journal/journal-entry.ts';
import type { Decision, StreamCaller } from '../../shared/stream/authority-watch.ts';
import { parseCursor, type Position } from '../../shared/stream/cursor.ts';
import { sse } from '../../shared/stream/framing.ts';
import type { JournalSource } from '../../shared/stream/journal-reader.ts';
import type { LatestValues } from '../../shared/stream/latest-values.ts';
import { Relay, type LiveEntries } from '../../shared/stream/relay.ts';
import type { StreamLimits } from '../../shared/stream/stream-caps.ts';
import type { SharedBytes } from '../../shared/stream/shared-bytes.ts';
import type { Sink } from '../../shared/stream/sink.ts';
import type { Stream } from '../../shared/stream/stream.ts';
import type { Selection } from '../../shared/stream/view.ts';
import { ManualTiming } from './manual-timing.ts';

/** Entries by tenant and lane. */
export class MemoryJournal implements JournalSource {
  readonly entries = new Map<string, JournalEntry[]>();
  /** Entries up to this number have expired, by tenant and lane. */
  readonly expired = new Map<string, number>();
  /** Waits before an answer, or throws instead of one. */
  trouble: () => Promise<void> = () => Promise.resolve();
  reads = 0;

  append(tenantId: string, lane: string, e: JournalEvent[], enq = 0): JournalEntry {
    const list = this.#list(tenantId, lane);
    const n = (list.at(-1)?.n ?? 0) + 1;
    const entry = { tenantId, lane, n, to: { seq: n, enq }, e };
    list.push(entry);
    return entry;
  }

  expire(tenantId: string, lane: string, upTo: number): void {
    this.expired.set(`${tenantId}|${lane}`, upTo);
  }

  async lanes(tenantId: string): Promise<string[]> {
    await this.trouble();
    return [...this.entries.keys()]
      .filter((key) => key.startsWith(`${tenantId}|`))
      .map((key) => key.split('|')[1] ?? '');
  }

  async head(tenantId: string, lane: string): Promise<{ n: number; to: { seq: number; enq: number } } | undefined> {
    const last = this.#list(tenantId, lane).at(-1);
    await this.trouble();
    return last && { n: last.n, to: last.to };
  }

  async read(tenantId: string, lane: string, after: number, max = 50): Promise<JournalEntry[]> {
    this.reads += 1;
    const from = Math.max(after, this.expired.get(`${tenantId}|${lane}`) ?? 0);
    const page = this.#list(tenantId, lane).slice(from, from + max);
    await this.trouble();
    return page;
  }

  #list(tenantId: string, lane: string): JournalEntry[] {
    const key = `${tenantId}|${lane}`;
    let list = this.entries.get(key);
    if (list === undefined) this.entries.set(key, (list = []));
    return list;
  }
}

/** A bus that the test feeds. */
class MemoryBus implements LiveEntries {
  take: (entries: JournalEntry[]) => void = () => undefined;
  look: (tenantIds: string[]) => void = () => undefined;
  readonly listening: string[] = [];

  listen(tenantId: string): () => void {
    this.listening.push(tenantId);
    return () => void this.listening.splice(this.listening.indexOf(tenantId), 1);
  }

  onEntries(take: (entries: JournalEntry[]) => void): void {
    this.take = take;
  }

  onGap(look: (tenantIds: string[]) => void): void {
    this.look = look;
  }
}

/** One block of an SSE response. */
export interface Block {
  type: string;
  id: string | undefined;
  data: Record<string, unknown>;
}

/** A reader: takes what is written, at once or when the test says so. */
export class MemorySink implements Sink {
  closed = false;
  /** Bytes that are written and not taken; everything is taken at once unless `stalled`. */
  pending = 0;
  stalled = false;
  text = '';
  writes = 0;
  peak = 0;
  readonly #untaken: string[] = [];
  #wake: (() => void)[] = [];
  readonly #closedListeners: (() => void)[] = [];

  write(data: SharedBytes | string): void {
    if (this.closed) return;
    this.writes += 1;
    this.#untaken.push(typeof data === 'string' ? data : new TextDecoder().decode(data.bytes));
    this.pending += typeof data === 'string' ? data.length : data.bytes.length;
    this.peak = Math.max(this.peak, this.pending);
    if (!this.stalled) this.takeAll();
  }

  /** The reader reads everything that is there. */
  takeAll(): void {
    this.text += this.#untaken.splice(0).join('');
    this.pending = 0;
    for (const wake of this.#wake.splice(0)) wake();
  }

  drained(): Promise<void> {
    if (this.pending < 16_384 || this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  end(): void {
    if (!this.stalled) this.takeAll();
    this.leave();
  }

  /** The reader goes. What it has not taken is lost. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    for (const wake of this.#wake.splice(0)) wake();
    for (const run of this.#closedListeners.splice(0)) run();
  }

  onClosed(run: () => void): void {
    if (this.closed) run();
    else this.#closedListeners.push(run);
  }

  /** What the reader has read, whole blocks only. */
  blocks(): Block[] {
    return parseBlocks(this.text);
  }
}

/** Parses an SSE text as WHATWG HTML §9.2.6 says, as far as our framing goes. */
export function parseBlocks(text: string): Block[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((block) => {
      const fields = new Map(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      return {
        type: fields.get('event') ?? 'message',
        id: fields.get('id'),
        data: JSON.parse(fields.get('data') ?? '{}'),
      };
    });
}

/** A telemetry event. */
export function telemetry(
  deviceId: string,
  eventId: string,
  readings: Record<string, number | string> = { t: 1 },
): JournalEvent {
  const ts = '2026-11-24T00:00:00.000Z';
  return { k: 'telemetry', d: { eventId, deviceId, ts, receivedTs: ts, readings } };
}

const LIMITS: StreamLimits = {
  streams: 100,
  streamsPerTenant: 80,
  streamsPerApplication: 50,
  lifeMs: 900_000,
  retentionMs: 86_400_000,
};

/** A relay in its surroundings. `policy` is what its applications may see, to be changed at will. */
export function streamWorld(seed = 1, limits: Partial<StreamLimits> = {}) {
  const timing = new ManualTiming(seed);
  const journal = new MemoryJournal();
  const live = new MemoryBus();
  const policy: { decision: Decision; members: Set<string>; latest: LatestValues[] } = {
    decision: { allowed: true, devices: new Set(['d1', 'd2']), includeAnomalies: true },
    members: new Set<string>(),
    latest: [],
  };
  const relay = new Relay<StreamCaller>({
    journal,
    live,
    timing,
    authority: () => Promise.resolve(policy.decision),
    members: () => Promise.resolve(policy.members),
    latest: (_tenantId, devices) => Promise.resolve(policy.latest.filter(({ deviceId }) => devices.has(deviceId))),
    limits: { ...LIMITS, ...limits },
  });
  const caller: StreamCaller = {
    tenantId: 'acme',
    applicationId: 'app',
    tokenId: 'token',
    expiresAtMs: timing.now() + 3_600_000,
  };

  /** Appends one entry and, unless it is to be lost, publishes it. */
  function say(lane: string, e: JournalEvent[], lost = false): JournalEntry {
    const entry = journal.append('acme', lane, e, timing.now());
    if (!lost) live.take([entry]);
    return entry;
  }

  async function open(
    options: {
      cursor?: string;
      selection?: Partial<Selection>;
      caller?: Partial<StreamCaller>;
      sink?: MemorySink;
      snapshot?: boolean;
    } = {},
  ): Promise<{ sink: MemorySink; stream: Stream }> {
    const sink = options.sink ?? new MemorySink();
    const from: Position | undefined = options.cursor === undefined ? undefined : parseCursor(options.cursor);
    const stream = await relay.open({
      caller: { ...caller, ...options.caller },
      selection: {
        framing: sse,
        format: 'plain',
        types: new Set(['telemetry', 'alert', 'anomaly']),
        ...options.selection,
      },
      from: () => Promise.resolve(from),
      resumed: from !== undefined,
      snapshot: options.snapshot ?? false,
      sink,
    });
    return { sink, stream };
  }

  return { timing, journal, live, policy, relay, caller, say, open };
}
