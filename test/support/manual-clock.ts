/** A clock that stands still until a test moves it. */
import type { Clock } from '../../local/host/clock.ts';

export interface ManualClock extends Clock {
  /** Moves the time, waking each waiter at its own moment on the way. */
  advance(milliseconds: number): Promise<void>;
  /** Resolves when so many wait. */
  waiting(sleepers?: number): Promise<void>;
}

interface Sleeper {
  atMs: number;
  wake: () => void;
}

/** @param startMs epoch milliseconds */
export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<Sleeper>();
  let noticed: (() => void)[] = [];
  const waiting = async (count = 1) => {
    // oxlint-disable-next-line no-await-in-loop -- each new sleeper is noticed, the last one is waited for
    while (sleepers.size < count) await new Promise<void>((resolve) => noticed.push(resolve));
  };
  return {
    now: () => nowMs,
    waiting,
    wait: (milliseconds, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const sleeper: Sleeper = {
          atMs: nowMs + milliseconds,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal.addEventListener('abort', sleeper.wake, { once: true });
        for (const notice of noticed) notice();
        noticed = [];
      }),
    advance: async (milliseconds) => {
      const untilMs = nowMs + milliseconds;
      for (;;) {
        const [next] = [...sleepers].toSorted((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > untilMs) break;
        nowMs = Math.max(nowMs, next.atMs);
        const before = sleepers.size;
        next.wake();
        // oxlint-disable-next-line no-await-in-loop -- whoever woke must get to its next wait before time goes on
        await waiting(before);
      }
      nowMs = Math.max(nowMs, untilMs);
    },
  };
}
