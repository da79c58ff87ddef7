/** Notices a signal that normally changes and now repeats one value for far too long. */
import type { StateReader, StateWriter } from './detector-state.ts';

/** Equal values in a row that are never too many. */
const RUN_MIN = 12;
/** How many times the longest earlier run a run must be. */
const RUN_FACTOR = 3;
/** Points to learn how often the signal changes before anything is said. */
const WARMUP_POINTS = 100;
/** A signal that normally changes does so at least once in this many points. */
const POINTS_PER_CHANGE_MAX = 4;

export class StuckWatch {
  #last = NaN;
  #run = 0;
  #longest = 0;
  /** Points and changes before the present run. */
  #points = 0;
  #changes = 0;

  /**
   * Learns a value.
   * @returns how long the present run is, as a multiple of what is too long; 0 where nothing can be said
   */
  observe(value: number): number {
    if (value !== this.#last) {
      this.#longest = Math.max(this.#longest, this.#run);
      this.#points += this.#run;
      this.#changes++;
      this.#last = value;
      this.#run = 1;
      return 0;
    }
    this.#run++;
    if (this.#points < WARMUP_POINTS || this.#points > POINTS_PER_CHANGE_MAX * this.#changes) return 0;
    return this.#run / Math.max(RUN_MIN, RUN_FACTOR * this.#longest);
  }

  write(out: StateWriter): void {
    for (const number of [this.#last, this.#run, this.#longest, this.#points, this.#changes]) out.number(number);
  }

  read(from: StateReader): void {
    this.#last = from.number();
    this.#run = from.number();
    this.#longest = from.number();
    this.#points = from.number();
    this.#changes = from.number();
  }
}
