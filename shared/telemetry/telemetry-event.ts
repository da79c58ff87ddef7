/**
 * The canonical telemetry event: what every source (direct producer, IoT Hub, Event Grid) is decoded into, and the
 * only form in which rules, anomalies, the store and streams ever see a reading. The limits here are what bounds
 * everything behind them: nothing a device sends can make a state document, a commit or a journal entry too large.
 */

/** One value of one parameter. Numbers are finite; null and nested values do not exist past the decoder. */
export type ReadingValue = number | string | boolean;

/** The readings that a device took at one moment: value by parameter name. */
export type Readings = Record<string, ReadingValue>;

/** Readings of one device at one moment. Times are epoch milliseconds. */
export interface TelemetryEvent {
  /** `lane:seq`, or `lane:seq.i` in an array. Made of the hub position, so a redelivery has the same id. */
  eventId: string;
  deviceId: string;
  /** Event time: the device's clock, clamped around the enqueued time. */
  ts: number;
  /** What the device's clock said, where `ts` had to be clamped. */
  rawTs?: number;
  /** When the hub accepted the event. */
  receivedTs: number;
  /** The source partition, such as `direct-3`. */
  lane: string;
  /** Sequence number within the lane. */
  seq: number;
  readings: Readings;
  /** What the event belongs to, as its producer said: a `traceparent` (W3C Trace Context). */
  traceParent?: string;
}

/** Bytes of one event's body. Half an Event Hubs message of 1 MB would not fit one journal entry. */
export const EVENT_BYTES_MAX = 256 * 1024;
/** Reading sets in one event that carries an array. */
export const READING_SETS_MAX = 500;
/** Parameters in one reading set. */
export const PARAMETERS_PER_READING_MAX = 64;
/** Characters (UTF-16 units) of a parameter name. */
export const PARAMETER_NAME_CHARS_MAX = 64;
/** Characters (UTF-16 units) of a string value. */
export const STRING_VALUE_CHARS_MAX = 256;
/** Characters of a device id. */
export const DEVICE_ID_CHARS_MAX = 128;
/** Characters of a message id or of the tenant an event claims. */
export const MARK_CHARS_MAX = 128;
/** How far behind the enqueued time a device's clock is believed, in milliseconds. */
export const LATE_MAX_MS = 24 * 60 * 60 * 1000;
/** How far ahead of the enqueued time a device's clock is believed, in milliseconds. */
export const AHEAD_MAX_MS = 5 * 60 * 1000;

const PARAMETER_NAME = new RegExp(`^[A-Za-z_][A-Za-z0-9_.-]{0,${PARAMETER_NAME_CHARS_MAX - 1}}$`);
const DEVICE_ID = new RegExp(`^[A-Za-z0-9._:@=+~-]{1,${DEVICE_ID_CHARS_MAX}}$`);

/** Names that a plain object already answers to: `last.toString` must never look like a reading. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

/** Names found good before: a fleet uses few, and looking one up costs a quarter of checking it. */
const goodNames = new Set<string>();
const GOOD_NAMES_MAX = 10_000;

/** Whether a text can name a parameter: `[A-Za-z_][A-Za-z0-9_.-]{0,63}`, and no member of every object. */
export function isParameterName(text: string): boolean {
  if (goodNames.has(text)) return true;
  const isGood = PARAMETER_NAME.test(text) && !RESERVED_NAMES.has(text);
  if (isGood && goodNames.size < GOOD_NAMES_MAX) goodNames.add(text);
  return isGood;
}

/**
 * Whether a text can be a device id: 1 to 128 of `A-Z a-z 0-9 . _ : @ = + ~ -`.
 * `.` and `..` are refused because they vanish from URL paths.
 */
export function isDeviceId(text: string): boolean {
  return DEVICE_ID.test(text) && text !== '.' && text !== '..' && !RESERVED_NAMES.has(text);
}

/** Event time: the device's clock as far as it is believable around the time the hub accepted the event. */
export function clampEventTime(deviceMs: number, enqueuedMs: number): number {
  return Math.min(Math.max(deviceMs, enqueuedMs - LATE_MAX_MS), enqueuedMs + AHEAD_MAX_MS);
}
