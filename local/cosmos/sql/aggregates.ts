/** COUNT, SUM, MIN, MAX, AVG and their kin: fed one value per row, they answer one value per group. */
import type { JsonValue, Value } from '../json-value.ts';
import { canonicalText, compareValues, isScalar } from './order.ts';

/** Collects the values of a group. */
export interface Aggregate {
  add(value: Value): void;
  result(): Value;
}

/** Names of the aggregates, with the type the query plan calls them by. */
export const AGGREGATE_TYPES: Record<string, string> = {
  COUNT: 'Count',
  COUNTIF: 'CountIf',
  SUM: 'Sum',
  MIN: 'Min',
  MAX: 'Max',
  AVG: 'Average',
  MAKELIST: 'MakeList',
  MAKESET: 'MakeSet',
};

/** True for the name (in capitals) of an aggregate. */
export function isAggregate(name: string): boolean {
  return Object.hasOwn(AGGREGATE_TYPES, name);
}

/** A new aggregate for a group. */
export function createAggregate(name: string): Aggregate {
  switch (name) {
    case 'COUNT':
      return count((value) => value !== undefined);
    case 'COUNTIF':
      return count((value) => value === true);
    case 'MIN':
      return extreme((order) => order < 0);
    case 'MAX':
      return extreme((order) => order > 0);
    case 'MAKELIST':
    case 'MAKESET':
      return collect(name === 'MAKESET');
    default:
      return total(name === 'AVG');
  }
}

function count(counts: (value: Value) => boolean): Aggregate {
  let counted = 0;
  return {
    add: (value) => {
      if (counts(value)) counted++;
    },
    result: () => counted,
  };
}

/** One value that is no number makes the whole sum undefined; values that are not there are left out. */
function total(average: boolean): Aggregate {
  let sum = 0;
  let counted = 0;
  let valid = true;
  return {
    add: (value) => {
      if (value === undefined) return;
      if (typeof value !== 'number') valid = false;
      else sum += value;
      counted++;
    },
    result: () => {
      if (!valid || (average && counted === 0)) return undefined;
      return average ? sum / counted : sum;
    },
  };
}

/** An array or object makes the result undefined: they have no order. */
function extreme(better: (order: number) => boolean): Aggregate {
  let best: Value;
  let valid = true;
  return {
    add: (value) => {
      if (value === undefined) return;
      if (!isScalar(value)) valid = false;
      else if (best === undefined || better(compareValues(value, best))) best = value;
    },
    result: () => (valid ? best : undefined),
  };
}

function collect(unique: boolean): Aggregate {
  const values: JsonValue[] = [];
  const seen = new Set<string>();
  return {
    add: (value) => {
      if (value === undefined) return;
      const text = unique ? canonicalText(value) : '';
      if (unique && seen.has(text)) return;
      seen.add(text);
      values.push(value);
    },
    result: () => values,
  };
}
