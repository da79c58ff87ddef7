/** Made-up sensor signals, seeded, for tests of whatever learns from a signal. */

/** One point of a signal. Times are epoch milliseconds. */
export interface Point {
  value: number;
  ts: number;
}

/** Midnight of a Monday, UTC. */
export const MONDAY_MS = Date.UTC(2026, 0, 5);
/** Usual interval of the signals, milliseconds. */
export const FIVE_MINUTES_MS = 300_000;
/** Points a day at that interval. */
export const POINTS_PER_DAY = 288;

/** Uniform random numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** Roughly normal noise of mean 0 and standard deviation 1. */
export function noise(random: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}

/** A room's temperature: a daily wave and a little noise, one point every five minutes. */
export function roomTemperature(points: number, seed: number): Point[] {
  const random = seeded(seed);
  return Array.from({ length: points }, (_, i) => ({
    value: 21 + 3 * Math.sin((2 * Math.PI * i) / POINTS_PER_DAY) + 0.2 * noise(random),
    ts: MONDAY_MS + i * FIVE_MINUTES_MS,
  }));
}

/** A flat signal with noise of standard deviation 1. */
export function flat(points: number, seed: number, mean = 50): Point[] {
  const random = seeded(seed);
  return Array.from({ length: points }, (_, i) => ({
    value: mean + noise(random),
    ts: MONDAY_MS + i * FIVE_MINUTES_MS,
  }));
}
