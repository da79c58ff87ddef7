/**
 * Owns time and order in a simulated world. Whoever asks for something outside of its process waits for its turn; one
 * turn is given at a time, to a random one of those that wait, and everything that follows from it without the outside
 * happens before the next. So the seed alone says what happens, and in which order.
 */

/** Uniform random numbers in [0, 1). */
export type Random = () => number;

/** A whole number from 0 to below `n`. */
export function pick(random: Random, n: number): number {
  return Math.floor(random() * n);
}

interface Timer {
  atMs: number;
  go: () => void;
}

/** Milliseconds of virtual time that one turn takes at most, and how often one takes much longer. */
const TURN_MS_MAX = 12;
const SLOW_TURN = 0.01;
const SLOW_TURN_MS_MAX = 4_000;

/** See the top of the file. */
export class Scheduler {
  /** Virtual time, epoch milliseconds. */
  nowMs: number;
  /** Turns given so far. */
  turns = 0;
  /** What happened, where somebody reads it. */
  readonly trace: string[] | undefined;
  readonly random: Random;
  /** Set to end slow turns. */
  calm = false;
  readonly #startMs: number;
  readonly #waiting: (() => void)[] = [];
  readonly #timers: Timer[] = [];
  #hasStopped = false;

  constructor(random: Random, startMs: number, trace?: string[]) {
    this.random = random;
    this.nowMs = startMs;
    this.#startMs = startMs;
    this.trace = trace;
  }

  /** Waits for a turn. */
  turn(go: () => void): void {
    this.#waiting.push(go);
  }

  /** Resolves after some virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.nowMs + ms, resolve));
  }

  /** Does something at a moment of virtual time. */
  at(atMs: number, go: () => void): void {
    const timers = this.#timers;
    let index = timers.length;
    // Latest first: the next one is taken from the end. Equal moments keep their order.
    while (index > 0 && (timers[index - 1]?.atMs ?? 0) <= atMs) index--;
    timers.splice(index, 0, { atMs, go });
  }

  /** Gives turns until `isOver` says so. @returns false when that takes more than `turnsMax` turns, or nobody waits any more */
  async run(isOver: () => boolean, turnsMax: number): Promise<boolean> {
    for (;;) {
      await everythingThatFollows();
      if (isOver()) return true;
      if (++this.turns > turnsMax) return false;
      const timer = this.#timers.at(-1);
      const isDue = timer !== undefined && (this.#waiting.length === 0 || timer.atMs <= this.nowMs);
      if (isDue) {
        this.#timers.pop();
        this.nowMs = Math.max(this.nowMs, timer.atMs);
        timer.go();
        continue;
      }
      if (this.#waiting.length === 0) return false;
      const [go] = this.#waiting.splice(pick(this.random, this.#waiting.length), 1);
      const isSlow = !this.calm && this.random() < SLOW_TURN;
      this.nowMs += pick(this.random, isSlow ? SLOW_TURN_MS_MAX : TURN_MS_MAX);
      go?.();
    }
  }

  /** Gives the turns that are waited for, so that nobody waits for ever. */
  stop(): void {
    this.#hasStopped = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Notes what happened. */
  note(who: string, what: string): void {
    if (!this.#hasStopped)
      this.trace?.push(`${((this.nowMs - this.#startMs) / 1000).toFixed(3).padStart(9)} ${who}: ${what}`);
  }
}

/** Resolves when all promise reactions have run: none of the code under test waits for real time. */
function everythingThatFollows(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
