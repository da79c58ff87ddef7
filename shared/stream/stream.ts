/**
 * One open stream: a machine that catches up from the journal at its reader's pace, then is live, and falls back to
 * catching up whenever the reader is too slow. Resume, a slow reader and a lost session are the same path.
 */
import { count } from '../observability.ts';
import type { Authority, Watcher } from './authority-watch.ts';
import { formatCursor, LANE_START, type LanePosition, type Position } from './cursor.ts';
import type { EventType } from './framing.ts';
import type { FramedEntry } from './framed-entry.ts';
import { Newest } from './newest.ts';
import type { FeedStream, Gap, TenantFeed } from './tenant-feed.ts';
import { jitter, pause, type Timing } from './timing.ts';
import type { View } from './view.ts';

/** Where a stream writes to. After the reader left, nothing has an effect. */
export interface Sink {
  write(bytes: Uint8Array | string): void;
  /** Bytes accepted that the reader has not taken. */
  readonly pending: number;
  /** Resolves when more may be written, or the reader left. */
  drained(): Promise<void>;
  /** Ends the response; what is pending still goes out, for `graceMs` at most. */
  end(graceMs: number): void;
  /** True when the reader left, or the response ended. */
  readonly closed: boolean;
  /** Calls once when the reader leaves, or has left. */
  onClosed(run: () => void): void;
}

/** Bytes that a live stream may have pending; above it the stream goes back to the journal. */
export const STREAM_BUFFER_BYTES = 256 * 1024;
/** Milliseconds without a write after which a heartbeat is sent: front ends drop what is idle for 230 s. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds before the token's end at which the client is told. */
const TOKEN_NOTICE_MS = 60_000;
/** Characters of frames of one write while catching up. */
const WRITE_CHARS = 64 * 1024;
/** Milliseconds before a failed or fruitless read is tried again; doubled each time up to 16 times. */
const RETRY_MS = 250;
/** Reads in a row that find nothing, where something should be, before it counts as expired. */
const FRUITLESS_READS = 4;
/** Looks at the heads that must find a cursor ahead of the journal before its lane counts as begun anew. */
const AHEAD_LOOKS = 3;
/** Milliseconds between those looks. */
const AHEAD_LOOK_MS = 1_000;
/** Milliseconds that a reader has to take what is pending when its stream ends. */
const END_GRACE_MS = 5_000;
/** Range of the reconnection time that clients are told, in milliseconds: they must not all come back at once. */
const RETRY_RANGE_MS = { from: 1_000, to: 3_000 };

/** What a stream is made of. */
export interface StreamParts {
  sink: Sink;
  feed: TenantFeed;
  view: View;
  timing: Timing;
  /** When the access token expires, epoch milliseconds. */
  expiresAtMs: number;
  /** When the stream ends by itself, epoch milliseconds. */
  rotateAtMs: number;
  /** The view under a changed policy. */
  viewUnder: (authority: Authority) => View;
}

/** See the top of the file. */
export class Stream implements FeedStream, Watcher {
  readonly #parts: StreamParts;
  #view: View;
  #live = false;
  #ended = false;
  /** Where it stands while it is not live. */
  #position = new Map<string, LanePosition>();
  /** With an interval, while it is not live: what is held back, and the cursor before it. */
  readonly #newest = new Newest();
  #heldCursor: string | undefined;
  #lastWriteMs: number;
  #noticed = false;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#view = parts.view;
    this.#lastWriteMs = parts.timing.now();
  }

  get view(): View {
    return this.#view;
  }

  /** True while it is level with its feed. */
  get live(): boolean {
    return this.#live;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get #cursor(): string {
    if (this.#live) return this.#parts.feed.placeOf(this.#view).cursor;
    return this.#heldCursor ?? formatCursor(this.#position);
  }

  /**
   * Sends the opening and starts.
   * @param from where to resume; undefined is now
   * @param opening payload of the `ready` event
   * @param latest the last values of the view's devices, where the client wants them first
   */
  start(from: Position | undefined, opening: object, latest?: () => Promise<object[]>): void {
    const { feed, sink, timing } = this.#parts;
    sink.onClosed(() => this.#readerLeft());
    if (this.#ended) return;
    if (from === undefined && latest === undefined) {
      feed.joinNow(this);
      this.#live = true;
    } else {
      this.#position = new Map(from ?? feed.position);
    }
    const { from: least, to: most } = RETRY_RANGE_MS;
    sink.write(this.#view.lens.framing.preamble(Math.round(least + timing.random() * (most - least))));
    this.#tell('ready', opening);
    if (this.#live) return;
    void (async () => {
      if (latest !== undefined) await this.#sendLatest(latest);
      await this.#catchUp();
    })();
  }

  /** Sends the last values. Its place in the journal was taken before they were read: newer ones follow. */
  async #sendLatest(latest: () => Promise<object[]>): Promise<void> {
    const { framing } = this.#view.lens;
    let frames = '';
    for (const values of await this.#untilAnswered(latest)) {
      frames += framing.frame('snapshot', JSON.stringify(values));
      if (frames.length < WRITE_CHARS) continue;
      this.#write(framing.seal(frames, this.#cursor));
      frames = '';
      await this.#parts.sink.drained();
      if (this.#ended) return;
    }
    if (frames !== '' && !this.#ended) this.#write(framing.seal(frames, this.#cursor));
  }

  /** Asks until there is an answer, or the stream has ended. */
  async #untilAnswered<T>(ask: () => Promise<T[]>): Promise<T[]> {
    const { timing } = this.#parts;
    while (!this.#ended) {
      try {
        return await ask();
      } catch {
        await pause(timing, jitter(timing, RETRY_MS * 4));
      }
    }
    return [];
  }

  /** Takes a live write. */
  deliver(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    const { sink } = this.#parts;
    if (sink.pending > 0 && sink.pending + bytes.byteLength > STREAM_BUFFER_BYTES) return false;
    this.#write(bytes);
    return true;
  }

  fallBehind(position: Position): void {
    this.#live = false;
    if (this.#ended) return;
    this.#position = new Map(position);
    void this.#catchUp();
  }

  announceGap(gap: Gap): void {
    if (this.#ended) return;
    count('sluice.stream.gaps');
    this.#tell('gap', gap);
  }

  authorityChanged(authority: Authority): void {
    const view = this.#parts.viewUnder(authority);
    if (view === this.#view) return;
    // What was appended under the old view goes out under it: it was permitted when it happened.
    if (this.#live) this.#parts.feed.leave(this);
    this.#view = view;
    if (this.#live) this.#parts.feed.joinNow(this);
  }

  authorityEnded(reason: string): void {
    this.close(reason);
  }

  /** Heartbeat, notice of the token's end, and the ends that time brings. Call it about every second. */
  tick(nowMs: number): void {
    const { expiresAtMs, rotateAtMs, sink } = this.#parts;
    if (this.#ended) return;
    if (nowMs >= expiresAtMs) return this.close('token_expired');
    if (nowMs >= rotateAtMs) return this.close('rotate');
    if (nowMs >= expiresAtMs - TOKEN_NOTICE_MS && !this.#noticed) {
      this.#noticed = true;
      this.#tell('token_expiring', { expiresAt: new Date(expiresAtMs).toISOString(), cursor: this.#cursor });
    }
    // A reader that has something to read needs no heartbeat.
    if (nowMs - this.#lastWriteMs >= HEARTBEAT_MS && sink.pending === 0) {
      this.#tell('heartbeat', { ts: new Date(nowMs).toISOString() });
    }
  }

  /** Says why, and ends the stream. */
  close(reason: string): void {
    if (this.#ended) return;
    if (this.#live) this.#parts.feed.leave(this);
    this.#tell('close', { reason, cursor: this.#cursor });
    this.#ended = true;
    this.#parts.sink.end(END_GRACE_MS);
  }

  #readerLeft(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#live) this.#parts.feed.leave(this);
  }

  async #catchUp(): Promise<void> {
    const { sink, feed, timing } = this.#parts;
    let fruitless = 0;
    let aheadLooks = 0;
    let last: string | undefined;
    for (;;) {
      await sink.drained();
      if (this.#ended || !(await this.#feedStarted())) return;
      const name = feed.laneBehind(this.#position, last);
      if (name === undefined) {
        this.#writeHeld();
        if (this.#goLive()) return;
        aheadLooks = await this.#lookAhead(aheadLooks);
        continue;
      }
      last = name;
      const page = await this.#page(name);
      if (this.#ended) return;
      if (page !== undefined && page.length > 0) {
        fruitless = 0;
        await this.#send(name, page);
        continue;
      }
      fruitless += 1;
      if (page !== undefined && fruitless >= FRUITLESS_READS) this.#skip(name, feed.reached(name), 'expired');
      else await pause(timing, jitter(timing, RETRY_MS * 2 ** Math.min(fruitless - 1, 4)));
    }
  }

  /** Waits until the feed knows where "now" is; false when the stream ended meanwhile. */
  async #feedStarted(): Promise<boolean> {
    const { feed, timing } = this.#parts;
    while (!this.#ended && !feed.started) {
      try {
        await feed.start();
      } catch {
        await pause(timing, jitter(timing, RETRY_MS * 4));
      }
    }
    return !this.#ended;
  }

  #goLive(): boolean {
    if (!this.#parts.feed.join(this, this.#position)) return false;
    this.#live = true;
    this.#position = new Map();
    return true;
  }

  /** A page of a lane; undefined when the store gave none. A failing store must not end a stream. */
  async #page(name: string): Promise<FramedEntry[] | undefined> {
    const { n } = this.#position.get(name) ?? LANE_START;
    try {
      return await this.#parts.feed.page(name, n);
    } catch {
      return undefined;
    }
  }

  /** The cursor is ahead of what the feed has seen: it is a moment older than the cursor, or the journal began anew. */
  async #lookAhead(looks: number): Promise<number> {
    const { feed, timing } = this.#parts;
    const before = feed.laneAhead(this.#position);
    if (before === undefined) return 0;
    const looked = await feed.audit().then(
      () => true,
      () => false,
    );
    await pause(timing, AHEAD_LOOK_MS);
    if (!looked || feed.laneAhead(this.#position) !== before) return 0;
    if (looks + 1 < AHEAD_LOOKS) return looks + 1;
    if (!this.#ended) this.#skip(before, 0, 'reset');
    return 0;
  }

  async #send(name: string, page: FramedEntry[]): Promise<void> {
    const batch = { frames: '', events: 0 };
    for (const framed of page) {
      const { n } = framed.entry;
      const place = this.#position.get(name) ?? LANE_START;
      if (n <= place.n) continue;
      if (n > place.n + 1) {
        this.#writeBatch(batch);
        this.#skip(name, n - 1, 'expired');
      }
      for (let index = n === place.n + 1 ? place.i : 0; index < framed.size; index++) {
        const frame = framed.frame(index, this.#view);
        if (frame === undefined) continue;
        const event = framed.entry.e[index];
        if (this.#view.everyMs !== undefined && event?.k === 'telemetry') {
          this.#position.set(name, { n: n - 1, i: index });
          this.#heldCursor ??= formatCursor(this.#position);
          this.#newest.set(event.d.deviceId, frame);
        } else {
          this.#release(batch);
          batch.frames += frame;
          batch.events += 1;
        }
        if (batch.frames.length + this.#newest.chars < WRITE_CHARS) continue;
        this.#position.set(name, { n: n - 1, i: index + 1 });
        this.#release(batch);
        this.#writeBatch(batch);
        await this.#parts.sink.drained();
        if (this.#ended) return;
      }
      this.#position.set(name, { n, i: 0 });
    }
    this.#writeBatch(batch);
  }

  /** Lets go of what an interval holds back: from here on the cursor covers it. */
  #release(batch: { frames: string; events: number }): void {
    this.#heldCursor = undefined;
    batch.events += this.#newest.size;
    batch.frames += this.#newest.take();
  }

  #writeHeld(): void {
    const batch = { frames: '', events: 0 };
    this.#release(batch);
    this.#writeBatch(batch);
  }

  #writeBatch(batch: { frames: string; events: number }): void {
    if (batch.events === 0) return;
    this.#write(this.#view.lens.framing.seal(batch.frames, this.#cursor));
    count('sluice.stream.delivered', batch.events);
    batch.frames = '';
    batch.events = 0;
  }

  #skip(name: string, n: number, reason: Gap['reason']): void {
    this.#writeHeld();
    const from = formatCursor(this.#position);
    this.#position.set(name, { n, i: 0 });
    this.announceGap({ reason, from, to: formatCursor(this.#position) });
  }

  /** Sends one named event with the cursor. */
  #tell(type: EventType, data: object): void {
    const { framing } = this.#view.lens;
    this.#write(framing.seal(framing.frame(type, JSON.stringify(data)), this.#cursor));
  }

  #write(bytes: Uint8Array | string): void {
    this.#lastWriteMs = this.#parts.timing.now();
    this.#parts.sink.write(bytes);
  }
}
