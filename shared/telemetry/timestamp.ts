/**
 * Timestamps of devices: ISO 8601 / RFC 3339 with a zone, or epoch milliseconds.
 * `Date.parse` is not used: it takes 30 February for 2 March and reads a time without zone in the server's zone.
 */

/** Milliseconds either side of 1970 that a Date can hold. */
const DATE_MS_MAX = 8.64e15;
const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)$/i;

/**
 * Reads a timestamp.
 * @param value ISO 8601 date and time with `Z` or an offset, or epoch milliseconds (fractions are cut off)
 * @returns epoch milliseconds, or undefined where the value is no moment in time
 */
export function parseTimestamp(value: unknown): number | undefined {
  if (typeof value === 'number') return Math.abs(value) <= DATE_MS_MAX ? Math.trunc(value) + 0 : undefined;
  if (typeof value !== 'string' || value.length > 40) return undefined;
  const match = ISO.exec(value);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone = 'Z'] = match;
  const offset = offsetMinutes(zone);
  if (offset === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  const millisecond = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const dayMs = ((Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second)) * 1000 + millisecond;
  return date.getTime() + dayMs;
}

function offsetMinutes(zone: string): number | undefined {
  if (zone.length === 1) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
