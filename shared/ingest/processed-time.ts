/**
 * How far the hub has been processed. Silence is judged by this time and never by the wall clock: while a consumer
 * stalls, the devices behind it are not silent, they are unheard.
 */
import { isBeyond, type HubPosition } from '../journal/journal-entry.ts';
import type { Document, Store } from '../store/store.ts';

/** Where a source partition ends now, as the hub itself says. */
export interface PartitionEnd {
  lane: string;
  isEmpty: boolean;
  lastSeq: number;
  lastEnqueuedMs: number;
}

/** Milliseconds that the hub's clock may differ from ours, and an event may be under way. */
const CLOCKS_APART_MS = 5_000;
/** Attempts to move one mark against other writers. */
const ATTEMPTS = 8;

/** Container `leases`: the last event of a lane whose batch was processed whole. */
interface Mark extends Document {
  seq: number;
  enq: number;
}

/** The marks of the lanes, over the store. */
export class ProcessedTime {
  readonly #store: Store;
  /** As this instance wrote them: the etag fences, the memory only saves the read. */
  readonly #known = new Map<string, { at: HubPosition; etag: string }>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Moves a lane's mark, never back: a writer that lost its partition may come late. */
  async advance(lane: string, { seq, enq }: HubPosition): Promise<void> {
    const id = markId(lane);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = this.#known.get(lane) ?? (await this.#read(lane));
      if (known && !isBeyond({ seq, enq }, known.at)) return;
      this.#known.delete(lane);
      const mark: Mark = { id, seq, enq: Math.max(enq, known?.at.enq ?? 0) };
      const written = known
        ? await this.#store.replace('leases', mark, known.etag)
        : await this.#store.create('leases', mark);
      if (!written) continue;
      this.#known.set(lane, { at: { seq, enq: mark.enq }, etag: written._etag });
      return;
    }
  }

  /**
   * The hub's time up to which nothing is left to process in any partition, epoch milliseconds; `-Infinity` while a
   * partition holds events of which none has been processed. The slowest partition counts for all devices: which
   * partition a device's next event comes by changes when partitions are added.
   * @param ends asked for at `askedMs`
   */
  async upTo(ends: readonly PartitionEnd[], askedMs: number): Promise<number> {
    const times = await Promise.all(
      ends.map(async ({ lane, isEmpty, lastSeq, lastEnqueuedMs }) => {
        if (isEmpty) return askedMs - CLOCKS_APART_MS;
        const mark = await this.#store.read<Mark>('leases', markId(lane), markId(lane));
        if (!mark) return Number.NEGATIVE_INFINITY;
        // The mark keeps the latest enqueued time, so a re-created hub is told by its times.
        const isCaughtUp = mark.seq >= lastSeq && mark.enq >= lastEnqueuedMs;
        // A broker whose clock is behind may have given what comes next an earlier time than the mark's.
        return (isCaughtUp ? askedMs : mark.enq) - CLOCKS_APART_MS;
      }),
    );
    return Math.min(...times, askedMs - CLOCKS_APART_MS);
  }

  async #read(lane: string): Promise<{ at: HubPosition; etag: string } | undefined> {
    const mark = await this.#store.read<Mark>('leases', markId(lane), markId(lane));
    return mark && { at: { seq: mark.seq, enq: mark.enq }, etag: mark._etag };
  }
}

function markId(lane: string): string {
  return `processed|${lane}`;
}
