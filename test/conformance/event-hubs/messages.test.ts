import type { EventData, ReceivedEventData } from '@azure/event-hubs';
import { describe, expect, test } from '@jest/globals';
import { Connected, codeOf } from './connect.ts';

/** An AMQP message as the SDK takes it; it does not export the type by its own name. */
type AmqpAnnotatedMessage = ReturnType<ReceivedEventData['getRawAmqpMessage']>;

describe('what is sent arrives as it was', () => {
  test('every kind of body, in the order of the batch', async () => {
    await using hub = new Connected();
    const from = await hub.end('0');
    const sent: unknown[] = [
      { t: 21.5, nested: { list: [1, 'two', null, true] } },
      'plain text with ü and 🙂',
      42.25,
      [1, 2],
      null,
      Buffer.from([0, 1, 254, 255]),
    ];
    await hub.producer().sendBatch(
      sent.map((body) => ({ body })),
      { partitionId: '0' },
    );
    const reading = hub.read('0', from);
    await reading.reads(sent.length);
    expect(reading.bodies()).toEqual(sent);
  });

  test('properties, ids and the content type', async () => {
    await using hub = new Connected();
    const from = await hub.end('0');
    const event: EventData = {
      body: 'x',
      messageId: 'id-1',
      correlationId: 'c-1',
      contentType: 'text/plain',
      properties: { text: 'ü', fraction: 1.5, negative: -7, big: 12_345_678_901, yes: true, empty: '' },
    };
    await hub.producer().sendBatch([event], { partitionId: '0' });
    const [got] = await hub.read('0', from).reads(1);
    expect(got).toMatchObject(event);
  });

  test('an annotated message keeps its kind of body and the annotations of others', async () => {
    await using hub = new Connected();
    const from = await hub.end('0');
    const message: AmqpAnnotatedMessage = {
      body: { a: 1 },
      bodyType: 'value',
      messageAnnotations: { 'x-of-mine': 'kept' },
    };
    await hub.producer().sendBatch([message], { partitionId: '0' });
    const [got] = await hub.read('0', from).reads(1);
    expect(got?.getRawAmqpMessage()).toMatchObject(message);
  });
});

describe('what the service writes on an event', () => {
  test('consecutive sequence numbers, offsets that all differ, the time it came', async () => {
    await using hub = new Connected();
    const from = await hub.end('1');
    const producer = hub.producer();
    const { lastEnqueuedSequenceNumber, isEmpty } = await producer.getPartitionProperties('1');
    const sentMs = Date.now();
    for (const body of ['a', 'b', 'c']) await producer.sendBatch([{ body }, { body }], { partitionId: '1' });
    const got = await hub.read('1', from).reads(6);
    const first = isEmpty ? 0 : lastEnqueuedSequenceNumber + 1;
    expect(got.map((event) => event.sequenceNumber)).toEqual([0, 1, 2, 3, 4, 5].map((each) => first + each));
    expect(new Set(got.map((event) => event.offset)).size).toBe(6);
    const times = got.map((event) => event.enqueuedTimeUtc.getTime());
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    // The clock of another machine may differ by a minute.
    expect(Math.abs((times[0] ?? 0) - sentMs)).toBeLessThan(60_000);
  });

  test('a producer cannot write the sequence number itself', async () => {
    await using hub = new Connected();
    const from = await hub.end('1');
    const producer = hub.producer();
    const forged: AmqpAnnotatedMessage = {
      body: 'x',
      bodyType: 'value',
      messageAnnotations: { 'x-opt-sequence-number': 77_777_777 },
    };
    await producer.sendBatch([forged], { partitionId: '1' });
    const [got] = await hub.read('1', from).reads(1);
    expect(got?.sequenceNumber).toBe((await producer.getPartitionProperties('1')).lastEnqueuedSequenceNumber);
  });
});

describe('sizes', () => {
  test('a batch may have 1 MB; one filled to it is taken whole', async () => {
    await using hub = new Connected();
    const producer = hub.producer();
    const from = await hub.end('0');
    const batch = await producer.createBatch({ partitionId: '0' });
    expect(batch.maxSizeInBytes).toBe(1_048_576);
    while (batch.tryAdd({ body: Buffer.alloc(50_000, 7) }));
    await producer.sendBatch(batch);
    const got = await hub.read('0', from).reads(batch.count);
    expect(got.length).toBe(batch.count);
    expect(got.every((event) => (event.body as Buffer).length === 50_000)).toBe(true);
  });

  test('more than that is too large, and nothing of it is stored', async () => {
    await using hub = new Connected();
    const producer = hub.producer();
    const before = await producer.getPartitionProperties('0');
    const events = Array.from({ length: 12 }, () => ({ body: Buffer.alloc(100_000) }));
    expect(await codeOf(producer.sendBatch(events, { partitionId: '0' }))).toBe('MessageTooLargeError');
    expect((await producer.getPartitionProperties('0')).lastEnqueuedSequenceNumber).toBe(
      before.lastEnqueuedSequenceNumber,
    );
  });
});
