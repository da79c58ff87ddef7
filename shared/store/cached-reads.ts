/**
 * Reads that may be a few seconds old: one read for concurrent callers, absence remembered as well, and, where the
 * caller allows it, the last known value while the store is in trouble.
 */

/** Bounds of the cache. Times are in milliseconds. */
export interface CachedReadsOptions<Subject> {
  /** Age up to which a value is served without a read. */
  freshMs: number;
  /** Age up to which a value is served when its read fails; absent means that the failure is thrown. */
  lastKnownMs?: number;
  /**
   * How long a caller who could have the last known value waits for a new one: the SDK tries a dead store for 10 s. 0 is
   * not at all: the value is read beside, for the next caller.
   */
  patienceMs?: number;
  /** Values that are kept; the one that was read longest ago goes first. */
  entriesMax: number;
  /** What distinguishes subjects; a string is its own key. */
  keyOf?: (subject: Subject) => string;
  now?: () => number;
}

/** Milliseconds of patience unless an option says otherwise. */
const PATIENCE_MS = 1_000;

interface Entry<Value> {
  value: Value;
  readAt: number;
}

/** A read-through cache over one kind of read. */
export class CachedReads<Subject, Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #underWay = new Map<string, Promise<Value>>();
  readonly #read: (subject: Subject) => Promise<Value>;
  readonly #options: Required<CachedReadsOptions<Subject>>;

  constructor(read: (subject: Subject) => Promise<Value>, options: CachedReadsOptions<Subject>) {
    this.#read = read;
    this.#options = { lastKnownMs: 0, patienceMs: PATIENCE_MS, keyOf: String, now: Date.now, ...options };
  }

  /** The value, read anew when it is too old. Throws what the read throws, unless a last known value serves. */
  async get(subject: Subject): Promise<Value> {
    const key = this.#options.keyOf(subject);
    const known = this.#entries.get(key);
    if (known && this.#age(known) < this.#options.freshMs) return known.value;
    const reading = this.#underWay.get(key) ?? this.#start(key, subject);
    const servesStill = known !== undefined && this.#age(known) < this.#options.lastKnownMs;
    return servesStill ? orKnown(reading, known.value, this.#options.patienceMs) : reading;
  }

  /** Forgets a value, so that the next caller reads it. */
  forget(subject: Subject): void {
    const key = this.#options.keyOf(subject);
    this.#entries.delete(key);
    this.#underWay.delete(key);
  }

  /** Forgets the values that `isMeant` picks, and what is being read. */
  forgetWhere(isMeant: (value: Value) => boolean): void {
    for (const [key, { value }] of this.#entries) if (isMeant(value)) this.#entries.delete(key);
    this.#underWay.clear();
  }

  #start(key: string, subject: Subject): Promise<Value> {
    const readAt = this.#options.now();
    const reading = this.#read(subject)
      .then((value) => {
        // A read that forget() overtook may be older than what was written meanwhile.
        if (this.#underWay.get(key) === reading) this.#keep(key, { value, readAt });
        return value;
      })
      .finally(() => {
        if (this.#underWay.get(key) === reading) this.#underWay.delete(key);
      });
    this.#underWay.set(key, reading);
    return reading;
  }

  #keep(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#options.entriesMax && oldest !== undefined) this.#entries.delete(oldest);
  }

  #age({ readAt }: Entry<Value>): number {
    return this.#options.now() - readAt;
  }
}

/** The value that is being read, or the known one when the read fails or takes longer than `patienceMs`. */
async function orKnown<Value>(reading: Promise<Value>, known: Value, patienceMs: number): Promise<Value> {
  if (patienceMs === 0) {
    void reading.catch(() => undefined);
    return known;
  }
  const late = Promise.withResolvers<Value>();
  const timer = setTimeout(() => late.resolve(known), patienceMs);
  try {
    return await Promise.race([reading.catch(() => known), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
