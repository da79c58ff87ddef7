/**
 * What a window keeps of samples, and how that of two stretches becomes one. How many samples `c`, and two numbers whose
 * meaning is the function's: avg, sum: `a` the sum · min, max: `a` the extreme · delta, rate: `a` the first, `b` the last
 * value · stddev: `a` the mean, `b` the sum of squared distances from it · count, anomalies: neither.
 */
import type { WindowFunction } from './watched.ts';

/** Functions that use `a`. */
export const USES_A: ReadonlySet<WindowFunction> = new Set(['avg', 'sum', 'min', 'max', 'delta', 'rate', 'stddev']);
/** Functions that use `b`. */
export const USES_B: ReadonlySet<WindowFunction> = new Set(['delta', 'rate', 'stddev']);

/** What is kept of a stretch of samples. */
export interface Sum {
  c: number;
  a: number;
  b: number;
}

/** Entries in the order of time, by column; `a` and `b` are empty where the function does not use them. */
interface Entries {
  c: readonly number[];
  a: readonly number[];
  b: readonly number[];
}

/** Two stretches as one, in the first of them; it is the earlier one. */
export function combine(fn: WindowFunction, sum: Sum, c: number, a: number, b: number): Sum {
  if (c === 0) return sum;
  const count = sum.c + c;
  switch (fn) {
    case 'avg':
    case 'sum':
      sum.a += a;
      break;
    case 'min':
      if (a < sum.a) sum.a = a;
      break;
    case 'max':
      if (a > sum.a) sum.a = a;
      break;
    case 'delta':
    case 'rate':
      sum.b = b;
      break;
    case 'stddev': {
      const apart = a - sum.a;
      sum.b += b + (apart * apart * sum.c * c) / count;
      sum.a += (apart * c) / count;
      break;
    }
    case 'count':
    case 'anomalies':
  }
  sum.c = count;
  return sum;
}

/**
 * The entries from `from` to before `to` as one. From left to right always: the same entries give the same sum to the last
 * bit, however batches were cut.
 * @param isOneEach every entry is a single sample: then nobody needs to count
 */
export function foldEntries(fn: WindowFunction, entries: Entries, from: number, to: number, isOneEach: boolean): Sum {
  if (from >= to) return { c: 0, a: 0, b: 0 };
  const { a: as, b: bs, c: counts } = entries;
  let c = to - from;
  if (!isOneEach) {
    c = 0;
    for (let at = from; at < to; at++) c += counts[at] ?? 0;
  }
  let a = as[from] ?? 0;
  switch (fn) {
    case 'avg':
    case 'sum':
      for (let at = from + 1; at < to; at++) a += as[at] ?? 0;
      return { c, a, b: 0 };
    case 'min':
      for (let at = from + 1; at < to; at++) {
        const each = as[at] ?? a;
        if (each < a) a = each;
      }
      return { c, a, b: 0 };
    case 'max':
      for (let at = from + 1; at < to; at++) {
        const each = as[at] ?? a;
        if (each > a) a = each;
      }
      return { c, a, b: 0 };
    case 'delta':
    case 'rate':
      return { c, a, b: bs[to - 1] ?? 0 };
    case 'stddev':
      return isOneEach ? distancesOfSamples(as, from, to) : distancesOfPanes(entries, from, to, c);
    case 'count':
    case 'anomalies':
      return { c, a, b: 0 };
  }
}

/** The mean first, then the distances from it: exact, and without a division for each sample. */
function distancesOfSamples(values: readonly number[], from: number, to: number): Sum {
  const c = to - from;
  let sum = 0;
  for (let at = from; at < to; at++) sum += values[at] ?? 0;
  const a = sum / c;
  let b = 0;
  for (let at = from; at < to; at++) {
    const apart = (values[at] ?? 0) - a;
    b += apart * apart;
  }
  return { c, a, b };
}

function distancesOfPanes({ c: counts, a: means, b: distances }: Entries, from: number, to: number, c: number): Sum {
  if (c === 0) return { c, a: 0, b: 0 };
  let sum = 0;
  for (let at = from; at < to; at++) sum += (counts[at] ?? 0) * (means[at] ?? 0);
  const a = sum / c;
  let b = 0;
  for (let at = from; at < to; at++) {
    const apart = (means[at] ?? 0) - a;
    b += (distances[at] ?? 0) + (counts[at] ?? 0) * apart * apart;
  }
  return { c, a, b };
}
