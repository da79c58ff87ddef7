/** Errors of a listener: a line when one begins, then one a minute while it lasts, not twenty a second. */
import type { HostLog } from '../log.ts';

/** Milliseconds until the same error is worth a line again. */
const SAME_ERROR_MS = 60_000;

export class ErrorLog {
  readonly #log: HostLog;
  readonly #listener: string;
  readonly #hint: (text: string) => string;
  readonly #now: () => number;
  readonly #lastWritten = new Map<string, number>();

  /**
   * @param listener how a line begins
   * @param hint what a person should do about an error; empty when nothing is known
   */
  constructor(log: HostLog, listener: string, hint: (text: string) => string = () => '', now: () => number = Date.now) {
    this.#log = log;
    this.#listener = listener;
    this.#hint = hint;
    this.#now = now;
  }

  /** @param place the partition or range that the error belongs to; empty for all */
  write(place: string, error: unknown): void {
    const text = Error.isError(error) ? `${error.name}: ${error.message}` : String(error);
    // A file system's text carries a name that may differ every time.
    const { code, syscall }: Partial<NodeJS.ErrnoException> = Error.isError(error) ? error : {};
    const key = `${place} ${syscall === undefined ? text : `${code} ${syscall}`}`;
    const now = this.#now();
    if (now - (this.#lastWritten.get(key) ?? Number.NEGATIVE_INFINITY) < SAME_ERROR_MS) return;
    this.#lastWritten.set(key, now);
    this.#log('error', `${this.#listener}:${place === '' ? '' : ` ${place}:`} ${text}${this.#hint(text)}`);
  }
}
