/**
 * Reads what the Event Hubs trigger really hands over. The Functions worker makes Long objects of sequence numbers,
 * drops the zone of times, lower-cases the first letter of every key and drops null partition keys, so nothing is
 * paired by index but the arrays that always have one entry per event.
 */
import type { RawEvent } from './decoded.ts';

/** The part of the trigger's metadata that is read. */
interface HubMetadata {
  partitionContext?: { partitionId?: unknown };
  systemPropertiesArray?: Record<string, unknown>[];
  propertiesArray?: Record<string, unknown>[];
  sequenceNumberArray?: unknown[];
  enqueuedTimeUtcArray?: unknown[];
}

/**
 * Pairs the events of one batch with their metadata.
 * @param source prefix of the lane: which trigger this is, such as `direct`
 * @throws Error when the platform's arrays do not match: pairing by guess would give a reading to the wrong event
 */
export function readHubBatch(
  source: string,
  messages: unknown,
  metadata: unknown,
): { lane: string; events: RawEvent[] } {
  const bodies = Array.isArray(messages) ? messages : [messages];
  const { partitionContext, systemPropertiesArray, propertiesArray, sequenceNumberArray, enqueuedTimeUtcArray } =
    (metadata ?? {}) as HubMetadata;
  const partition = partitionContext?.partitionId;
  if (typeof partition !== 'string') throw new Error('The trigger gave no partition id.');
  const lengths = [systemPropertiesArray, propertiesArray, sequenceNumberArray, enqueuedTimeUtcArray].map(
    (array) => array?.length,
  );
  if (lengths.some((length) => length !== bodies.length)) {
    throw new Error(`The trigger gave ${bodies.length} events but metadata of ${lengths.join(', ')}.`);
  }
  const lane = `${source}-${partition}`;
  const events = bodies.map((body, index): RawEvent => {
    const system = systemPropertiesArray?.[index] ?? {};
    // Dashed on the platform, in camel case from the JavaScript SDK.
    const messageId = system['message-id'] ?? system['messageId'];
    const partitionKey = system['partitionKey'] ?? system['PartitionKey'];
    return {
      body,
      properties: propertiesArray?.[index] ?? {},
      ...(typeof partitionKey === 'string' && partitionKey !== '' ? { partitionKey } : {}),
      ...(typeof messageId === 'string' && messageId !== '' ? { messageId } : {}),
      lane,
      seq: sequenceNumber(sequenceNumberArray?.[index]),
      enqueuedMs: utc(enqueuedTimeUtcArray?.[index]),
    };
  });
  return { lane, events };
}

/** A sequence number as a number, decimal text or the worker's Long object. */
function sequenceNumber(value: unknown): number {
  if (typeof value === 'object' && value !== null && 'low' in value && 'high' in value) {
    return (Number(value.high) >>> 0) * 2 ** 32 + (Number(value.low) >>> 0);
  }
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number))
    throw new Error('The trigger gave no usable sequence number.');
  return number;
}

/** A time as epoch milliseconds; the worker's text has no zone and means UTC. */
function utc(value: unknown): number {
  const text = String(value);
  const ms = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(ms)) throw new Error('The trigger gave no usable enqueued time.');
  return ms;
}
