/** Ids of applications as they stand in URLs and in the audit. */
import { randomBytes } from 'node:crypto';

/** Digits of the time: base 36 milliseconds last until the year 5188. */
const TIME_DIGITS = 9;
const RANDOM_BYTES = 8;

/** A new id, such as `app_0mi4d…`: sorts by the time of creation, so that lists page by it. */
export function newApplicationId(nowMs: number): string {
  return `app_${nowMs.toString(36).padStart(TIME_DIGITS, '0')}${randomBytes(RANDOM_BYTES).toString('hex')}`;
}
