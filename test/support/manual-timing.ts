/** A clock that only moves when a test says so, with seeded chance. */
import type { Timing } from '../../shared/stream/timing.ts';

/** mulberry32: small, good enough for tests. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Lets everything run that is already due, promises included. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A Timing whose time is moved by `advance`. */
export class ManualTiming implements Timing {
  readonly random: () => number;
  #now: number;
  #timers: { at: number; run: () => void; every: number | undefined }[] = [];

  constructor(seed = 1, startMs = Date.UTC(2026, 10, 24)) {
    this.random = seededRandom(seed);
    this.#now = startMs;
  }

  now = (): number => this.#now;

  soon(run: () => void): void {
    this.#add(Math.floor(this.random() * 3), run, undefined);
  }

  after(ms: number, run: () => void): () => void {
    return this.#add(ms, run, undefined);
  }

  every(ms: number, run: () => void): () => void {
    return this.#add(ms, run, ms);
  }

  /** Moves the clock, running each timer at its time. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.every === undefined) this.#timers = this.#timers.filter((timer) => timer !== next);
      else next.at += next.every;
      next.run();
    }
    this.#now = until;
  }

  #add(ms: number, run: () => void, every: number | undefined): () => void {
    const timer = { at: this.#now + ms, run, every };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
}
