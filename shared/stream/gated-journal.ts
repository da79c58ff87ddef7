/** A journal that reads few pages at a time: thousands of clients that come back together must not throttle ingest's store. */
import type { JournalEntry } from '../journal/journal-entry.ts';
import type { JournalSource } from './journal-reader.ts';

/** Page reads at a time per instance. */
const READS_AT_A_TIME = 16;

/** Lets READS_AT_A_TIME reads through, the others in the order they came. */
export class GatedJournal implements JournalSource {
  readonly #source: JournalSource;
  readonly #waiting: (() => void)[] = [];
  #reading = 0;

  constructor(source: JournalSource) {
    this.#source = source;
  }

  lanes(tenantId: string): ReturnType<JournalSource['lanes']> {
    return this.#source.lanes(tenantId);
  }

  head(tenantId: string, lane: string): ReturnType<JournalSource['head']> {
    return this.#source.head(tenantId, lane);
  }

  async read(tenantId: string, lane: string, after: number, max?: number): Promise<JournalEntry[]> {
    if (this.#reading >= READS_AT_A_TIME) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reading += 1;
    try {
      return await this.#source.read(tenantId, lane, after, max);
    } finally {
      // The next in line takes over the place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading -= 1;
      else next();
    }
  }
}
