/**
 * What a signal usually is at this time of day: a mean per hour, apart for working days and weekends (UTC).
 * It speaks only after it has seen each hour on several days, and only while it explains most of the signal.
 */
import type { StateReader, StateWriter } from './detector-state.ts';

const HOUR_MS = 3_600_000;
const HOURS = 24;
const DAYS_PER_WEEK = 7;
/** 1 January 1970 was a Thursday; Sunday is day 0. */
const FIRST_WEEKDAY = 4;
/** Weight of one day in an hour's mean. */
const DAY_RATE = 0.2;
/** Days on which an hour must have been seen before it is believed. */
const VISITS_MIN = 3;
/** Weight of one point in the variances. */
const VARIANCE_RATE = 2e-3;
/** Share of the signal's variance that the profile must explain to be believed. */
const EXPLAINED_MIN = 0.6;

export class SeasonalProfile {
  readonly #means = new Float32Array(2 * HOURS);
  readonly #visits = new Uint8Array(2 * HOURS);
  #bin = -1;
  #sum = 0;
  #points = 0;
  #judged = 0;
  #mean = 0;
  #variance = 0;
  #unexplained = 0;

  /** The mean of the hour of the last point, as it was before that point. */
  expected = 0;

  /**
   * Learns a point.
   * @returns whether `expected` can be believed for it
   */
  observe(value: number, epochMs: number): boolean {
    const bin = binOf(epochMs);
    if (bin !== this.#bin) this.#closeBin(bin);
    this.#sum += value;
    this.#points++;
    if ((this.#visits[bin] ?? 0) < VISITS_MIN) return false;
    this.expected = this.#means[bin] ?? 0;
    const rate = Math.max(VARIANCE_RATE, 1 / ++this.#judged);
    const step = value - this.#mean;
    const residual = value - this.expected;
    this.#mean += rate * step;
    this.#variance += rate * (step * step * (1 - rate) - this.#variance);
    this.#unexplained += rate * (residual * residual - this.#unexplained);
    return this.#unexplained < (1 - EXPLAINED_MIN) * this.#variance;
  }

  #closeBin(next: number): void {
    const bin = this.#bin;
    if (bin >= 0) {
      const visits = Math.min((this.#visits[bin] ?? 0) + 1, 255);
      const mean = this.#means[bin] ?? 0;
      this.#visits[bin] = visits;
      this.#means[bin] = mean + Math.max(DAY_RATE, 1 / visits) * (this.#sum / this.#points - mean);
    }
    this.#bin = next;
    this.#sum = 0;
    this.#points = 0;
  }

  write(out: StateWriter): void {
    out.floats(this.#means, this.#means.length);
    out.bytes(this.#visits);
    for (const number of [
      this.#bin,
      this.#sum,
      this.#points,
      this.#judged,
      this.#mean,
      this.#variance,
      this.#unexplained,
    ]) {
      out.number(number);
    }
  }

  read(from: StateReader): void {
    from.floats(this.#means, this.#means.length);
    from.bytes(this.#visits);
    this.#bin = from.number();
    this.#sum = from.number();
    this.#points = from.number();
    this.#judged = from.number();
    this.#mean = from.number();
    this.#variance = from.number();
    this.#unexplained = from.number();
  }
}

function binOf(epochMs: number): number {
  const hours = Math.floor(epochMs / HOUR_MS);
  const hour = modulo(hours, HOURS);
  const weekday = modulo(Math.floor(hours / HOURS) + FIRST_WEEKDAY, DAYS_PER_WEEK);
  return weekday === 0 || weekday === 6 ? HOURS + hour : hour;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
