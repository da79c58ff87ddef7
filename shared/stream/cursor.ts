/**
 * A stream's position in the journal, and the opaque text a client keeps of it.
 * A cursor is user input: it is bound to nobody, says nothing about permissions, and is checked as any other input.
 *
 * The text groups lanes by source, in base 36: `direct.0-dwk1.1-9x2-3~ops.-3f` is lane `direct-0` after entry dwk1,
 * `direct-1` after entry 9x2 and three events of the next one, and `ops` after 3f. Only unreserved URL characters.
 */

/** Everything up to entry `n` of a lane was delivered, and the first `i` events of entry `n + 1`. */
export interface LanePosition {
  readonly n: number;
  readonly i: number;
}

/** Position by lane. A lane that is absent stands before its first entry. */
export type Position = ReadonlyMap<string, LanePosition>;

/** Characters of a cursor; room for about 150 lanes. It has to fit in a header and in a URL. */
export const CURSOR_CHARS_MAX = 2048;
/** Lanes of one cursor. */
const CURSOR_LANES_MAX = 256;
/** Events of one entry that a cursor may claim: an entry of 256 KB holds far fewer. */
const EVENT_INDEX_MAX = 100_000;
/** The text of a position without lanes: a tenant that has no journal yet. */
const EMPTY = '0';
/** The position before a lane's first entry. */
export const LANE_START: LanePosition = { n: 0, i: 0 };

const PARTITIONED = /^(.+)-(0|[1-9]\d{0,4})$/;
const SOURCE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const ITEM = /^(0|[1-9a-z][0-9a-z]{0,3})?-(0|[1-9a-z][0-9a-z]{0,10})(?:-([1-9a-z][0-9a-z]{0,3}))?$/;

/** The cursor text of a position. Lanes are sorted, so that equal positions have equal texts. */
export function formatCursor(position: Position): string {
  const sources = new Map<string, string[]>();
  for (const lane of [...position.keys()].toSorted(compareLanes)) {
    const { n, i } = position.get(lane) ?? LANE_START;
    const [, source = lane, partition] = PARTITIONED.exec(lane) ?? [];
    const head = partition === undefined ? '' : Number(partition).toString(36);
    const item = `${head}-${n.toString(36)}${i === 0 ? '' : `-${i.toString(36)}`}`;
    const items = sources.get(source);
    if (items === undefined) sources.set(source, [item]);
    else items.push(item);
  }
  return sources.size === 0 ? EMPTY : [...sources].map(([source, items]) => `${source}.${items.join('.')}`).join('~');
}

/** Reads a cursor text; undefined when it is none. Bounded in time and memory whatever the text. */
export function parseCursor(text: string): Position | undefined {
  if (text === EMPTY) return new Map();
  if (text.length > CURSOR_CHARS_MAX) return undefined;
  const position = new Map<string, LanePosition>();
  for (const group of text.split('~')) {
    const [source = '', ...items] = group.split('.');
    if (!SOURCE.test(source) || items.length === 0) return undefined;
    for (const item of items) {
      const parts = ITEM.exec(item);
      if (parts === null || position.size >= CURSOR_LANES_MAX) return undefined;
      const n = parseInt(parts[2] ?? '', 36);
      const i = parts[3] === undefined ? 0 : parseInt(parts[3], 36);
      const lane = parts[1] === undefined ? source : `${source}-${parseInt(parts[1], 36)}`;
      if (!Number.isSafeInteger(n) || i > EVENT_INDEX_MAX || position.has(lane)) return undefined;
      position.set(lane, { n, i });
    }
  }
  return position;
}

function compareLanes(a: string, b: string): number {
  const [, sourceA = a, partitionA = '-1'] = PARTITIONED.exec(a) ?? [];
  const [, sourceB = b, partitionB = '-1'] = PARTITIONED.exec(b) ?? [];
  if (sourceA !== sourceB) return sourceA < sourceB ? -1 : 1;
  return Number(partitionA) - Number(partitionB);
}
