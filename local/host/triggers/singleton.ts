/** One host process at a time does what must not happen twice, as the platform's blob lease does for timers. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type ProcessMark, isRunning, thisProcess } from './process-mark.ts';
import { readVersions, writeNext } from './versioned-files.ts';

/** Milliseconds between two tries while another process holds the lock. */
const TRY_AGAIN_MS = 5000;

interface Lock {
  /** Empty once released. */
  ownerId: string;
  process: ProcessMark;
}

/**
 * Waits until this process may act alone under `name`. A holder that died is replaced at once.
 * @returns the release; `undefined` when the signal aborted first
 */
export async function becomeSingleton(
  folder: string,
  name: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | undefined> {
  const mine: Lock = { ownerId: randomUUID(), process: thisProcess() };
  while (!signal.aborted) {
    // oxlint-disable-next-line no-await-in-loop -- tried again until the lock is free
    const current = (await readVersions<Lock>(folder)).find((entry) => entry.name === name);
    const held = current?.value !== undefined && current.value.ownerId !== '' && isRunning(current.value.process);
    // oxlint-disable-next-line no-await-in-loop
    const version = held ? undefined : await writeNext(folder, name, current?.version ?? 0, mine);
    if (version !== undefined)
      return async () => void (await writeNext(folder, name, version, { ...mine, ownerId: '' }));
    // oxlint-disable-next-line no-await-in-loop
    await clock.wait(TRY_AGAIN_MS, signal);
  }
  return undefined;
}
