/** When a timer last ran and when it is due, kept on disk so that a restart notices what it missed. */
import { readJsonFile, writeJsonFile } from '../atomic-file.ts';
import type { NextOccurrence } from './ncrontab.ts';

/** Epoch milliseconds. */
export interface ScheduleStatus {
  /** `undefined` before the first run. */
  lastMs: number | undefined;
  nextMs: number;
  lastUpdatedMs: number;
}

export interface ScheduleMonitor {
  /** `undefined` before the first start. */
  read(): Promise<ScheduleStatus | undefined>;
  write(status: ScheduleStatus): Promise<void>;
}

/** A monitor in one file. */
export function scheduleMonitor(path: string): ScheduleMonitor {
  return {
    read: async () => {
      const stored = (await readJsonFile(path)) as Partial<ScheduleStatus> | undefined;
      const { lastMs, nextMs, lastUpdatedMs } = stored ?? {};
      return nextMs === undefined || lastUpdatedMs === undefined ? undefined : { lastMs, nextMs, lastUpdatedMs };
    },
    write: (status) => writeJsonFile(path, status),
  };
}

/**
 * Compares what was remembered with the schedule and the time.
 * @returns the status to go on with, and whether a run was missed. A schedule that has changed since starts afresh.
 */
export function checkPastDue(
  stored: ScheduleStatus | undefined,
  next: NextOccurrence,
  nowMs: number,
): { status: ScheduleStatus; isPastDue: boolean } {
  const expected = stored === undefined ? undefined : next(stored.lastMs ?? stored.lastUpdatedMs);
  if (stored === undefined || expected !== stored.nextMs) {
    return { status: { lastMs: stored?.lastMs, nextMs: next(nowMs), lastUpdatedMs: nowMs }, isPastDue: false };
  }
  return { status: stored, isPastDue: nowMs >= stored.nextMs };
}
