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

/** A clock that can be moved on, and never goes back. */
export interface MovableClock extends Clock {
  advance: (milliseconds: number) => void;
}

/** Makes a clock movable: whoever waits looks again when it has moved. */
export function movableClock(base: Clock): MovableClock {
  const sleepers = new Set<() => void>();
  let offsetMs = 0;
  const now = () => base.now() + offsetMs;
  return {
    now,
    wait: async (milliseconds, signal) => {
      const untilMs = now() + milliseconds;
      // At least one wait of the base: a loop that waits for 0 ms must let others have their turn.
      do {
        const moved = new AbortController();
        const wake = () => moved.abort();
        sleepers.add(wake);
        // oxlint-disable-next-line no-await-in-loop -- a wait that ended early goes on
        await base.wait(untilMs - now(), AbortSignal.any([signal, moved.signal]));
        sleepers.delete(wake);
      } while (!signal.aborted && now() < untilMs);
    },
    advance: (milliseconds) => {
      offsetMs += milliseconds;
      for (const wake of sleepers) wake();
    },
  };
}
