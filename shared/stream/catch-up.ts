/**
 * The way of one stream from a position in the journal to being level with its feed: page after page at its reader's pace,
 * lane after lane, until a look at the feed finds nothing left. A resume, a slow reader and a lost session all come here.
 */
import { count } from '../observability.ts';
import { formatCursor, LANE_START, type LanePosition, type Position } from './cursor.ts';
import type { FramedEntry } from './framed-entry.ts';
import { Newest } from './newest.ts';
import type { Sink } from './sink.ts';
import type { Gap, TenantFeed } from './tenant-feed.ts';
import { jitter, pause, type Timing } from './timing.ts';
import type { View } from './view.ts';

/** Characters of frames of one write. */
const WRITE_CHARS = 64 * 1024;
/** Milliseconds before a failed or fruitless read is tried again; doubled each time up to 16 times. */
const RETRY_MS = 250;
/** Reads in a row that find nothing, where something should be, before it counts as expired. */
const FRUITLESS_READS = 4;
/** Looks at the heads that must find a cursor ahead of the journal before its lane counts as begun anew. */
const AHEAD_LOOKS = 3;
/** Milliseconds between those looks. */
const AHEAD_LOOK_MS = 1_000;

/** The stream that catches up. */
export interface CatchingUp {
  /** What it sees now; an edited policy changes it on the way. */
  readonly view: View;
  readonly ended: boolean;
  write(text: string): void;
  announceGap(gap: Gap): void;
  /** Makes the stream live, if the feed stands at `position`. */
  goLive(position: Position): boolean;
}

/** Frames that were not written yet. */
interface Batch {
  frames: string;
  events: number;
}

/** See the top of the file. */
export class CatchUp {
  readonly #stream: CatchingUp;
  readonly #sink: Sink;
  readonly #feed: TenantFeed;
  readonly #timing: Timing;
  readonly #position: Map<string, LanePosition>;
  /** With an interval: what is held back, and the cursor before it. */
  readonly #newest = new Newest();
  #heldCursor: string | undefined;

  constructor(
    stream: CatchingUp,
    { sink, feed, timing }: { sink: Sink; feed: TenantFeed; timing: Timing },
    from: Position,
  ) {
    this.#stream = stream;
    this.#sink = sink;
    this.#feed = feed;
    this.#timing = timing;
    this.#position = new Map(from);
  }

  /** Where the stream stands: before what is held back. */
  get cursor(): string {
    return this.#heldCursor ?? formatCursor(this.#position);
  }

  /** Sends the last values. The place in the journal was taken before they are read: newer ones follow. */
  async sendLatest(latest: () => Promise<object[]>): Promise<void> {
    const { framing } = this.#stream.view.lens;
    let frames = '';
    for (const values of await this.#untilAnswered(latest)) {
      frames += framing.frame('snapshot', JSON.stringify(values));
      if (frames.length < WRITE_CHARS) continue;
      this.#stream.write(framing.seal(frames, this.cursor));
      frames = '';
      await this.#sink.drained();
      if (this.#stream.ended) return;
    }
    if (frames !== '' && !this.#stream.ended) this.#stream.write(framing.seal(frames, this.cursor));
  }

  /** Asks until there is an answer, or the stream has ended. */
  async #untilAnswered<T>(ask: () => Promise<T[]>): Promise<T[]> {
    while (!this.#stream.ended) {
      try {
        return await ask();
      } catch {
        await pause(this.#timing, jitter(this.#timing, RETRY_MS * 4));
      }
    }
    return [];
  }

  /** Catches up; resolves when the stream is live or has ended. Nothing of it throws. */
  async run(): Promise<void> {
    let fruitless = 0;
    let aheadLooks = 0;
    let last: string | undefined;
    for (;;) {
      await this.#sink.drained();
      if (this.#stream.ended || !(await this.#feedStarted())) return;
      const name = this.#feed.laneBehind(this.#position, last);
      if (name === undefined) {
        this.#writeHeld();
        if (this.#stream.goLive(this.#position)) return;
        aheadLooks = await this.#lookAhead(aheadLooks);
        continue;
      }
      last = name;
      const page = await this.#page(name);
      if (this.#stream.ended) return;
      if (page !== undefined && page.length > 0) {
        fruitless = 0;
        await this.#send(name, page);
        continue;
      }
      fruitless += 1;
      if (page !== undefined && fruitless >= FRUITLESS_READS) this.#skip(name, this.#feed.reached(name), 'expired');
      else await pause(this.#timing, jitter(this.#timing, RETRY_MS * 2 ** Math.min(fruitless - 1, 4)));
    }
  }

  /** Waits until the feed knows where "now" is; false when the stream ended meanwhile. */
  async #feedStarted(): Promise<boolean> {
    while (!this.#stream.ended && !this.#feed.started) {
      try {
        await this.#feed.start();
      } catch {
        await pause(this.#timing, jitter(this.#timing, RETRY_MS * 4));
      }
    }
    return !this.#stream.ended;
  }

  /** A page of a lane; undefined when the store gave none. A failing store must not end a stream. */
  async #page(name: string): Promise<FramedEntry[] | undefined> {
    const { n } = this.#position.get(name) ?? LANE_START;
    try {
      return await this.#feed.page(name, n);
    } catch {
      return undefined;
    }
  }

  /** The cursor is ahead of what the feed has seen: it is a moment older than the cursor, or the journal began anew. */
  async #lookAhead(looks: number): Promise<number> {
    const before = this.#feed.laneAhead(this.#position);
    if (before === undefined) return 0;
    const looked = await this.#feed.audit().then(
      () => true,
      () => false,
    );
    await pause(this.#timing, AHEAD_LOOK_MS);
    if (!looked || this.#feed.laneAhead(this.#position) !== before) return 0;
    if (looks + 1 < AHEAD_LOOKS) return looks + 1;
    if (!this.#stream.ended) this.#skip(before, 0, 'reset');
    return 0;
  }

  async #send(name: string, page: FramedEntry[]): Promise<void> {
    const batch: Batch = { frames: '', events: 0 };
    for (const framed of page) {
      const { n } = framed.entry;
      const place = this.#position.get(name) ?? LANE_START;
      if (n <= place.n) continue;
      if (n > place.n + 1) {
        this.#writeBatch(batch);
        this.#skip(name, n - 1, 'expired');
      }
      for (let index = n === place.n + 1 ? place.i : 0; index < framed.size; index++) {
        const { view } = this.#stream;
        const frame = framed.frame(index, view);
        if (frame === undefined) continue;
        const event = framed.entry.e[index];
        if (view.everyMs !== undefined && event?.k === 'telemetry') {
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
        await this.#sink.drained();
        if (this.#stream.ended) return;
      }
      this.#position.set(name, { n, i: 0 });
    }
    this.#writeBatch(batch);
  }

  /** Lets go of what an interval holds back: from here on the cursor covers it. */
  #release(batch: Batch): void {
    this.#heldCursor = undefined;
    batch.events += this.#newest.size;
    batch.frames += this.#newest.take();
  }

  #writeHeld(): void {
    const batch: Batch = { frames: '', events: 0 };
    this.#release(batch);
    this.#writeBatch(batch);
  }

  #writeBatch(batch: Batch): void {
    if (batch.events === 0) return;
    this.#stream.write(this.#stream.view.lens.framing.seal(batch.frames, this.cursor));
    count('sluice.stream.delivered', batch.events);
    batch.frames = '';
    batch.events = 0;
  }

  #skip(name: string, n: number, reason: Gap['reason']): void {
    this.#writeHeld();
    const from = formatCursor(this.#position);
    this.#position.set(name, { n, i: 0 });
    this.#stream.announceGap({ reason, from, to: formatCursor(this.#position) });
  }
}
