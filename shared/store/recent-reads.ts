/**
 * What was read a moment ago, for a yes that must not cost a read: who would say no by it reads again. A value is never
 * older than `maxAgeMs`, so whoever writes elsewhere and waits that long knows that nobody goes by the value before.
 */

interface Entry<Value> {
  value: Value | undefined;
  /** When its read began, or it was forgotten. */
  at: number;
}

/** Bounds of the memory. */
export interface RecentReadsOptions {
  /** Milliseconds since the beginning of its read for which a value is remembered. */
  maxAgeMs: number;
  /** Values that are kept; the one that was noted longest ago goes first. */
  entriesMax: number;
  /** Milliseconds on any clock that does not jump back. */
  now?: () => number;
}

/** Remembers reads by key. */
export class RecentReads<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #options: Required<RecentReadsOptions>;

  constructor(options: RecentReadsOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  /** The value, if its read began less than `maxAgeMs` ago. */
  get(key: string): Value | undefined {
    const known = this.#entries.get(key);
    return known && this.#options.now() - known.at < this.#options.maxAgeMs ? known.value : undefined;
  }

  /** Reads, and remembers what was read; not when it was forgotten meanwhile, or read later by somebody else. */
  async remember(key: string, read: () => Promise<Value>): Promise<Value> {
    const at = this.#options.now();
    const value = await read();
    const known = this.#entries.get(key);
    if (!known || known.at < at) this.#note(key, { value, at });
    return value;
  }

  /** Forgets a value, after changing what it was read from. */
  forget(key: string): void {
    this.#note(key, { value: undefined, at: this.#options.now() });
  }

  #note(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#options.entriesMax && oldest !== undefined) this.#entries.delete(oldest);
  }
}
