/**
 * Slows down guessing. Only failures count, and only after a check: the right secret is always let in, so nobody who
 * knows a client id can lock its owner out. Kept per instance, by client id and address.
 */

/** Failures within the window that are answered plainly; the next are told to wait. */
export const FAILURES_MAX = 10;
/** Milliseconds that a failure counts. */
export const WINDOW_MS = 60_000;
/** Pairs of client id and address that are remembered. */
const PAIRS_MAX = 10_000;

/** What the throttle says about a failure. */
type FailureVerdict = { throttled: false } | { throttled: true; first: boolean; retryAfterSeconds: number };

/** Counts failures. */
export interface FailureThrottle {
  /** Counts a failure of this client from this address. `first` is true once per window. */
  fail(clientId: string, address: string | undefined): FailureVerdict;
}

/** Makes a throttle. */
export function createFailureThrottle(now: () => number = Date.now): FailureThrottle {
  const windows = new Map<string, { startedAt: number; failures: number }>();
  return {
    fail(clientId, address) {
      const key = `${address ?? ''} ${clientId.slice(0, 64)}`;
      const nowMs = now();
      const known = windows.get(key);
      const current = known && nowMs - known.startedAt < WINDOW_MS ? known : { startedAt: nowMs, failures: 0 };
      current.failures++;
      windows.delete(key);
      windows.set(key, current);
      const [oldest] = windows.keys();
      if (windows.size > PAIRS_MAX && oldest !== undefined) windows.delete(oldest);
      if (current.failures <= FAILURES_MAX) return { throttled: false };
      const retryAfterSeconds = Math.max(1, Math.ceil((current.startedAt + WINDOW_MS - nowMs) / 1000));
      return { throttled: true, first: current.failures === FAILURES_MAX + 1, retryAfterSeconds };
    },
  };
}
