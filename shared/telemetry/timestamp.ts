/**
 * Timestamps of devices: ISO 8601 / RFC 3339 with a zone, or epoch milliseconds.
 * `Date.parse` is not used: it takes 30 February for 2 March and reads a time without zone in the server's zone.
 */

/** Milliseconds either side of 1970 that a Date can hold. */
const DATE_MS_MAX = 8.64e15;
const MINUTE_MS = 60_000;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** Digits of a second's fraction; those beyond milliseconds are cut off. */
const FRACTION_DIGITS_MAX = 9;
/** Characters by code. */
const [ZERO, NINE, DASH, COLON, DOT, COMMA, PLUS, T, SMALL_T, Z, SMALL_Z] = [
  48, 57, 45, 58, 46, 44, 43, 84, 116, 90, 122,
];

/**
 * Reads a timestamp.
 * @param value ISO 8601 date and time with `Z` or an offset, or epoch milliseconds (fractions are cut off)
 * @returns epoch milliseconds, or undefined where the value is no moment in time
 */
export function parseTimestamp(value: unknown): number | undefined {
  if (typeof value === 'number') return Math.abs(value) <= DATE_MS_MAX ? Math.trunc(value) + 0 : undefined;
  return typeof value === 'string' ? parseIso(value) : undefined;
}

/** By hand: a regular expression and a Date would cost as much as all the rest of validating an event. */
function parseIso(text: string): number | undefined {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const between = text.charCodeAt(10);
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH || text.charCodeAt(13) !== COLON) return undefined;
  if (between !== T && between !== SMALL_T) return undefined;
  if (!(day >= 1 && day <= daysIn(year, month) && hour <= 23 && minute <= 59)) return undefined;
  let at = 16;
  let ms = 0;
  if (text.charCodeAt(at) === COLON) {
    const second = digits(text, at + 1, 2);
    if (!(second <= 59)) return undefined;
    ms = second * 1000;
    at += 3;
    const mark = text.charCodeAt(at);
    if (mark === DOT || mark === COMMA) {
      const from = ++at;
      while (isDigit(text.charCodeAt(at))) at++;
      const count = at - from;
      if (count === 0 || count > FRACTION_DIGITS_MAX) return undefined;
      ms += Math.trunc((digits(text, from, Math.min(count, 3)) * 1000) / 10 ** Math.min(count, 3));
    }
  }
  const offset = offsetMinutes(text, at);
  return offset === undefined ? undefined : dayMs(year, month, day) + (hour * 60 + minute - offset) * MINUTE_MS + ms;
}

/** Minutes east of UTC that the text ends with from a position on; undefined where it is no zone. */
function offsetMinutes(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at);
  if (sign === Z || sign === SMALL_Z) return text.length === at + 1 ? 0 : undefined;
  if (sign !== PLUS && sign !== DASH) return undefined;
  const minutesAt = text.charCodeAt(at + 3) === COLON ? at + 4 : at + 3;
  const hours = digits(text, at + 1, 2);
  const minutes = digits(text, minutesAt, 2);
  if (text.length !== minutesAt + 2 || !(hours <= 23 && minutes <= 59)) return undefined;
  return (sign === DASH ? -1 : 1) * (hours * 60 + minutes);
}

/** The number that some digits spell; NaN where one of them is none. */
function digits(text: string, from: number, count: number): number {
  let number = 0;
  for (let at = from; at < from + count; at++) {
    const code = text.charCodeAt(at);
    if (!isDigit(code)) return Number.NaN;
    number = number * 10 + code - ZERO;
  }
  return number;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0);
}

function dayMs(year: number, month: number, day: number): number {
  if (year >= 100) return Date.UTC(year, month - 1, day);
  const date = new Date(0); // Date.UTC takes the years 0 to 99 for 1900 to 1999
  return date.setUTCFullYear(year, month - 1, day);
}
