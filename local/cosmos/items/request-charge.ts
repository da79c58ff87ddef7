/**
 * Request units by formula, after Microsoft's published figures: a part for the size, 0.2 for each index entry of a create,
 * about twice that for a replace. An estimate for budgets and for comparing designs, not a bill.
 */

/** [KB, RU] for writes without index entries, and for point reads; linear between the points and beyond. */
const WRITE_POINTS: readonly (readonly [number, number])[] = [
  [1, 4.95],
  [2, 6.3],
  [4, 6.7],
  [8, 7],
  [16, 9.5],
  [32, 11.2],
  [64, 22.7],
  [128, 48],
];
const READ_POINTS: readonly (readonly [number, number])[] = [
  [1, 1],
  [8, 1.3],
  [16, 1.7],
  [32, 2.2],
  [64, 4.2],
  [128, 8.4],
];
/** RU for one index entry of a create. */
const TERM_RU = 0.2;
const REPLACE_FACTOR = 2;
/** RU for each path of a patch, on top of a replace. */
const PATCH_PATH_RU = 0.4;
/** RU that any query costs, for each document it looks at, and for each one it returns. */
const QUERY_BASE_RU = 2.3;
const QUERY_SCANNED_RU = 0.03;
const QUERY_RESULT_RU = 0.2;
/** RU of an operation on definitions, or of a request that found nothing. */
export const SMALL_RU = 1;

const KB = 1024;

function interpolate(points: readonly (readonly [number, number])[], bytes: number): number {
  const kb = bytes / KB;
  const first = points[0] ?? [1, 1];
  if (kb <= first[0]) return first[1];
  let low = first;
  let high = first;
  for (const point of points) {
    low = high;
    high = point;
    if (kb <= point[0]) break;
  }
  return low[1] + ((kb - low[0]) * (high[1] - low[1])) / (high[0] - low[0]);
}

const round = (charge: number): number => Math.round(charge * 100) / 100;

/** A point read of an item of this size. */
export function readCharge(bytes: number): number {
  return round(interpolate(READ_POINTS, bytes));
}

/** A create; a delete costs the same. */
export function createCharge(bytes: number, terms: number): number {
  return round(interpolate(WRITE_POINTS, bytes) + terms * TERM_RU);
}

/** A replace, or an upsert that found an item. */
export function replaceCharge(bytes: number, terms: number): number {
  return round(createCharge(bytes, terms) * REPLACE_FACTOR);
}

/** A patch of this many paths. */
export function patchCharge(bytes: number, terms: number, paths: number): number {
  return round(replaceCharge(bytes, terms) + paths * PATCH_PATH_RU);
}

/** A page of a query. */
export function queryCharge(scanned: number, returned: number, returnedBytes: number): number {
  return round(QUERY_BASE_RU + scanned * QUERY_SCANNED_RU + returned * QUERY_RESULT_RU + (returnedBytes / KB) * 0.1);
}

/** A page of a feed: like reading its items. */
export function feedCharge(returned: number, returnedBytes: number): number {
  return round(Math.max(SMALL_RU, returned * QUERY_RESULT_RU + interpolate(READ_POINTS, returnedBytes)));
}
