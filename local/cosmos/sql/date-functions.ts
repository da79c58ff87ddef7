/** Date and time functions. A date and time is an ISO 8601 text in UTC with seven decimals, as the service writes it. */
import type { Value } from '../json-value.ts';
import type { BuiltIn } from './functions.ts';

/** Ticks of 100 ns in a millisecond. */
const TICKS_PER_MS = 10_000;
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,7})?Z?)?$/;

type Unit = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'millisecond';
const UNIT_NAMES: Record<string, Unit> = {
  year: 'year',
  yyyy: 'year',
  yy: 'year',
  month: 'month',
  mm: 'month',
  m: 'month',
  day: 'day',
  dd: 'day',
  d: 'day',
  hour: 'hour',
  hh: 'hour',
  minute: 'minute',
  mi: 'minute',
  n: 'minute',
  second: 'second',
  ss: 'second',
  s: 'second',
  millisecond: 'millisecond',
  ms: 'millisecond',
};
const UNIT_MS: Record<Exclude<Unit, 'year' | 'month'>, number> = {
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};

function toMs(value: Value): number | undefined {
  if (typeof value !== 'string' || !ISO.test(value)) return undefined;
  const ms = Date.parse(value.length > 10 && !value.endsWith('Z') ? `${value}Z` : value);
  return Number.isNaN(ms) ? undefined : ms;
}

function toIso(ms: number): Value {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace('Z', '0000Z');
}

const unitOf = (value: Value): Unit | undefined =>
  typeof value === 'string' ? UNIT_NAMES[value.toLowerCase()] : undefined;

function add([part, amount, text]: Value[]): Value {
  const unit = unitOf(part);
  const ms = toMs(text);
  if (unit === undefined || ms === undefined || typeof amount !== 'number') return undefined;
  const count = Math.trunc(amount);
  if (unit !== 'year' && unit !== 'month') return toIso(ms + count * UNIT_MS[unit]);
  const date = new Date(ms);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + count * (unit === 'year' ? 12 : 1));
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return toIso(date.getTime());
}

function difference([part, from, to]: Value[]): Value {
  const unit = unitOf(part);
  const start = toMs(from);
  const end = toMs(to);
  if (unit === undefined || start === undefined || end === undefined) return undefined;
  if (unit !== 'year' && unit !== 'month') return Math.floor(end / UNIT_MS[unit]) - Math.floor(start / UNIT_MS[unit]);
  const a = new Date(start);
  const b = new Date(end);
  const years = b.getUTCFullYear() - a.getUTCFullYear();
  return unit === 'year' ? years : years * 12 + b.getUTCMonth() - a.getUTCMonth();
}

function partOf([part, text]: Value[]): Value {
  const unit = unitOf(part);
  const ms = toMs(text);
  if (unit === undefined || ms === undefined) return undefined;
  const date = new Date(ms);
  const parts: Record<Unit, number> = {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: date.getUTCMilliseconds(),
  };
  return parts[unit];
}

const mapMs = (value: Value, scale: number): Value => {
  const ms = toMs(value);
  return ms === undefined ? undefined : ms * scale;
};
const current = (call: (nowMs: number) => Value): BuiltIn => ({ min: 0, max: 0, call: (_, nowMs) => call(nowMs) });
const plain = (count: number, call: (args: Value[]) => Value): BuiltIn => ({ min: count, max: count, call });

/** The functions by name. */
export const dateFunctions: [string, BuiltIn][] = [
  ['GETCURRENTDATETIME', current(toIso)],
  ['GETCURRENTDATETIMESTATIC', current(toIso)],
  ['GETCURRENTTIMESTAMP', current((ms) => ms)],
  ['GETCURRENTTIMESTAMPSTATIC', current((ms) => ms)],
  ['GETCURRENTTICKS', current((ms) => ms * TICKS_PER_MS)],
  ['GETCURRENTTICKSSTATIC', current((ms) => ms * TICKS_PER_MS)],
  ['DATETIMEADD', plain(3, add)],
  ['DATETIMEDIFF', plain(3, difference)],
  ['DATETIMEPART', plain(2, partOf)],
  ['DATETIMETOTIMESTAMP', plain(1, ([text]) => mapMs(text, 1))],
  ['DATETIMETOTICKS', plain(1, ([text]) => mapMs(text, TICKS_PER_MS))],
  ['TIMESTAMPTODATETIME', plain(1, ([ms]) => (typeof ms === 'number' ? toIso(ms) : undefined))],
  ['TICKSTODATETIME', plain(1, ([ticks]) => (typeof ticks === 'number' ? toIso(ticks / TICKS_PER_MS) : undefined))],
];
