/**
 * Guards: for most conditions one look at one number shows that they cannot be true. A rule at rest whose guard says
 * so needs no evaluation at all, and that is most rules at most times. A guard may pass what the condition refuses,
 * never the reverse.
 */
import type { PlainCondition } from './condition.ts';

/** The condition cannot be true while the parameter's number is below `low` or above `high`. */
export interface Guard {
  param: string;
  low: number;
  high: number;
}

/** The guard of a condition, or undefined where no single number rules it out. */
export function guardOf(part: PlainCondition): Guard | undefined {
  if ('all' in part) {
    for (const each of part.all) {
      const guard = guardOf(each);
      if (guard) return guard;
    }
    return undefined;
  }
  if ('any' in part) {
    const guards = part.any.map(guardOf);
    return guards.reduce((hull, guard) =>
      hull && guard?.param === hull.param
        ? { param: hull.param, low: Math.min(hull.low, guard.low), high: Math.max(hull.high, guard.high) }
        : undefined,
    );
  }
  if ('not' in part) return undefined;
  const { param } = part;
  switch (part.op) {
    case 'gt':
    case 'gte':
      return { param, low: part.value, high: Number.POSITIVE_INFINITY };
    case 'lt':
    case 'lte':
      return { param, low: Number.NEGATIVE_INFINITY, high: part.value };
    case 'between':
      return { param, low: part.value[0], high: part.value[1] };
    case 'eq':
      return typeof part.value === 'number' ? { param, low: part.value, high: part.value } : undefined;
    case 'in': {
      const numbers = part.value.filter((value) => typeof value === 'number');
      if (numbers.length < part.value.length) return undefined;
      return { param, low: Math.min(...numbers), high: Math.max(...numbers) };
    }
    case 'neq':
    case 'outside':
    case 'changed':
    case 'exists':
    case 'unknown':
      return undefined;
  }
}
