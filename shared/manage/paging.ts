/** Pages of lists: `limit` and an opaque `cursor`, which says where to go on and is no permission of any kind. */
import { z } from 'zod';
import { Problem } from '../http/problem.ts';

/** Entries of a page unless asked otherwise. */
const PAGE_DEFAULT = 50;
/** Entries of a page at most. */
export const PAGE_MAX = 200;

const LIMIT_RULE = `must be a whole number from 1 to ${PAGE_MAX}`;

/** Query parameters of every list. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, LIMIT_RULE)
    .transform(Number)
    .pipe(z.number().min(1, LIMIT_RULE).max(PAGE_MAX, LIMIT_RULE))
    .default(PAGE_DEFAULT),
  cursor: z.string().max(2048, 'is not a cursor of this list').optional(),
};

/** A query parameter that narrows a list by text. */
export const searchText = z.string().trim().min(1, 'must not be empty').max(128, 'must be at most 128 characters');

/** Packs the position after an entry. */
function packCursor(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Unpacks a cursor of `parts` texts. @throws Problem 400 for anything else */
export function unpackCursor(cursor: string | undefined, parts: number): string[] | undefined {
  if (cursor === undefined) return undefined;
  const position = z.array(z.string().max(512)).length(parts).safeParse(parseQuietly(cursor));
  if (position.success) return position.data;
  throw new Problem('invalid-cursor', 400, 'This is not a cursor of this list: start without it.');
}

/**
 * Makes a page out of up to `limit + 1` entries.
 * @param positionOf what the cursor after an entry holds
 */
export function toPage<Item, View>(
  found: readonly Item[],
  limit: number,
  view: (item: Item) => View,
  positionOf: (item: Item) => readonly string[],
): { items: View[]; nextCursor: string | null } {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const more = found.length > limit && last !== undefined;
  return { items: items.map(view), nextCursor: more ? packCursor(positionOf(last)) : null };
}

function parseQuietly(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}
