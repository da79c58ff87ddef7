/**
 * Slows down guessing. Only failures count. Client secrets are checked first and the right one is always let in, so
 * nobody who knows a client id can lock its owner out. Passwords cost a slow hash, so who failed too often is not
 * checked at all; but only from the address that failed, so that strangers cannot lock a person out either. An address
 * that fails for many people is not checked for any: it tries a few passwords on everybody.
 * Kept per instance, by subject and address.
 */

/** Failures within the window that are answered plainly; the next are told to wait. */
export const FAILURES_MAX = 10;
/** The same for all people together that one address tries: an office behind one address stays below it. */
export const ADDRESS_FAILURES_MAX = 100;
/** Milliseconds that a failure counts. */
export const WINDOW_MS = 60_000;
/** Pairs of subject and address that are remembered. */
const PAIRS_MAX = 10_000;

/** What the throttle says about a failure. */
type FailureVerdict = { throttled: false } | { throttled: true; first: boolean; retryAfterSeconds: number };

/** Counts failures. */
export interface FailureThrottle {
  /** Counts a failure of this subject from this address. `first` is true once per window. */
  fail(subject: string, address: string | undefined): FailureVerdict;
  /** Seconds to wait before this subject may be tried again from this address; undefined when it may be now. */
  blockedSeconds(subject: string, address: string | undefined): number | undefined;
}

/** Makes a throttle. @param failuresMax failures within the window that are answered plainly */
export function createFailureThrottle(now: () => number = Date.now, failuresMax = FAILURES_MAX): FailureThrottle {
  const windows = new Map<string, { startedAt: number; failures: number }>();
  const keyOf = (subject: string, address: string | undefined) => `${address ?? ''} ${subject.slice(0, 256)}`;
  const current = (key: string) => {
    const known = windows.get(key);
    return known && now() - known.startedAt < WINDOW_MS ? known : undefined;
  };
  const secondsLeft = ({ startedAt }: { startedAt: number }) =>
    Math.max(1, Math.ceil((startedAt + WINDOW_MS - now()) / 1000));
  return {
    fail(subject, address) {
      const key = keyOf(subject, address);
      const window = current(key) ?? { startedAt: now(), failures: 0 };
      window.failures++;
      windows.delete(key);
      windows.set(key, window);
      const [oldest] = windows.keys();
      if (windows.size > PAIRS_MAX && oldest !== undefined) windows.delete(oldest);
      if (window.failures <= failuresMax) return { throttled: false };
      return {
        throttled: true,
        first: window.failures === failuresMax + 1,
        retryAfterSeconds: secondsLeft(window),
      };
    },
    blockedSeconds(subject, address) {
      const window = current(keyOf(subject, address));
      return window && window.failures >= failuresMax ? secondsLeft(window) : undefined;
    },
  };
}
