/** The journal as streams read it: one read for all streams that want the same page at the same moment. */
import type { HubPosition, JournalEntry } from '../journal/journal-entry.ts';
import { FramedEntry } from './framed-entry.ts';

/** What streams need of the journal. */
export interface JournalSource {
  lanes(tenantId: string): Promise<string[]>;
  head(tenantId: string, lane: string): Promise<{ n: number; to: HubPosition } | undefined>;
  /** Entries with n > after, ascending; the first may be later than after + 1 when older ones expired. */
  read(tenantId: string, lane: string, after: number, max?: number): Promise<JournalEntry[]>;
}

/** Entries of one page. */
export const PAGE_ENTRIES = 50;

/** See the top of the file. */
export class JournalReader {
  readonly #source: JournalSource;
  readonly #pages = new Map<string, Promise<FramedEntry[]>>();

  constructor(source: JournalSource) {
    this.#source = source;
  }

  /** The last entry number of every lane. */
  async heads(tenantId: string): Promise<Map<string, number>> {
    const lanes = await this.#source.lanes(tenantId);
    const heads = await Promise.all(lanes.map((lane) => this.#source.head(tenantId, lane)));
    return new Map(lanes.map((lane, index) => [lane, heads[index]?.n ?? 0]));
  }

  /** A page of entries with n > after. Do not change it: others share it. */
  page(tenantId: string, lane: string, after: number): Promise<FramedEntry[]> {
    const key = `${tenantId} ${lane} ${after}`;
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = this.#read(tenantId, lane, after).finally(() => this.#pages.delete(key));
      this.#pages.set(key, page);
    }
    return page;
  }

  async #read(tenantId: string, lane: string, after: number): Promise<FramedEntry[]> {
    const entries = await this.#source.read(tenantId, lane, after, PAGE_ENTRIES);
    return entries.map((entry) => new FramedEntry(entry));
  }
}
