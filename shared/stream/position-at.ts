/** Finds where a moment lies in the journal, for `?since=`. */
import { LANE_START, type LanePosition, type Position } from './cursor.ts';
import type { JournalSource } from './journal-reader.ts';

/**
 * The position before the first entry whose hub events were accepted at `atMs` or later, in every lane. A binary search:
 * about 15 small reads per lane. What has expired is not searched; whoever asks further back starts at the oldest entry.
 */
export async function positionAt(journal: JournalSource, tenantId: string, atMs: number): Promise<Position> {
  const lanes = await journal.lanes(tenantId);
  const places = await Promise.all(lanes.map((lane) => placeAt(journal, tenantId, lane, atMs)));
  return new Map(lanes.map((lane, index) => [lane, places[index] ?? LANE_START]));
}

async function placeAt(journal: JournalSource, tenantId: string, lane: string, atMs: number): Promise<LanePosition> {
  const head = await journal.head(tenantId, lane);
  if (head === undefined) return LANE_START;
  if (head.to.enq < atMs) return { n: head.n, i: 0 };
  // Entry `before` is older than `atMs` or has expired; entry `from` is neither.
  let before = 0;
  let from = head.n;
  while (before + 1 < from) {
    const middle = before + Math.floor((from - before) / 2);
    // oxlint-disable-next-line no-await-in-loop -- each step needs the one before
    const [entry] = await journal.read(tenantId, lane, middle - 1, 1);
    if (entry === undefined) break;
    // A later entry than the one asked for: everything in between has expired.
    if (entry.n > middle) before = entry.n - 1;
    else if (entry.to.enq < atMs) before = middle;
    else from = middle;
  }
  return { n: from - 1, i: 0 };
}
