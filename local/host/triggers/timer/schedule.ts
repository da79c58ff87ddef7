/** A timer's schedule: an NCRONTAB expression or a TimeSpan. */
import { parseTimeSpan } from '../../config/time-span.ts';
import { type NextOccurrence, parseNcrontab } from './ncrontab.ts';

/** The schedule monitor is off for shorter intervals. */
const MONITORED_MS_MIN = 60_000;

export interface Schedule {
  next: NextOccurrence;
  /** Whether two runs are at least a minute apart, so that the platform remembers when it ran. */
  monitored: boolean;
}

/** @throws Error saying what is wrong with the text */
export function parseSchedule(text: string, nowMs: number): Schedule {
  const interval = parseTimeSpan(text);
  if (interval !== undefined) {
    if (interval <= 0) throw new Error(`"${text}" must be longer than nothing`);
    return { next: (afterMs) => afterMs + interval, monitored: interval >= MONITORED_MS_MIN };
  }
  const next = parseNcrontab(text);
  const [first, second] = [next(nowMs), next(next(nowMs))];
  return { next, monitored: second - first >= MONITORED_MS_MIN };
}
