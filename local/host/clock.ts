/** Time as the host sees it; tests bring their own. */

export interface Clock {
  /** Epoch milliseconds. */
  now: () => number;
  /** Waits, and returns at once when the signal aborts. */
  wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** The longest delay of a Node timer, in milliseconds; a longer one would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** Real time. */
export const systemClock: Clock = {
  now: Date.now,
  wait: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(milliseconds, TIMER_MS_MAX));
      signal.addEventListener('abort', end, { once: true });
    }),
};
