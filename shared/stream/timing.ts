/** Time as streams need it, so that tests can own it. */

/** Stops what was scheduled. */
export type Cancel = () => void;

/** A clock and its timers. Timers never keep the process alive. */
export interface Timing {
  /** Epoch milliseconds. */
  now(): number;
  /** A number in [0, 1), for jitter. */
  random(): number;
  /** Runs once, after the events that are already due: what arrives in one tick leaves in one write. */
  soon(run: () => void): void;
  after(ms: number, run: () => void): Cancel;
  every(ms: number, run: () => void): Cancel;
}

/** The real clock. */
export const systemTiming: Timing = {
  now: Date.now,
  random: Math.random,
  soon: (run) => void setImmediate(run),
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms).unref();
    return () => clearInterval(timer);
  },
};

/** Resolves after `ms`. */
export function pause(timing: Timing, ms: number): Promise<void> {
  return new Promise((resolve) => timing.after(ms, resolve));
}

/** `value` moved by up to `share` of itself either way, so that many do not act at once. */
export function jitter(timing: Timing, value: number, share = 0.2): number {
  return Math.round(value * (1 + share * (2 * timing.random() - 1)));
}
