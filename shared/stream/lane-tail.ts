/**
 * The last entries of a lane, kept in memory with their frames: streams that lag a little, or come back after a moment,
 * are served from here and cost the store nothing.
 */
import type { FramedEntry } from './framed-entry.ts';
import { PAGE_ENTRIES } from './journal-reader.ts';

/** Characters of JSON that one lane keeps. */
const TAIL_CHARS_MAX = 128 * 1024;

/** Entries without a hole, the last one being the lane's last. */
export class LaneTail {
  #entries: { framed: FramedEntry; chars: number }[] = [];
  #chars = 0;

  /** Adds the entry after the last one. */
  push(framed: FramedEntry): void {
    const chars = JSON.stringify(framed.entry.e).length;
    this.#entries.push({ framed, chars });
    this.#chars += chars;
    let excess = 0;
    while (this.#chars > TAIL_CHARS_MAX && excess < this.#entries.length)
      this.#chars -= this.#entries[excess++]?.chars ?? 0;
    if (excess > 0) this.#entries.splice(0, excess);
  }

  /** At most a page of entries after number `n`; undefined when the memory does not reach back to it. */
  after(n: number): FramedEntry[] | undefined {
    const first = this.#entries[0]?.framed.entry.n;
    const last = this.#entries.at(-1)?.framed.entry.n;
    if (first === undefined || last === undefined || n + 1 < first || n >= last) return undefined;
    const from = n + 1 - first;
    return this.#entries.slice(from, from + PAGE_ENTRIES).map(({ framed }) => framed);
  }

  clear(): void {
    this.#entries = [];
    this.#chars = 0;
  }
}
