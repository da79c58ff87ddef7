/** The consumer's errors: one line when one begins, then one a minute while it lasts, not twenty a second. */
import type { HostLog } from '../../log.ts';

/** Milliseconds until the same error is worth a line again. */
const SAME_ERROR_MS = 60_000;

/** What the service says when a checkpoint lies beyond the end of a partition: the hub was made anew under it. */
const STALE_CHECKPOINT = /supplied offset|supplied sequence number|OutOfRange|ArgumentError/i;

export class ErrorLog {
  readonly #log: HostLog;
  readonly #functionName: string;
  readonly #now: () => number;
  readonly #lastWritten = new Map<string, number>();

  constructor(log: HostLog, functionName: string, now: () => number = Date.now) {
    this.#log = log;
    this.#functionName = functionName;
    this.#now = now;
  }

  write(partitionId: string, error: unknown): void {
    const text = Error.isError(error) ? `${error.name}: ${error.message}` : String(error);
    const key = `${partitionId} ${text}`;
    const now = this.#now();
    if (now - (this.#lastWritten.get(key) ?? Number.NEGATIVE_INFINITY) < SAME_ERROR_MS) return;
    this.#lastWritten.set(key, now);
    const place = partitionId === '' ? '' : ` partition ${partitionId}:`;
    const hint = STALE_CHECKPOINT.test(text)
      ? ' The checkpoint may lie beyond the end of a hub that was made anew: delete the folder azure-webjobs-eventhub.'
      : '';
    this.#log('error', `Event Hubs trigger of '${this.#functionName}':${place} ${text}${hint}`);
  }
}
