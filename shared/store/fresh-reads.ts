/**
 * Reads that are never older than the question, shared by those who ask at the same time: while one read is under way,
 * everyone who asks waits for the next one together. So a busy subject costs one read at a time instead of one a caller.
 */

/** Milliseconds for which one waits behind a read before starting another beside it: a read that hangs holds up nobody. */
const WAIT_MS = 50;

interface Line<Value> {
  startedAt: number;
  current: Promise<Value>;
  next: Promise<Value> | undefined;
}

/** Shares reads by key. */
export class FreshReads<Value> {
  readonly #read: (key: string) => Promise<Value>;
  readonly #now: () => number;
  readonly #lines = new Map<string, Line<Value>>();

  /** @param now milliseconds on any clock that does not jump back */
  constructor(read: (key: string) => Promise<Value>, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  /** The value by a read that began after this call. Throws what the read throws. */
  get(key: string): Promise<Value> {
    const line = this.#lines.get(key);
    if (!line) return this.#start(key);
    if (line.next) return line.next;
    if (this.#now() - line.startedAt > WAIT_MS) return this.#start(key);
    const next = line.current.then(
      () => this.#start(key),
      () => this.#start(key),
    );
    line.next = next;
    return next;
  }

  #start(key: string): Promise<Value> {
    const current = this.#read(key);
    const line: Line<Value> = { startedAt: this.#now(), current, next: undefined };
    this.#lines.set(key, line);
    const ended = () => {
      if (this.#lines.get(key) === line && !line.next) this.#lines.delete(key);
    };
    current.then(ended, ended);
    return current;
  }
}
