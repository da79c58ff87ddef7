/**
 * The HTTP send API: one event as the body of a POST, or a JSON array of them; to a hub, a partition, or a publisher.
 * @see Event Hubs REST reference, "Send event", "Send batch events", "Send partition event"
 */
import type { IncomingMessage } from 'node:http';
import rhea, { type Typed } from 'rhea';
import { ARGUMENT_ERROR, NOT_IMPLEMENTED, Refused } from './amqp-error.ts';
import { type IncomingEvent, readEvent } from './event-message.ts';
import { type SinkTarget, appendEvents } from './event-sink.ts';
import { type Namespace, hubOf, partitionOf } from './namespace.ts';

const { message, types } = rhea;

const BATCH_TYPE = 'application/vnd.microsoft.servicebus.json';

/** Request headers that belong to HTTP itself; all others become properties of the event. */
const HTTP_HEADERS = new Set(
  (
    'authorization brokerproperties cache-control connection content-encoding content-length content-type cookie date ' +
    'dnt expect forwarded from host keep-alive max-forwards origin pragma priority range referer te trailer ' +
    'transfer-encoding upgrade user-agent via'
  ).split(' '),
);
const isHttpHeader = (name: string): boolean => HTTP_HEADERS.has(name) || /^(?:accept|sec|if|proxy)(?:-|$)/.test(name);

type Properties = Record<string, string | boolean | null | Typed>;

interface BrokerProperties {
  readonly partitionKey?: string;
}

/** A path below a hub that takes messages; undefined when the path is of another form. */
export function parseSendPath(path: string): { hub: string; partition?: string; publisher?: string } | undefined {
  const parts = path.replace(/^\/+|\/+$/g, '').split('/');
  const [hub = '', kind = '', id = ''] = parts.map((part) => decode(part));
  if (parts.at(-1)?.toLowerCase() !== 'messages' || hub === '') return undefined;
  if (parts.length === 2) return { hub };
  if (parts.length !== 4 || id === '') return undefined;
  if (kind.toLowerCase() === 'partitions') return { hub, partition: id };
  return kind.toLowerCase() === 'publishers' ? { hub, publisher: id } : undefined;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bad = (description: string): Refused => new Refused(ARGUMENT_ERROR, description);

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad(`${what} is not JSON: ${Error.isError(error) ? error.message : String(error)}`);
  }
}

function readBrokerProperties(value: unknown, where: string): BrokerProperties {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw bad(`${where} must be a JSON object.`);
  const { PartitionKey: partitionKey, ...others } = value;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new Refused(NOT_IMPLEMENTED, `${where}.${other} is not implemented; only PartitionKey is.`);
  if (partitionKey === undefined || partitionKey === null) return {};
  if (typeof partitionKey !== 'string') throw bad(`${where}.PartitionKey must be a string.`);
  return { partitionKey };
}

function readUserProperties(value: unknown, where: string): Properties {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw bad(`${where} must be a JSON object.`);
  const properties: Properties = {};
  for (const [name, property] of Object.entries(value)) {
    if (typeof property === 'number') {
      // Chosen here: left to itself rhea cannot encode whole numbers beyond 64 bits.
      properties[name] = Number.isSafeInteger(property) ? types.wrap_long(property) : types.wrap_double(property);
    } else if (typeof property === 'string' || typeof property === 'boolean' || property === null) {
      properties[name] = property;
    } else throw bad(`${where}.${name} must be a string, a number, a boolean or null.`);
  }
  return properties;
}

/** Encodes an event as the AMQP message the service makes of it. */
function encode(body: Buffer, properties: Properties, contentType?: string): IncomingEvent {
  const encoded = message.encode({
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(Object.keys(properties).length === 0 ? {} : { application_properties: properties }),
    body: message.data_section(body),
  });
  return readEvent(encoded);
}

/** Custom headers, names as the client wrote them; a value in double quotes is the text between them. */
function headerProperties(request: IncomingMessage): Properties {
  const properties: Properties = {};
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? '';
    const value = request.rawHeaders[i + 1] ?? '';
    if (!isHttpHeader(name.toLowerCase())) properties[name] = /^"(.*)"$/.exec(value)?.[1] ?? value;
  }
  return properties;
}

function readBatch(body: Buffer): { events: IncomingEvent[]; partitionKey: string | undefined } {
  const items = parseJson(body.toString('utf8'), 'The batch');
  if (!Array.isArray(items) || items.length === 0) throw bad('The batch must be a JSON array with at least one event.');
  let partitionKey: string | undefined;
  const events = items.map((item: unknown, index) => {
    if (!isRecord(item)) throw bad(`[${index}] must be an object with Body, UserProperties, BrokerProperties.`);
    const { Body: text, UserProperties: user, BrokerProperties: broker, ...others } = item;
    const [other] = Object.keys(others);
    if (other !== undefined)
      throw bad(`[${index}].${other} is unknown. Known: Body, UserProperties, BrokerProperties.`);
    if (typeof text !== 'string') throw bad(`[${index}].Body must be a string.`);
    const key = readBrokerProperties(broker, `[${index}].BrokerProperties`).partitionKey;
    if (index > 0 && key !== partitionKey)
      throw bad(`[${index}]: all events of a batch must have the same PartitionKey.`);
    partitionKey = key;
    return encode(Buffer.from(text, 'utf8'), readUserProperties(user, `[${index}].UserProperties`));
  });
  return { events, partitionKey };
}

type SendPath = NonNullable<ReturnType<typeof parseSendPath>>;

/** Over AMQP a partition may be named together with a key (.NET's buffered producer does); over HTTP that is a mistake. */
function checkKey(path: SendPath, partitionKey: string | undefined): void {
  if (path.partition !== undefined && partitionKey !== undefined) {
    throw bad('A partition key cannot be used when sending to a partition.');
  }
}

/**
 * Stores what a POST carries.
 * @throws Refused when the hub or partition does not exist, or the request is malformed
 */
export function sendOverHttp(namespace: Namespace, path: SendPath, request: IncomingMessage, body: Buffer): void {
  const hub = hubOf(namespace, path.hub);
  const partition = path.partition === undefined ? undefined : partitionOf(hub, path.partition);
  const target: SinkTarget = { hub, partition, publisher: path.publisher };
  const contentType = request.headers['content-type'];
  if (contentType?.split(';')[0]?.trim().toLowerCase() === BATCH_TYPE) {
    const batch = readBatch(body);
    checkKey(path, batch.partitionKey);
    appendEvents(target, batch.events, batch.partitionKey, namespace);
    return;
  }
  const header = request.headers['brokerproperties'];
  const broker = header === undefined ? undefined : parseJson(String(header), 'The header BrokerProperties');
  const { partitionKey } = readBrokerProperties(broker, 'BrokerProperties');
  checkKey(path, partitionKey);
  appendEvents(target, [encode(body, headerProperties(request), contentType)], partitionKey, namespace);
}
