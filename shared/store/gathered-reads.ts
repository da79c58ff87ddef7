/**
 * Reads that are asked for at the same moment, made as one: a batch of events names many devices at once, and a request
 * costs far more than what it brings.
 */

/** Reads of one kind by key; absent is undefined. */
export class GatheredReads<Value> {
  readonly #readOne: (key: string) => Promise<Value | undefined>;
  readonly #readMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  readonly #keysMax: number;
  #waiting: { keys: string[]; values: Promise<ReadonlyMap<string, Value>> } | undefined;

  /**
   * @param readOne for a key that nobody else asks beside: a point read is cheaper than a query
   * @param readMany for several; never more than `keysMax` keys
   */
  constructor(
    readOne: (key: string) => Promise<Value | undefined>,
    readMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
    keysMax: number,
  ) {
    this.#readOne = readOne;
    this.#readMany = readMany;
    this.#keysMax = keysMax;
  }

  /** The value, with what else is asked for before the present turn of the event loop ends. Throws what the read throws. */
  async get(key: string): Promise<Value | undefined> {
    if (this.#waiting === undefined || this.#waiting.keys.length >= this.#keysMax) {
      const keys: string[] = [];
      this.#waiting = { keys, values: this.#readSoon(keys) };
    }
    const { keys, values } = this.#waiting;
    keys.push(key);
    return (await values).get(key);
  }

  async #readSoon(keys: string[]): Promise<ReadonlyMap<string, Value>> {
    // Answers of one request resume their callers within one turn: those are to be together again.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#waiting?.keys === keys) this.#waiting = undefined;
    const [key, ...others] = keys;
    if (key === undefined || others.length > 0) return this.#readMany(keys);
    const value = await this.#readOne(key);
    return value === undefined ? new Map() : new Map([[key, value]]);
  }
}
