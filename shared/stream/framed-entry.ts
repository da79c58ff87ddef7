/** A journal entry with the frames that were made of it: an event is written out once per lens, however many streams see it. */
import type { JournalEntry } from '../journal/journal-entry.ts';
import type { Lens, View } from './view.ts';

/** One entry and its frames. */
export class FramedEntry {
  readonly entry: JournalEntry;
  /** Per lens: the frame by event index; null where the lens leaves nothing of the event. */
  readonly #frames = new Map<string, (string | null)[]>();

  constructor(entry: JournalEntry) {
    this.entry = entry;
  }

  /** Number of events. */
  get size(): number {
    return this.entry.e.length;
  }

  /** The frame of the event at `index` as `view` sees it; undefined when it does not. */
  frame(index: number, view: View): string | undefined {
    const event = this.entry.e[index];
    const isSeen = event !== undefined && view.wants(event.k) && view.sees(event.d.deviceId);
    return isSeen ? this.render(index, view.lens) : undefined;
  }

  /** The frame of the event at `index`, whoever may see it. */
  render(index: number, lens: Lens): string | undefined {
    const event = this.entry.e[index];
    if (event === undefined) return undefined;
    let frames = this.#frames.get(lens.key);
    if (frames === undefined) this.#frames.set(lens.key, (frames = []));
    const known = frames[index];
    if (known !== undefined) return known ?? undefined;
    const frame = lens.render(event, this.entry.tenantId);
    frames[index] = frame ?? null;
    return frame;
  }
}
