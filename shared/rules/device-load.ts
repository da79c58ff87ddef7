/** What a device's rules cost in state, and how much of it one device may carry: said at approval, never at run time. */
import { appliesTo, type RuleDevice } from './compile-rules.ts';
import type { RuleDefinition } from './rule-definition.ts';
import { watchedOf } from './watched.ts';

/** Different windows that the rules of one device look through. */
export const WINDOWS_PER_DEVICE_MAX = 64;
/** Bytes that the rules of one device may take in its state at the worst: it is written with every event. */
export const RULE_STATE_BYTES_MAX = 256 * 1024;

/** Bytes of a rule that is not at rest: id, hash, times. */
const RULE_BYTES = 160;
/** Bytes of a window of 60 entries at the worst: numbers of 17 digits and a sign. */
const WINDOW_BYTES = { none: 900, one: 2200, two: 3500 } as const;

/** How a device is asked for. */
export const DEVICE_STATE = { devicesPerPage: 1000 } as const;

/**
 * What is too much on a device, or undefined where all fits.
 * @param device absent: as if every rule were for it
 */
export function checkDeviceLoad(rules: readonly RuleDefinition[], device?: RuleDevice): string | undefined {
  const windows = new Map<string, number>();
  let bytes = 0;
  for (const rule of rules) {
    if (!rule.enabled || (device && !appliesTo(rule, device))) continue;
    bytes += RULE_BYTES;
    const window = watchedOf(rule)?.window;
    if (window) windows.set(window.key, windowBytes(window.fn) + window.key.length);
  }
  if (windows.size > WINDOWS_PER_DEVICE_MAX) {
    return `one device would have ${windows.size} windows, at most ${WINDOWS_PER_DEVICE_MAX}: let rules share one (same parameter, function and period) or name fewer devices`;
  }
  for (const each of windows.values()) bytes += each;
  if (bytes > RULE_STATE_BYTES_MAX) {
    return `the rules of one device would take up to ${bytes} bytes of its state, at most ${RULE_STATE_BYTES_MAX}: name fewer devices or retire rules`;
  }
  return undefined;
}

function windowBytes(fn: string): number {
  if (fn === 'count' || fn === 'anomalies') return WINDOW_BYTES.none;
  return fn === 'delta' || fn === 'rate' || fn === 'stddev' ? WINDOW_BYTES.two : WINDOW_BYTES.one;
}
