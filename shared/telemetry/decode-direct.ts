/**
 * The direct source: producers that write our own JSON to the hub, over AMQP or HTTP. Trust is per trigger: here
 * `iothub-*` and `aeg-*` marks mean nothing, whoever set them.
 */
import { isTraceParent } from '../observability.ts';
import type { Decoded, QuarantineReason, RawEvent, Refused } from './decoded.ts';
import { directReadingSet } from './direct-body.ts';
import { explain, typeName } from './explain.ts';
import { isMark, readDirectSet, type DirectSet } from './read-direct-set.ts';
import {
  clampEventTime,
  DEVICE_ID_CHARS_MAX,
  EVENT_BYTES_MAX,
  isDeviceId,
  MARK_CHARS_MAX,
  PARAMETERS_PER_READING_MAX,
  READING_SETS_MAX,
  type TelemetryEvent,
} from './telemetry-event.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes an event of the direct source.
 * A body that is a text holding JSON is read as that JSON: the SDKs encode a text that the producer had encoded already.
 * The device is `deviceId` of the body, else the application property, else the partition key. The first letter of
 * a property's name may be of either case: the Functions worker lower-cases it.
 * @returns the events of one device in the order sent, or why the event belongs into quarantine; never throws
 */
export function decodeDirect(raw: RawEvent): Decoded {
  const bytes = raw.eventBytes ?? bodyBytes(raw.body);
  if (bytes !== undefined && bytes > EVENT_BYTES_MAX) return tooManyBytes(`${bytes} bytes`);
  const parsed = parseBody(raw.body);
  if (!parsed.ok) return parsed;
  const sets = readSets(parsed.body);
  if (!Array.isArray(sets)) return sets;

  const deviceId = identify(raw, sets);
  if (typeof deviceId !== 'string') return deviceId;
  const tenant = markOf('tenantId', TENANT_PROPERTIES, raw, sets);
  if (tenant === SEVERAL) return refuse('invalid-event', 'tenantId: must be one throughout the event; got several');
  if (typeof tenant === 'object') return tenant;
  const message = markOf('messageId', MESSAGE_PROPERTIES, raw, sets);
  if (typeof message === 'object') return message;

  const inArray = Array.isArray(parsed.body);
  // The time tells apart what a re-created hub numbers from 0 again: clients that keep ids would drop it as known.
  const id = `${raw.lane}:${raw.seq}:${raw.enqueuedMs.toString(36)}`;
  const traceParent = traceParentOf(raw);
  const events = sets.map((set, index) => toEvent(raw, set, deviceId, inArray ? `${id}.${index}` : id, traceParent));
  const decoded: Decoded = { ok: true, deviceId, events };
  if (tenant !== undefined) decoded.claimedTenantId = tenant;
  // Reading sets with message ids of their own have none that could name the whole event.
  if (message !== undefined && message !== SEVERAL) decoded.messageId = message;
  // A mark of the event itself is meant for us; the transport's is what remains of a producer that sets only that.
  else if (message === undefined && raw.messageId !== undefined && isMark(raw.messageId)) {
    decoded.messageId = raw.messageId;
  }
  return decoded;
}

function toEvent(
  raw: RawEvent,
  set: DirectSet,
  deviceId: string,
  eventId: string,
  traceParent: string | undefined,
): TelemetryEvent {
  const { enqueuedMs, lane, seq } = raw;
  const rawTs = set.deviceMs ?? enqueuedMs;
  const ts = clampEventTime(rawTs, enqueuedMs);
  const { readings } = set;
  const event: TelemetryEvent =
    ts === rawTs
      ? { eventId, deviceId, ts, receivedTs: enqueuedMs, lane, seq, readings }
      : { eventId, deviceId, ts, rawTs, receivedTs: enqueuedMs, lane, seq, readings };
  if (traceParent !== undefined) event.traceParent = traceParent;
  return event;
}

/** What an event belongs to: the application property that W3C and the Azure SDKs set. One that is none is left out. */
export function traceParentOf({ properties }: Pick<RawEvent, 'properties'>): string | undefined {
  const value = propertyNamed(properties, TRACE_PROPERTIES);
  return isTraceParent(value) ? value : undefined;
}

function refuse(reason: QuarantineReason, detail: string): Refused {
  return { ok: false, reason, detail };
}

function tooManyBytes(size: string): Refused {
  return refuse('too-large', `body: must be at most ${EVENT_BYTES_MAX} bytes; got ${size}`);
}

/** Bytes of a body that is not parsed yet; undefined where it cannot be too large: a character is at most 3 bytes. */
function bodyBytes(body: unknown): number | undefined {
  if (typeof body === 'string') return body.length * 3 > EVENT_BYTES_MAX ? Buffer.byteLength(body) : undefined;
  return isBytes(body) ? body.byteLength : undefined;
}

/** Not `instanceof Uint8Array`: a Buffer may come from another realm. */
function isBytes(body: unknown): body is Uint8Array<ArrayBuffer> {
  return ArrayBuffer.isView(body);
}

function parseBody(body: unknown): { ok: true; body: unknown } | Refused {
  let text = body;
  if (isBytes(body)) {
    try {
      text = utf8.decode(body);
    } catch {
      return refuse('malformed-json', `body: must be UTF-8; got ${body.byteLength} bytes that are not`);
    }
  }
  if (typeof text !== 'string') return { ok: true, body };
  try {
    const parsed = JSON.parse(text) as unknown;
    const encodedTwice = typeof parsed === 'string' && /^\s*[[{]/.test(parsed);
    return { ok: true, body: encodedTwice ? (JSON.parse(parsed) as unknown) : parsed };
  } catch {
    return refuse('malformed-json', `body: must be JSON; got ${typeName(text)} that is not`);
  }
}

function readSets(body: unknown): DirectSet[] | Refused {
  if (!Array.isArray(body)) {
    const set = readDirectSet(body);
    if (!set) return explainSet(body, '');
    return set.bytesAtLeast > EVENT_BYTES_MAX ? tooManyBytes(`at least ${set.bytesAtLeast}`) : [set];
  }
  if (body.length === 0) return refuse('invalid-event', 'body: must hold at least one reading set; got an empty array');
  if (body.length > READING_SETS_MAX) {
    return refuse('too-large', `body: must hold at most ${READING_SETS_MAX} reading sets; got ${body.length}`);
  }
  const sets: DirectSet[] = [];
  let bytes = 0;
  for (const [index, input] of body.entries()) {
    const set = readDirectSet(input);
    if (!set) return explainSet(input, `[${index}]`);
    sets.push(set);
    bytes += set.bytesAtLeast;
  }
  return bytes > EVENT_BYTES_MAX ? tooManyBytes(`at least ${bytes}`) : sets;
}

function explainSet(input: unknown, at: string): Refused {
  const readings = typeof input === 'object' && input !== null && 'readings' in input ? input.readings : undefined;
  const count = typeof readings === 'object' && readings !== null ? Object.keys(readings).length : 0;
  // Decided before the schema runs: it would collect a complaint about each of a hundred thousand names.
  if (count > PARAMETERS_PER_READING_MAX && !Array.isArray(readings)) {
    const field = at === '' ? 'readings' : `${at}.readings`;
    return refuse('too-large', `${field}: must hold at most ${PARAMETERS_PER_READING_MAX} parameters; got ${count}`);
  }
  return refuse('invalid-event', explain(directReadingSet, input, at));
}

function identify(raw: RawEvent, sets: readonly DirectSet[]): string | Refused {
  let deviceId: string | undefined;
  for (const set of sets) {
    if (set.deviceId === undefined) continue;
    deviceId ??= set.deviceId;
    if (deviceId !== set.deviceId) {
      return refuse('invalid-event', 'deviceId: all reading sets of one event must be of one device; got several');
    }
  }
  if (deviceId !== undefined) return deviceId;
  const property = propertyNamed(raw.properties, DEVICE_PROPERTIES);
  const [source, value] =
    property === undefined ? ['partition key', raw.partitionKey] : ['application property deviceId', property];
  if (typeof value === 'string' && isDeviceId(value)) return value;
  if (value === undefined) {
    return refuse(
      'invalid-event',
      'deviceId: must be in the body, in the application property deviceId or be the partition key; got none',
    );
  }
  const rule = `must be 1 to ${DEVICE_ID_CHARS_MAX} of A-Z a-z 0-9 . _ : @ = + ~ -`;
  return refuse('invalid-event', `${source}: ${rule}; got ${typeName(value)}`);
}

/** An event carries several different values of a mark that names the whole of it. */
const SEVERAL = Symbol('several');

function markOf(
  name: 'tenantId' | 'messageId',
  properties: PropertyNames,
  raw: RawEvent,
  sets: readonly DirectSet[],
): string | undefined | typeof SEVERAL | Refused {
  const property = propertyNamed(raw.properties, properties);
  if (property !== undefined && (typeof property !== 'string' || !isMark(property))) {
    const rule = `must be a string of 1 to ${MARK_CHARS_MAX} characters`;
    return refuse('invalid-event', `application property ${name}: ${rule}; got ${typeName(property)}`);
  }
  let mark = property;
  for (const { [name]: own } of sets) {
    if (own === undefined) continue;
    if (mark !== undefined && mark !== own) return SEVERAL;
    mark = own;
  }
  return mark;
}

/** A property under both spellings: the Functions worker lower-cases the first letter of what the producer wrote. */
type PropertyNames = readonly string[];
const DEVICE_PROPERTIES: PropertyNames = ['deviceId', 'DeviceId'];
const TENANT_PROPERTIES: PropertyNames = ['tenantId', 'TenantId', 'tenant', 'Tenant'];
const TRACE_PROPERTIES: PropertyNames = ['traceparent', 'Traceparent', 'diagnostic-Id', 'Diagnostic-Id'];
const MESSAGE_PROPERTIES: PropertyNames = ['messageId', 'MessageId'];

function propertyNamed(properties: Record<string, unknown>, names: PropertyNames): unknown {
  for (const name of names) if (properties[name] !== undefined && properties[name] !== null) return properties[name];
  return undefined;
}
