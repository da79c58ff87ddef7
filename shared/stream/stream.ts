/**
 * One open stream: it catches up from the journal at its reader's pace, then is live, and catches up again whenever the
 * reader is too slow. Beside that it keeps its reader informed: the opening, heartbeats, the end of the token, the goodbye.
 */
import { count } from '../observability.ts';
import type { Authority, Watcher } from './authority-watch.ts';
import { CatchUp, type CatchingUp } from './catch-up.ts';
import type { Position } from './cursor.ts';
import type { EventType } from './framing.ts';
import type { SharedBytes } from './shared-bytes.ts';
import type { Sink } from './sink.ts';
import type { FeedStream, Gap, TenantFeed } from './tenant-feed.ts';
import type { Timing } from './timing.ts';
import type { View } from './view.ts';

/** Bytes that a live stream may have pending; above it the stream goes back to the journal. */
export const STREAM_BUFFER_BYTES = 256 * 1024;
/** Milliseconds without a write after which a heartbeat is sent: front ends drop what is idle for 230 s. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds before the token's end at which the client is told. */
const TOKEN_NOTICE_MS = 60_000;
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
export class Stream implements FeedStream, Watcher, CatchingUp {
  readonly #parts: StreamParts;
  #view: View;
  /** While it is not live. */
  #catchUp: CatchUp | undefined;
  #live = false;
  #ended = false;
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
    return this.#catchUp?.cursor ?? this.#parts.feed.placeOf(this.#view).cursor;
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
      this.#catchUp = new CatchUp(this, this.#parts, from ?? feed.position);
    }
    const { from: least, to: most } = RETRY_RANGE_MS;
    sink.write(this.#view.lens.framing.preamble(Math.round(least + timing.random() * (most - least))));
    this.#tell('ready', opening);
    if (this.#catchUp !== undefined) void this.#begin(this.#catchUp, latest);
  }

  async #begin(catchUp: CatchUp, latest: (() => Promise<object[]>) | undefined): Promise<void> {
    if (latest !== undefined) await catchUp.sendLatest(latest);
    await catchUp.run();
  }

  /** Takes a live write. */
  deliver(data: SharedBytes): boolean {
    if (this.#ended) return true;
    const { pending } = this.#parts.sink;
    if (pending > 0 && pending + data.bytes.byteLength > STREAM_BUFFER_BYTES) return false;
    this.write(data);
    return true;
  }

  fallBehind(position: Position): void {
    this.#live = false;
    if (this.#ended) return;
    this.#catchUp = new CatchUp(this, this.#parts, position);
    void this.#catchUp.run();
  }

  goLive(position: Position): boolean {
    if (!this.#parts.feed.join(this, position)) return false;
    this.#live = true;
    this.#catchUp = undefined;
    return true;
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

  /** Writes, and remembers when. */
  write(data: SharedBytes | string): void {
    this.#lastWriteMs = this.#parts.timing.now();
    this.#parts.sink.write(data);
  }

  #readerLeft(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#live) this.#parts.feed.leave(this);
  }

  /** Sends one named event with the cursor; without where events were sent that this does not cover, or they came twice. */
  #tell(type: EventType, data: object): void {
    const { framing } = this.#view.lens;
    const frame = framing.frame(type, JSON.stringify(data));
    const ahead = this.#live && this.#parts.feed.unsealed(this.#view);
    this.write(ahead ? frame : framing.seal(frame, this.#cursor));
  }
}
