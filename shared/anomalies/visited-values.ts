/**
 * The memory behind the detector: which values a signal has visited, as a short sorted list of representatives.
 * A value close to a remembered one is known; any other is as novel as it lies far from everything remembered,
 * measured in the signal's range and in how far apart the remembered values lie around there.
 */
import type { StateReader, StateWriter } from './detector-state.ts';

/** What the range leaks at either end with each value, as a share of it: a single old outlier fades. */
const RANGE_LEAK = 3e-4;
/** Weight of one value in the slow mean. */
const MEAN_RATE = 1e-3;
/** Share of the mean's size that counts as range, so that a signal that hardly moves is not all novelty. */
const MEAN_AS_RANGE = 0.05;
/** Share of the range at which a distance counts as novelty 1 where remembered values lie dense. */
const NOVELTY_RANGE = 0.2;
/** The most novel that a value can be: a signal that never moved has no range to measure in. */
const NOVELTY_MAX = 10;
/** How far a known value draws the representative that knew it. */
const NUDGE = 0.2;

/** Values that a signal has visited. Scores are pure arithmetic on what it has seen: no clock, no randomness. */
export class VisitedValues {
  /** Whether `observe` found the value close enough to a remembered one. */
  known = true;
  /** The remembered value that was nearest to the last observed one, before it was learnt. */
  near = 0;

  readonly #values: Float32Array;
  readonly #closeness: number;
  #count = 0;
  #low = 0;
  #high = 0;
  #mean = 0;

  /**
   * @param capacity how many representatives to keep
   * @param closeness share of the range within which a value counts as known
   */
  constructor(capacity: number, closeness: number) {
    this.#values = new Float32Array(capacity + 1);
    this.#closeness = closeness;
  }

  /** The smallest value that would have a novelty below `level` if it were observed next. */
  lower(level: number): number {
    const first = this.#values[0] ?? 0;
    return first - this.#margin(level, (this.#values[Math.min(2, this.#count - 1)] ?? first) - first);
  }

  /** The largest value that would have a novelty below `level` if it were observed next. */
  upper(level: number): number {
    const last = this.#values[this.#count - 1] ?? 0;
    return last + this.#margin(level, last - (this.#values[Math.max(0, this.#count - 3)] ?? last));
  }

  #margin(level: number, spacing: number): number {
    const range = this.#range();
    return Math.max(this.#closeness * range, level * (NOVELTY_RANGE * range + spacing));
  }

  /**
   * Judges a value and learns it.
   * @returns its novelty: 0 when known, 1 when it lies about a fifth of the range away from all that was seen
   */
  observe(exact: number): number {
    const values = this.#values;
    // The memory keeps 32-bit floats; judging the rounded value makes the live memory and a restored one agree.
    const value = Math.fround(exact);
    this.known = true;
    if (this.#count === 0) {
      values[0] = this.near = this.#low = this.#high = this.#mean = value;
      this.#count = 1;
      return 0;
    }
    const range = this.#range();
    this.#follow(value);

    const place = this.#place(value);
    let nearest = place;
    if (place === this.#count || (place > 0 && value - at(values, place - 1) <= at(values, place) - value)) nearest--;
    const near = (this.near = at(values, nearest));
    const distance = Math.abs(value - near);
    if (distance <= this.#closeness * range) {
      values[nearest] = near + NUDGE * (value - near);
      return 0;
    }
    this.known = false;
    const novelty = Math.min(distance / (NOVELTY_RANGE * range + this.#spacing(nearest)), NOVELTY_MAX);
    this.#insert(place, value);
    return novelty;
  }

  write(out: StateWriter): void {
    out.number(this.#low);
    out.number(this.#high);
    out.number(this.#mean);
    out.floats(this.#values, this.#count);
  }

  /** @throws {RangeError} when the state is cut short or holds more values than fit */
  read(from: StateReader): void {
    this.#low = from.number();
    this.#high = from.number();
    this.#mean = from.number();
    this.#count = from.floats(this.#values, this.#values.length - 1);
  }

  #range(): number {
    return this.#high - this.#low + MEAN_AS_RANGE * Math.abs(this.#mean);
  }

  #follow(value: number): void {
    this.#mean += MEAN_RATE * (value - this.#mean);
    const leak = RANGE_LEAK * (this.#high - this.#low);
    this.#low = Math.min(this.#low + leak, value);
    this.#high = Math.max(this.#high - leak, value);
  }

  /** Where a value belongs in the sorted list. */
  #place(value: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(this.#values, middle) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Distance from a representative to its second nearest neighbour: one stray value beside it proves no density. */
  #spacing(index: number): number {
    const count = this.#count;
    const values = this.#values;
    const here = at(values, index);
    if (count === 1) return 0;
    if (count === 2) return at(values, 1) - at(values, 0);
    const below = index > 0 ? here - at(values, index - 1) : Infinity;
    const above = index + 1 < count ? at(values, index + 1) - here : Infinity;
    if (below <= above) return Math.min(above, index > 1 ? here - at(values, index - 2) : Infinity);
    return Math.min(below, index + 2 < count ? at(values, index + 2) - here : Infinity);
  }

  #insert(place: number, value: number): void {
    const values = this.#values;
    values.copyWithin(place + 1, place, this.#count);
    values[place] = value;
    this.#count++;
    if (this.#count === values.length) this.#mergeClosest();
  }

  #mergeClosest(): void {
    const values = this.#values;
    let closest = 0;
    let gap = Infinity;
    for (let i = 0; i + 1 < this.#count; i++) {
      const here = at(values, i + 1) - at(values, i);
      if (here < gap) {
        gap = here;
        closest = i;
      }
    }
    values[closest] = (at(values, closest) + at(values, closest + 1)) / 2;
    values.copyWithin(closest + 1, closest + 2, this.#count);
    this.#count--;
  }
}

/** An element that is known to exist; the fallback only satisfies the type. */
function at(values: Float32Array, index: number): number {
  return values[index] ?? 0;
}
