/** The streams that are level with a feed, grouped by view: whoever sees the same gets the same bytes. */
import { count } from '../observability.ts';
import type { FramedEntry } from './framed-entry.ts';
import type { View } from './view.ts';

/** A stream that is level with its feed. */
export interface LiveStream {
  readonly view: View;
  /** Takes one write; false when its reader is too slow for it, then nothing was taken. */
  deliver(bytes: Uint8Array): boolean;
}

interface Cohort<S> {
  readonly view: View;
  readonly streams: Set<S>;
  /** Frames that were not written yet. */
  text: string;
  events: number;
}

/** Characters of frames after which a cohort is written out although more is at hand. */
const WRITE_CHARS = 64 * 1024;
/** Devices whose cohorts are remembered. */
const DEVICES_REMEMBERED = 20_000;

/** See the top of the file. */
export class Cohorts<S extends LiveStream> {
  readonly #byView = new Map<View, Cohort<S>>();
  /** Filled as devices are heard of, because an event concerns few of many cohorts. Emptied when cohorts change. */
  readonly #byDevice = new Map<string, Cohort<S>[]>();

  /** Every stream. */
  *streams(): Generator<S> {
    for (const cohort of this.#byView.values()) yield* cohort.streams;
  }

  add(stream: S): void {
    let cohort = this.#byView.get(stream.view);
    if (cohort === undefined) {
      cohort = { view: stream.view, streams: new Set(), text: '', events: 0 };
      this.#byView.set(stream.view, cohort);
      this.#byDevice.clear();
    }
    cohort.streams.add(stream);
  }

  /** Takes a stream out. Call `write` before: what its cohort still holds would be lost to it. */
  remove(stream: S): void {
    const cohort = this.#byView.get(stream.view);
    if (cohort === undefined || !cohort.streams.delete(stream) || cohort.streams.size > 0) return;
    this.#byView.delete(stream.view);
    this.#byDevice.clear();
  }

  /** Appends an entry's frames to the cohorts that see them; true when one of them has enough for a write. */
  append(framed: FramedEntry): boolean {
    let full = false;
    for (const [index, event] of framed.entry.e.entries()) {
      for (const cohort of this.#interested(event.d.deviceId)) {
        const frame = cohort.view.wants(event.k) ? framed.render(index, cohort.view.lens) : undefined;
        if (frame === undefined) continue;
        cohort.text += frame;
        cohort.events += 1;
        full ||= cohort.text.length >= WRITE_CHARS;
      }
    }
    return full;
  }

  /** Writes what was appended, sealed with `cursor`; returns the streams that were too slow, already taken out. */
  write(cursor: string): S[] {
    const slow: S[] = [];
    let delivered = 0;
    for (const cohort of this.#byView.values()) {
      if (cohort.text === '') continue;
      const bytes = Buffer.from(cohort.view.lens.framing.seal(cohort.text, cursor));
      const { events } = cohort;
      cohort.text = '';
      cohort.events = 0;
      const slowBefore = slow.length;
      for (const stream of cohort.streams) if (!stream.deliver(bytes)) slow.push(stream);
      delivered += events * (cohort.streams.size - (slow.length - slowBefore));
    }
    if (delivered > 0) count('sluice.stream.delivered', delivered);
    for (const stream of slow) this.remove(stream);
    return slow;
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
