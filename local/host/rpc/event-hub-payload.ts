/**
 * An Event Hubs batch as the .NET trigger hands it to the worker. Keys go in as .NET spells them; the library lower-cases
 * the first letter of each, also inside the properties that a device sent.
 */
import type { ReceivedEventData } from '@azure/event-hubs';
import type { TypedData } from '../core/contract.ts';
import { asJson, bytesCollection, textCollection, toDateTime, toLong } from './typed-data.ts';

export interface EventSource {
  fullyQualifiedNamespace: string;
  eventHubName: string;
  consumerGroup: string;
  partitionId: string;
}

export interface PayloadOptions {
  /** `dataType: 'binary'`: bodies as bytes, not parsed. */
  binary: boolean;
  /** The capability `IncludeEmptyEntriesInMessagePayload`. */
  includeEmpty: boolean;
}

export interface EventHubPayload {
  data: TypedData;
  triggerMetadata: Record<string, TypedData>;
}

/** Cardinality many. @param source none for an event that was given by hand */
export function batchPayload(
  events: readonly ReceivedEventData[],
  source: EventSource | undefined,
  options: PayloadOptions,
): EventHubPayload {
  const bodies = events.map((event) => bodyBytes(event.body));
  const { includeEmpty } = options;
  return {
    data: options.binary
      ? bytesCollection(bodies, includeEmpty)
      : textCollection(
          bodies.map((body) => body.toString('utf8')),
          includeEmpty,
        ),
    triggerMetadata: {
      ...(source === undefined ? {} : { PartitionContext: partitionContext(source) }),
      PartitionKeyArray: textCollection(
        events.map((event) => event.partitionKey ?? undefined),
        includeEmpty,
      ),
      OffsetArray: textCollection(
        events.map((event) => event.offset),
        includeEmpty,
      ),
      SequenceNumberArray: { collectionSint64: { sint64: events.map((event) => toLong(event.sequenceNumber)) } },
      EnqueuedTimeUtcArray: asJson(events.map((event) => toDateTime(event.enqueuedTimeUtc))),
      PropertiesArray: asJson(events.map((event) => event.properties ?? {})),
      SystemPropertiesArray: asJson(events.map(systemProperties)),
    },
  };
}

/** Cardinality one. */
export function singlePayload(
  event: ReceivedEventData,
  source: EventSource | undefined,
  options: PayloadOptions,
): EventHubPayload {
  const body = bodyBytes(event.body);
  return {
    data: options.binary ? { bytes: body } : { string: body.toString('utf8') },
    triggerMetadata: {
      ...(source === undefined ? {} : { PartitionContext: partitionContext(source) }),
      ...(event.partitionKey ? { PartitionKey: { string: event.partitionKey } } : {}),
      Offset: { string: event.offset },
      SequenceNumber: asJson(event.sequenceNumber),
      EnqueuedTimeUtc: asJson(toDateTime(event.enqueuedTimeUtc)),
      Properties: asJson(event.properties ?? {}),
      SystemProperties: asJson(systemProperties(event)),
    },
  };
}

function partitionContext(source: EventSource): TypedData {
  return asJson({
    FullyQualifiedNamespace: source.fullyQualifiedNamespace,
    EventHubName: source.eventHubName,
    ConsumerGroup: source.consumerGroup,
    PartitionId: source.partitionId,
  });
}

/** Bytes of a body. Bodies that AMQP carries as values have no bytes: a text is its UTF-8, the rest its JSON. */
function bodyBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (body === undefined || body === null) return Buffer.alloc(0);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

/** AMQP's own fields keep their dashed names on the platform; the JS SDK spells them in camel case. */
const DASHED: Record<string, string> = {
  messageId: 'message-id',
  userId: 'user-id',
  replyTo: 'reply-to',
  correlationId: 'correlation-id',
  contentType: 'content-type',
  contentEncoding: 'content-encoding',
  absoluteExpiryTime: 'absolute-expiry-time',
  creationTime: 'creation-time',
  groupId: 'group-id',
  groupSequence: 'group-sequence',
  replyToGroupId: 'reply-to-group-id',
};

function systemProperties(event: ReceivedEventData): Record<string, unknown> {
  const properties: Record<string, unknown> = {
    'x-opt-sequence-number': event.sequenceNumber,
    'x-opt-offset': event.offset,
    'x-opt-enqueued-time': `${toDateTime(event.enqueuedTimeUtc)}+00:00`,
  };
  if (event.partitionKey) properties['x-opt-partition-key'] = event.partitionKey;
  for (const [name, value] of Object.entries(event.systemProperties ?? {})) properties[DASHED[name] ?? name] = value;
  return {
    ...properties,
    SequenceNumber: event.sequenceNumber,
    Offset: event.offset,
    PartitionKey: event.partitionKey ?? null,
    EnqueuedTimeUtc: toDateTime(event.enqueuedTimeUtc),
  };
}
