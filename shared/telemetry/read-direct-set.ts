/** The hot path of `directReadingSet`: the same contract by hand, without the cost of a schema. */
import { parseTimestamp } from './timestamp.ts';
import {
  isDeviceId,
  isParameterName,
  MARK_CHARS_MAX,
  PARAMETERS_PER_READING_MAX,
  STRING_VALUE_CHARS_MAX,
  type Readings,
} from './telemetry-event.ts';

/** A reading set that keeps the contract. */
export interface DirectSet {
  deviceId: string | undefined;
  /** The device's clock, epoch milliseconds. */
  deviceMs: number | undefined;
  messageId: string | undefined;
  tenantId: string | undefined;
  readings: Readings;
  /** A lower bound of the bytes that the readings took as JSON. */
  bytesAtLeast: number;
}

/**
 * Reads one reading set.
 * @returns the set, its readings not copied: a parsed body is nobody else's; or undefined where `directReadingSet`
 *   refuses it and can say why
 */
export function readDirectSet(input: unknown): DirectSet | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  const set = input as Record<string, unknown>; // a JSON object, every member is checked below
  const { deviceId, ts, messageId, tenant, tenantId = tenant, readings } = set;
  if (deviceId !== undefined && (typeof deviceId !== 'string' || !isDeviceId(deviceId))) return undefined;
  if (!isOptionalMark(messageId) || !isOptionalMark(tenant) || !isOptionalMark(tenantId)) return undefined;
  let deviceMs: number | undefined;
  if (ts !== undefined) {
    deviceMs = parseTimestamp(ts);
    if (deviceMs === undefined) return undefined;
  }
  if (typeof readings !== 'object' || readings === null || Array.isArray(readings)) return undefined;
  const source = readings as Record<string, unknown>;
  let kept = source;
  let bytesAtLeast = 0;
  let count = 0;
  for (const name in source) {
    const value = source[name];
    if (++count > PARAMETERS_PER_READING_MAX || !isParameterName(name)) return undefined;
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return undefined;
      if (Object.is(value, -0)) kept = { ...kept, [name]: 0 }; // JSON keeps no -0: state would change on its way
      bytesAtLeast += name.length + 5;
    } else if (typeof value === 'string') {
      if (value.length > STRING_VALUE_CHARS_MAX || !value.isWellFormed()) return undefined;
      bytesAtLeast += name.length + value.length + 6;
    } else if (typeof value === 'boolean') {
      bytesAtLeast += name.length + 8;
    } else return undefined;
  }
  if (count === 0) return undefined;
  // Every member was checked above; the compiler cannot follow that through a loop.
  return { deviceId, deviceMs, messageId, tenantId, readings: kept as Readings, bytesAtLeast };
}

/** Whether a text can be a message id or name a tenant. */
export function isMark(text: string): boolean {
  return text.length > 0 && text.length <= MARK_CHARS_MAX && text.isWellFormed();
}

function isOptionalMark(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && isMark(value));
}
