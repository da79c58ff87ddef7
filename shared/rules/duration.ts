/**
 * Durations of rules: `10m`, `1h30m`, ISO 8601 `PT10M`, or milliseconds as they are stored, so that a rule read from
 * the API can be sent back. Years and months are refused: they have no fixed length.
 */
import { z } from 'zod';

const UNIT_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const SHORT = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const ISO = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,3}))?S)?)?$/;
const TEXT_CHARS_MAX = 40;

/**
 * Reads a duration text.
 * @param text such as `10m`, `1h30m`, `PT10M`, `P1DT12H`, `PT0.5S`
 * @returns milliseconds, or undefined where the text is no duration of a fixed length
 */
export function parseDuration(text: string): number | undefined {
  if (text === '' || text === 'P' || text.length > TEXT_CHARS_MAX) return undefined;
  const short = SHORT.exec(text);
  const iso = short ? undefined : ISO.exec(text);
  const match = short ?? iso;
  if (!match) return undefined;
  const [, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0, rest = '0'] = match;
  const whole =
    Number(weeks) * UNIT_MS.w +
    Number(days) * UNIT_MS.d +
    Number(hours) * UNIT_MS.h +
    Number(minutes) * UNIT_MS.m +
    Number(seconds) * UNIT_MS.s;
  const ms = whole + Number(iso ? rest.padEnd(3, '0') : rest);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/**
 * A duration between two bounds, in milliseconds; `10m`, ISO 8601 or a whole number of milliseconds.
 * @param minMs least that is allowed
 * @param maxMs most that is allowed
 */
export function duration(minMs: number, maxMs: number): z.ZodType<number, number | string> {
  const rule = `must be a duration such as 10m, 1h30m or PT10M, from ${minMs} to ${maxMs} ms`;
  return z.union([z.number(), z.string()], { error: rule }).transform((value, context) => {
    const ms = typeof value === 'string' ? parseDuration(value) : value;
    if (ms !== undefined && Number.isSafeInteger(ms) && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}
