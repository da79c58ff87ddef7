/**
 * An event on its way through the hub: the producer's encoded AMQP message, cut into the parts that are kept as they
 * are (header, foreign annotations, everything from the properties on) and the part the broker writes anew.
 * @see OASIS AMQP 1.0 part 3, section 3.2 "Message Format"
 */
import { MalformedAmqp, binaryStartAt, elementsAt, isListAt, isMapAt, textAt, valueEnd } from './amqp-encoding.ts';

const HEADER = 0x70;
const DELIVERY_ANNOTATIONS = 0x71;
const MESSAGE_ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const DATA = 0x75;
const SEQUENCE = 0x76;
const VALUE = 0x77;
const FOOTER = 0x78;

/** Typecode of null. */
const NULL = 0x40;

const SECTION_NAMES: Readonly<Record<string, number>> = {
  'amqp:header:list': HEADER,
  'amqp:delivery-annotations:map': DELIVERY_ANNOTATIONS,
  'amqp:message-annotations:map': MESSAGE_ANNOTATIONS,
  'amqp:properties:list': PROPERTIES,
  'amqp:application-properties:map': APPLICATION_PROPERTIES,
  'amqp:data:binary': DATA,
  'amqp:amqp-sequence:list': SEQUENCE,
  'amqp:amqp-value:*': VALUE,
  'amqp:value:*': VALUE,
  'amqp:footer:map': FOOTER,
};

/** The message annotations the broker owns; what a producer writes under these names is replaced. */
const SEQUENCE_NUMBER = 'x-opt-sequence-number';
const OFFSET = 'x-opt-offset';
const ENQUEUED_TIME = 'x-opt-enqueued-time';
const PARTITION_KEY = 'x-opt-partition-key';

/** Characters a partition key may have, as the service limits it. */
export const PARTITION_KEY_CHARACTERS_MAX = 128;

/** An event as its producer encoded it, with the cuts where the broker's stamps go. Positions are bytes in `bytes`. */
export interface IncomingEvent {
  readonly bytes: Buffer;
  readonly start: number;
  /** End of the header section; the broker's annotations follow it. */
  readonly headerEnd: number;
  /** Foreign message annotations, kept: start and end of each key-value pair. */
  readonly annotations: readonly number[];
  /** Start of what follows the annotations: properties, body, footer. */
  readonly rest: number;
  readonly end: number;
  readonly partitionKey: string | undefined;
}

/** What the broker writes on an event. */
export interface BrokerStamp {
  readonly sequenceNumber: number;
  readonly offset: number;
  readonly enqueuedMs: number;
  readonly partitionKey: string | undefined;
}

interface SectionStart {
  readonly code: number;
  /** Where the section's value (its constructor) starts. */
  readonly value: number;
}

function sectionAt(bytes: Buffer, at: number, limit: number): SectionStart {
  if (bytes[at] !== 0x00 || at + 2 >= limit) throw new MalformedAmqp(`no message section starts at byte ${at}`);
  const descriptor = bytes[at + 1];
  if (descriptor === 0x53) return { code: bytes.readUInt8(at + 2), value: at + 3 };
  const value = valueEnd(bytes, at + 1, limit);
  if (descriptor === 0x80) return { code: Number(bytes.readBigUInt64BE(at + 2)), value };
  const name = textAt(bytes, at + 1);
  return { code: SECTION_NAMES[name ?? ''] ?? -1, value };
}

function checkSectionType(bytes: Buffer, section: SectionStart): void {
  const { code, value } = section;
  const right =
    code === HEADER || code === PROPERTIES || code === SEQUENCE
      ? isListAt(bytes, value)
      : code === DATA
        ? // The JavaScript SDK writes a null body as a data section that holds null.
          binaryStartAt(bytes, value) !== undefined || bytes[value] === NULL
        : code === VALUE || isMapAt(bytes, value);
  if (!right) throw new MalformedAmqp(`the section 0x${code.toString(16)} at byte ${value} is of the wrong type`);
}

function readAnnotations(bytes: Buffer, value: number, end: number): { kept: number[]; partitionKey?: string } {
  const { first, count } = elementsAt(bytes, value);
  const kept: number[] = [];
  let partitionKey: string | undefined;
  let at = first;
  for (let pair = 0; pair < count; pair += 2) {
    const keyEnd = valueEnd(bytes, at, end);
    const pairEnd = valueEnd(bytes, keyEnd, end);
    const name = textAt(bytes, at);
    if (name === PARTITION_KEY) {
      if (bytes[keyEnd] !== NULL) {
        partitionKey = textAt(bytes, keyEnd);
        if (partitionKey === undefined) throw new MalformedAmqp(`the annotation ${PARTITION_KEY} is not a string`);
      }
    } else if (name !== SEQUENCE_NUMBER && name !== OFFSET && name !== ENQUEUED_TIME) {
      kept.push(at, pairEnd);
    }
    at = pairEnd;
  }
  return partitionKey === undefined ? { kept } : { kept, partitionKey };
}

/**
 * Reads one encoded message and says where its parts are; checks that the whole of it is well-formed AMQP.
 * @throws MalformedAmqp when it is not: a consumer could not decode it either
 */
export function readEvent(bytes: Buffer, start = 0, end: number = bytes.length): IncomingEvent {
  let headerEnd = start;
  let rest = end;
  let annotations: number[] = [];
  let partitionKey: string | undefined;
  let previous = 0;
  let restFound = false;
  for (let at = start; at < end;) {
    const section = sectionAt(bytes, at, end);
    const { code } = section;
    if (code < HEADER || code > FOOTER) throw new MalformedAmqp(`byte ${at} starts no known message section`);
    const repeatable = code === DATA || code === SEQUENCE;
    if (code < previous || (code === previous && !repeatable)) {
      throw new MalformedAmqp(`the section 0x${code.toString(16)} at byte ${at} is out of order`);
    }
    previous = code;
    checkSectionType(bytes, section);
    const sectionEnd = valueEnd(bytes, section.value, end);
    if (code === HEADER) headerEnd = sectionEnd;
    else if (code === MESSAGE_ANNOTATIONS) {
      const read = readAnnotations(bytes, section.value, sectionEnd);
      annotations = read.kept;
      partitionKey = read.partitionKey;
    } else if (code !== DELIVERY_ANNOTATIONS && !restFound) {
      rest = at;
      restFound = true;
    }
    at = sectionEnd;
  }
  return { bytes, start, headerEnd, annotations, rest, end, partitionKey };
}

/**
 * Reads the envelope of a batch (message format 0x80013700): every data section is one encoded event, the envelope's
 * own annotations carry the partition key of all.
 * @throws MalformedAmqp also when the batch is empty
 */
export function readBatch(bytes: Buffer): { events: IncomingEvent[]; partitionKey: string | undefined } {
  const envelope = readEvent(bytes);
  const events: IncomingEvent[] = [];
  for (let at = envelope.rest; at < bytes.length;) {
    const { code, value } = sectionAt(bytes, at, bytes.length);
    const end = valueEnd(bytes, value, bytes.length);
    const start = code === DATA ? binaryStartAt(bytes, value) : undefined;
    if (start !== undefined) events.push(readEvent(bytes, start, end));
    else if (code === DATA || code === SEQUENCE || code === VALUE)
      throw new MalformedAmqp('a batch carries its events in data sections');
    at = end;
  }
  if (events.length === 0) throw new MalformedAmqp('the batch carries no events');
  return { events, partitionKey: envelope.partitionKey ?? events[0]?.partitionKey };
}

const symbol = (name: string): Buffer => Buffer.concat([Buffer.from([0xa3, name.length]), Buffer.from(name, 'ascii')]);

const SECTION_PREFIX = Buffer.from([0x00, 0x53, MESSAGE_ANNOTATIONS, 0xd1]);
const SEQUENCE_PREFIX = Buffer.concat([symbol(SEQUENCE_NUMBER), Buffer.from([0x81])]);
const TIME_PREFIX = Buffer.concat([symbol(ENQUEUED_TIME), Buffer.from([0x83])]);
const OFFSET_PREFIX = Buffer.concat([symbol(OFFSET), Buffer.from([0xa1])]);
const KEY_PREFIX = Buffer.concat([symbol(PARTITION_KEY), Buffer.from([0xb1])]);

/** Bytes of everything in the annotations section that does not vary: prefix, size, count, and the three stamps. */
const FIXED_BYTES =
  SECTION_PREFIX.length + 8 + SEQUENCE_PREFIX.length + 8 + TIME_PREFIX.length + 8 + OFFSET_PREFIX.length + 1;

/** Writes a non-negative safe integer as eight bytes, big-endian, without a BigInt. */
function writeLong(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  target.writeUInt32BE(value % 0x1_0000_0000, at + 4);
}

/** Bytes the event takes once stamped. */
export function stampedBytes(event: IncomingEvent, stamp: BrokerStamp): number {
  let size = FIXED_BYTES + String(stamp.offset).length + (event.headerEnd - event.start) + (event.end - event.rest);
  for (let i = 0; i < event.annotations.length; i += 2) {
    size += (event.annotations[i + 1] ?? 0) - (event.annotations[i] ?? 0);
  }
  if (stamp.partitionKey !== undefined) size += KEY_PREFIX.length + 4 + Buffer.byteLength(stamp.partitionKey);
  return size;
}

/** Writes the event with the broker's annotations into `target` at `at`; returns where it ends. */
export function writeStamped(event: IncomingEvent, stamp: BrokerStamp, target: Buffer, at: number): number {
  let next = at + event.bytes.copy(target, at, event.start, event.headerEnd);
  next += SECTION_PREFIX.copy(target, next);
  const sizeAt = next;
  next += 4;
  const pairs = 3 + event.annotations.length / 2 + (stamp.partitionKey === undefined ? 0 : 1);
  next = target.writeUInt32BE(pairs * 2, next);
  next += SEQUENCE_PREFIX.copy(target, next);
  writeLong(target, stamp.sequenceNumber, next);
  next += 8;
  next += TIME_PREFIX.copy(target, next);
  writeLong(target, stamp.enqueuedMs, next);
  next += 8;
  next += OFFSET_PREFIX.copy(target, next);
  const offset = String(stamp.offset);
  next = target.writeUInt8(offset.length, next);
  next += target.write(offset, next, 'latin1');
  if (stamp.partitionKey !== undefined) {
    next += KEY_PREFIX.copy(target, next);
    const length = target.write(stamp.partitionKey, next + 4, 'utf8');
    target.writeUInt32BE(length, next);
    next += 4 + length;
  }
  for (let i = 0; i < event.annotations.length; i += 2) {
    next += event.bytes.copy(target, next, event.annotations[i], event.annotations[i + 1]);
  }
  target.writeUInt32BE(next - sizeAt - 4, sizeAt);
  return next + event.bytes.copy(target, next, event.rest, event.end);
}

/** Where the header section of a stored event ends: delivery annotations, written per reader, go there. */
export function headerEndOf(stored: Buffer): number {
  if (stored[0] !== 0x00) return 0;
  const { code, value } = sectionAt(stored, 0, stored.length);
  return code === HEADER ? valueEnd(stored, value, stored.length) : 0;
}
