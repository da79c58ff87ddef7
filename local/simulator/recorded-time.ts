/** Times as they stand in recorded files. */

/** Numbers from here on are milliseconds, below they are seconds (the year 5138 in seconds, 1973 in milliseconds). */
const MILLISECONDS_FROM = 1e11;

const ISO_LIKE = /^(\d{4}-\d{2}-\d{2})(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * Epoch milliseconds of a recorded time: ISO 8601 with or without a time of day, epoch seconds or milliseconds, or
 * what `Date` reads. A time without a zone is UTC, so that a file plays the same everywhere.
 */
export function parseTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const number = Number(trimmed);
  if (Number.isFinite(number)) {
    // A bare year, as yearly tables have it.
    if (/^\d{4}$/.test(trimmed)) return Date.UTC(number, 0);
    return number >= MILLISECONDS_FROM ? number : number * 1000;
  }
  const iso = ISO_LIKE.exec(trimmed);
  const parsed = iso
    ? Date.parse(`${iso[1]}T${(iso[2] ?? '00:00').padStart(5, '0')}${zone(iso[3])}`)
    : Date.parse(`${trimmed} UTC`) || Date.parse(trimmed);
  return Number.isNaN(parsed) ? undefined : parsed;
}

function zone(text = 'Z'): string {
  return text.length === 5 ? `${text.slice(0, 3)}:${text.slice(3)}` : text.toUpperCase();
}
