import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import rhea, { type Message } from 'rhea';
import {
  type BrokerStamp,
  headerEndOf,
  readBatch,
  readEvent,
  stampedBytes,
  writeStamped,
} from '../../../local/event-hubs/event-message.ts';

const { message, types } = rhea;
const encode = (content: Message): Buffer => message.encode(content);
const decode = (bytes: Buffer): Message => message.decode(bytes) as unknown as Message;

const stamp: BrokerStamp = {
  sequenceNumber: 7_000_000_001,
  offset: 4096,
  enqueuedMs: 1_700_000_000_123,
  partitionKey: 'k',
};

function stamped(bytes: Buffer, its: BrokerStamp = stamp): Buffer {
  const event = readEvent(bytes);
  const target = Buffer.alloc(stampedBytes(event, its));
  expect(writeStamped(event, its, target, 0)).toBe(target.length);
  return target;
}

describe('a stamped event', () => {
  test('carries the broker’s annotations with their types, and everything the producer wrote', () => {
    const out = decode(
      stamped(
        encode({
          durable: true,
          message_annotations: { 'x-opt-partition-key': 'other', 'x-opt-sequence-number': 3, 'iothub-x': 'kept' },
          message_id: 'm-1',
          content_type: 'application/json',
          application_properties: { site: 'A', floor: types.wrap_long(12) },
          body: message.data_section(Buffer.from('{"t":1}')),
        }),
      ),
    );
    expect(out).toMatchObject({ durable: true, message_id: 'm-1', content_type: 'application/json' });
    expect(out.message_annotations).toEqual({
      'x-opt-sequence-number': stamp.sequenceNumber,
      'x-opt-offset': '4096',
      'x-opt-enqueued-time': new Date(stamp.enqueuedMs),
      'x-opt-partition-key': 'k',
      'iothub-x': 'kept',
    });
    expect(out.application_properties).toEqual({ site: 'A', floor: 12 });
    expect(String((out.body as { content: Buffer }).content)).toBe('{"t":1}');
  });

  test('without a key carries none, and a message without header or annotations is read too', () => {
    const bytes = Buffer.from([0x00, 0x53, 0x75, 0xa0, 0x02, 0x68, 0x69]);
    const out = decode(stamped(bytes, { ...stamp, partitionKey: undefined }));
    expect(out.message_annotations).not.toHaveProperty('x-opt-partition-key');
    expect(String((out.body as { content: Buffer }).content)).toBe('hi');
    expect(headerEndOf(bytes)).toBe(0);
  });

  test('drops delivery annotations, which end at the broker', () => {
    const out = decode(stamped(encode({ delivery_annotations: { hop: 1 }, body: 'x' })));
    expect(out.delivery_annotations).toBeUndefined();
  });

  test('keeps any properties and value body byte for byte (property)', () => {
    const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        // rhea cannot encode whole numbers beyond 64 bits.
        fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, fc.dictionary(fc.string(), fc.string()), (body, properties) => {
        const bytes = encode({ application_properties: { ...properties }, body });
        const event = readEvent(bytes);
        const out = stamped(bytes);
        expect(out.subarray(out.length - (event.end - event.rest))).toEqual(bytes.subarray(event.rest));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a batch', () => {
  test('gives its events in order, and the key of its envelope', () => {
    const events = ['a', 'b', 'c'].map((body) => encode({ body: message.data_section(Buffer.from(body)) }));
    const batch = readBatch(
      encode({ message_annotations: { 'x-opt-partition-key': 'k' }, body: message.data_sections(events) }),
    );
    expect(batch.partitionKey).toBe('k');
    expect(batch.events.map(({ bytes, start, end }) => bytes.subarray(start, end))).toEqual(events);
  });

  test('without a key on its envelope has the key of its first event', () => {
    const event = encode({ message_annotations: { 'x-opt-partition-key': 'inner' }, body: 'x' });
    expect(readBatch(encode({ body: message.data_sections([event]) })).partitionKey).toBe('inner');
  });

  test.each([
    ['no events', encode({ body: message.data_sections([]) }), /no events/],
    ['a value instead of data sections', encode({ body: 'x' }), /data sections/],
    ['an event that is not AMQP', encode({ body: message.data_section(Buffer.from('hello')) }), /no message section/],
    [
      'an event cut short',
      encode({ body: message.data_section(encode({ body: 'abcdef' }).subarray(0, -2)) }),
      /past the end/,
    ],
  ])('with %s is refused', (_what, bytes, reason) => {
    expect(() => readBatch(bytes)).toThrow(reason);
  });
});

/** The event stamped, or the word for why it was not; anything else that goes wrong is thrown. */
function restamp(bytes: Buffer): Buffer | 'MalformedAmqp' {
  try {
    const event = readEvent(bytes);
    const out = Buffer.alloc(stampedBytes(event, stamp));
    writeStamped(event, stamp, out, 0);
    return out;
  } catch (error) {
    if (Error.isError(error) && error.name === 'MalformedAmqp') return 'MalformedAmqp';
    throw error;
  }
}

describe('bytes that are not a message', () => {
  test.each([
    ['a section of an unknown kind', [0x00, 0x53, 0x7f, 0x40], /no known message section/],
    ['sections out of order', [0x00, 0x53, 0x75, 0xa0, 0, 0x00, 0x53, 0x73, 0x45], /out of order/],
    ['a header that is a map', [0x00, 0x53, 0x70, 0xc1, 1, 0], /wrong type/],
    ['a map with an odd number of elements', [0x00, 0x53, 0x74, 0xc1, 2, 1, 0x40], /odd number/],
    ['a list longer than its elements', [0x00, 0x53, 0x73, 0xc0, 3, 1, 0x40, 0x40], /longer than its elements/],
    [
      'a key that is not a string',
      [0x00, 0x53, 0x72, 0xc1, 23, 2, 0xa3, 19, ...Buffer.from('x-opt-partition-key'), 0x41],
      /not a string/,
    ],
    ['an unknown type', [0x00, 0x53, 0x77, 0x99], /no AMQP type/],
    ['nesting without end', [...Array<number>(40).fill(0x00), 0x53], /./],
  ])('%s is refused', (_what, bytes, reason) => {
    expect(() => readEvent(Buffer.from(bytes))).toThrow(reason);
  });

  test('are refused and never crash the reader; what is accepted, a client can decode (property)', () => {
    const seed = encode({
      message_annotations: { 'x-opt-partition-key': 'k', n: 1 },
      application_properties: { a: 'b', n: 1.5 },
      message_id: 'm',
      body: message.data_section(Buffer.from('hello')),
    });
    const mutation = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    let accepted = 0;
    fc.assert(
      fc.property(mutation, fc.nat(seed.length), (changes, cut) => {
        const bytes = Buffer.from(seed.subarray(0, cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const outcome = restamp(bytes);
        if (outcome === 'MalformedAmqp') return;
        accepted += 1;
        expect(decode(outcome)).toHaveProperty('message_annotations');
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});
