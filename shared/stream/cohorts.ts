/** The streams that are level with a feed, grouped by view: whoever sees the same gets the same bytes. */
import { count, isKept, noteSpan } from '../observability.ts';
import type { Position } from './cursor.ts';
import type { FramedEntry } from './framed-entry.ts';
import { Newest } from './newest.ts';
import { SharedBytes } from './shared-bytes.ts';
import type { View } from './view.ts';

/** A stream that is level with its feed. */
export interface LiveStream {
  readonly view: View;
  /** Takes one write; false when its reader is too slow for it, then nothing was taken. */
  deliver(data: SharedBytes): boolean;
}

/** A place in the journal, and its cursor. */
export interface Place {
  readonly position: Position;
  readonly cursor: string;
}

/** What a write came to. */
export interface Written<S> {
  /** Streams that were too slow and are taken out, with their place before the write. */
  slow: { stream: S; place: Place }[];
  /** When the next cohort that holds something back is due, epoch milliseconds. */
  dueMs: number | undefined;
}

interface Cohort<S> {
  readonly view: View;
  readonly streams: Set<S>;
  /** Frames that were not written yet. */
  text: string;
  events: number;
  /** With an interval: what is held back, and the place before it. */
  readonly newest: Newest;
  held: Place | undefined;
  /** Whether events went out since `held`, without an id: the next one covers them. */
  unsealed: boolean;
  dueMs: number;
}

/** Characters of frames after which a cohort is written out although more is at hand. */
const WRITE_CHARS = 64 * 1024;
/** Spans of one write, however many of its events are traced. */
const SPANS_MAX = 16;
/** Devices whose cohorts are remembered. */
const DEVICES_REMEMBERED = 20_000;

/** See the top of the file. */
export class Cohorts<S extends LiveStream> {
  readonly #byView = new Map<View, Cohort<S>>();
  /** Filled as devices are heard of, because an event concerns few of many cohorts. Emptied when cohorts change. */
  readonly #byDevice = new Map<string, Cohort<S>[]>();
  /** Cohorts with something to write. */
  readonly #pending = new Set<Cohort<S>>();
  /** What the events since the last write belong to, where somebody keeps the trace. */
  readonly #traced = new Set<string>();

  /** Every stream. */
  *streams(): Generator<S> {
    for (const cohort of this.#byView.values()) yield* cohort.streams;
  }

  /** The place of streams whose interval holds something back; undefined when they stand where the feed stands. */
  held(view: View): Place | undefined {
    return this.#byView.get(view)?.held;
  }

  /** Whether streams of a view were sent events that the cursor of their place does not cover. */
  unsealed(view: View): boolean {
    return this.#byView.get(view)?.unsealed ?? false;
  }

  /** Makes what a view's interval holds back due at once. */
  hasten(view: View): void {
    const cohort = this.#byView.get(view);
    if (cohort) cohort.dueMs = 0;
  }

  add(stream: S): void {
    let cohort = this.#byView.get(stream.view);
    if (cohort === undefined) {
      const { view } = stream;
      const empty = { text: '', events: 0, newest: new Newest(), held: undefined, unsealed: false, dueMs: 0 };
      cohort = { view, streams: new Set(), ...empty };
      this.#byView.set(view, cohort);
      this.#byDevice.clear();
    }
    cohort.streams.add(stream);
  }

  /** Takes a stream out. Call `write` before: what its cohort still has for it would be lost. */
  remove(stream: S): void {
    const cohort = this.#byView.get(stream.view);
    if (cohort === undefined || !cohort.streams.delete(stream) || cohort.streams.size > 0) return;
    this.#byView.delete(stream.view);
    this.#pending.delete(cohort);
    this.#byDevice.clear();
  }

  /**
   * Appends an entry's frames to the cohorts that see them; true when one of them has enough for a write.
   * @param before the place of the last write, which does not cover this entry
   */
  append(framed: FramedEntry, before: Place): boolean {
    let full = false;
    for (const [index, event] of framed.entry.e.entries()) {
      for (const cohort of this.#interested(event.d.deviceId)) {
        const { view, newest } = cohort;
        const frame = view.wants(event.k) ? framed.render(index, view.lens) : undefined;
        if (frame === undefined) continue;
        if (event.k === 'telemetry' && event.tp !== undefined && isKept(event.tp)) this.#traced.add(event.tp);
        this.#pending.add(cohort);
        if (view.everyMs !== undefined) cohort.held ??= before;
        if (view.everyMs !== undefined && event.k === 'telemetry') {
          newest.set(event.d.deviceId, frame);
        } else {
          cohort.text += frame;
          cohort.events += 1;
        }
        full ||= cohort.text.length >= WRITE_CHARS;
      }
    }
    return full;
  }

  /** Writes what is due, sealed with the cursor of `place`. */
  write(before: Place, place: Place, nowMs: number): Written<S> {
    const written: Written<S> = { slow: [], dueMs: undefined };
    let delivered = 0;
    for (const cohort of this.#pending) {
      const { view, streams, newest } = cohort;
      const { framing } = view.lens;
      const waits = newest.size > 0 && cohort.dueMs > nowMs;
      if (waits) written.dueMs = Math.min(written.dueMs ?? Infinity, cohort.dueMs);
      else this.#pending.delete(cohort);
      if (waits && cohort.text === '') continue;
      if (!waits && newest.size > 0) {
        cohort.dueMs = nowMs + (view.everyMs ?? 0);
        release(cohort);
      }
      // An alert does not wait for what is held back. It goes without an id, which would cover that as well.
      const data = new SharedBytes(waits ? cohort.text : framing.seal(cohort.text, place.cursor));
      const from = cohort.held ?? before;
      let taken = 0;
      for (const stream of streams) {
        if (stream.deliver(data)) taken += 1;
        else written.slow.push({ stream, place: from });
      }
      delivered += cohort.events * taken;
      cohort.text = '';
      cohort.events = 0;
      cohort.unsealed = waits;
      if (!waits) cohort.held = undefined;
    }
    for (const { stream } of written.slow) this.remove(stream);
    if (delivered > 0) count('sluice.stream.delivered', delivered);
    this.#noteTraced();
    return written;
  }

  #noteTraced(): void {
    if (this.#traced.size === 0) return;
    for (const parent of [...this.#traced].slice(0, SPANS_MAX)) noteSpan('stream.write', { parent });
    this.#traced.clear();
  }

  #interested(deviceId: string): Cohort<S>[] {
    let cohorts = this.#byDevice.get(deviceId);
    if (cohorts === undefined) {
      cohorts = [...this.#byView.values()].filter(({ view }) => view.sees(deviceId));
      if (this.#byDevice.size >= DEVICES_REMEMBERED) this.#byDevice.clear();
      this.#byDevice.set(deviceId, cohorts);
    }
    return cohorts;
  }
}

function release<S>(cohort: Cohort<S>): void {
  cohort.events += cohort.newest.size;
  cohort.text += cohort.newest.take();
}
