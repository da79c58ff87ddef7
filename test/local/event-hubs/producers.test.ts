import { describe, expect, test } from '@jest/globals';
import {
  EventHubBufferedProducerClient,
  type EventData,
  type EventHubBufferedProducerClientOptions,
} from '@azure/event-hubs';
import { partitionOfKey } from '../../../local/event-hubs/partition-hash.ts';
import { HUB, failureOf, livingHubs, retryOptions } from '../../support/event-hubs.ts';

describe('properties', () => {
  test('of the hub and its partitions are what was configured and what was sent', async () => {
    const now = Date.UTC(2026, 10, 24);
    await using hubs = await livingHubs({ now: () => now });
    const producer = hubs.producer();
    expect(await producer.getEventHubProperties()).toMatchObject({
      name: HUB,
      createdOn: new Date(now),
      partitionIds: ['0', '1', '2', '3'],
    });
    expect(await producer.getPartitionProperties('2')).toMatchObject({
      isEmpty: true,
      lastEnqueuedSequenceNumber: -1,
      eventHubName: HUB,
      partitionId: '2',
    });
    await producer.sendBatch([{ body: 'a' }, { body: 'b' }], { partitionId: '2' });
    expect(await producer.getPartitionProperties('2')).toMatchObject({
      isEmpty: false,
      beginningSequenceNumber: 0,
      lastEnqueuedSequenceNumber: 1,
      lastEnqueuedOnUtc: new Date(now),
    });
  });

  test('of a partition that does not exist are refused with the range', async () => {
    await using hubs = await livingHubs();
    const error = await failureOf(hubs.producer().getPartitionProperties('9'));
    expect(error).toMatchObject({ code: 'ArgumentOutOfRangeError' });
    expect(error.message).toMatch(/Valid partitions are 0 to 3/);
  });
});

describe('what is sent arrives as it was', () => {
  const when = new Date('2026-11-24T10:00:00Z');
  const sent: EventData[] = [
    { body: { t: 21.5, nested: { list: [1, 'two', null, true] } } },
    { body: 'plain text with ü and 🙂' },
    { body: 42.25 },
    { body: Buffer.from([0, 1, 254, 255]) },
    { body: null },
    {
      body: 'x',
      messageId: 'id-1',
      correlationId: 'c-1',
      contentType: 'text/plain',
      properties: { s: 'text', n: 1.5, i: -7, big: 12_345_678_901, yes: true, when, empty: '' },
    },
  ];

  test('every kind of body and property, in order', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch(sent, { partitionId: '1' });
    const got = await hubs.read(sent.length, { partition: '1' });
    expect(got.map((event) => event.body)).toEqual(sent.map((event) => event.body));
    expect(got.map((event) => event.sequenceNumber)).toEqual(sent.map((_, index) => index));
    expect(got.at(-1)).toMatchObject({
      messageId: 'id-1',
      correlationId: 'c-1',
      contentType: 'text/plain',
      properties: { s: 'text', n: 1.5, i: -7, big: 12_345_678_901, yes: true, when: when.getTime(), empty: '' },
    });
  });

  test('an AMQP-annotated message keeps value and sequence bodies and foreign annotations', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch(
      [
        { body: { a: 1 }, bodyType: 'value', messageAnnotations: { 'iothub-connection-device-id': 'd1' } },
        { body: [['a', 1], ['b']], bodyType: 'sequence' },
      ],
      { partitionId: '0' },
    );
    const [first, second] = await hubs.read(2, { partition: '0' });
    expect(first?.getRawAmqpMessage()).toMatchObject({
      bodyType: 'value',
      body: { a: 1 },
      messageAnnotations: { 'iothub-connection-device-id': 'd1' },
    });
    expect(second?.getRawAmqpMessage().bodyType).toBe('sequence');
    expect(second?.body).toEqual([['a', 1], ['b']]);
  });

  test('a batch filled to the limit fits, and the limit is the service’s', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    const batch = await producer.createBatch({ partitionId: '0' });
    expect(batch.maxSizeInBytes).toBe(1_048_576);
    while (batch.tryAdd({ body: Buffer.alloc(10_000, 7) }));
    await producer.sendBatch(batch);
    expect((await producer.getPartitionProperties('0')).lastEnqueuedSequenceNumber).toBe(batch.count - 1);
  });
});

describe('partitions', () => {
  test('a key decides the partition as the service’s hash does, and comes along', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    const keys = Array.from({ length: 20 }, (_, i) => `device-${i}`);
    for (const key of keys) await producer.sendBatch([{ body: key }], { partitionKey: key });
    const got = new Map<string, { key: string | undefined; partition: string }>();
    for (const partition of ['0', '1', '2', '3']) {
      const count = keys.filter((key) => partitionOfKey(key, 4) === Number(partition)).length;
      for (const event of await hubs.read(count, { partition })) {
        got.set(String(event.body), { key: event.partitionKey ?? undefined, partition });
      }
    }
    for (const key of keys) expect(got.get(key)).toEqual({ key, partition: String(partitionOfKey(key, 4)) });
  });

  test('sends without a key take turns', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    for (let i = 0; i < 8; i += 1) await producer.sendBatch([{ body: i }]);
    for (const id of ['0', '1', '2', '3']) {
      expect((await producer.getPartitionProperties(id)).lastEnqueuedSequenceNumber).toBe(1);
    }
  });

  test('the buffered producer delivers everything, with plain and with idempotent retries', async () => {
    await using hubs = await livingHubs();
    const errors: Error[] = [];
    for (const enableIdempotentRetries of [false, true]) {
      const options: EventHubBufferedProducerClientOptions = {
        retryOptions,
        maxWaitTimeInMs: 20,
        onSendEventsErrorHandler: ({ error }) => errors.push(error),
      };
      // Not in the public type of the options, yet read by the client.
      Object.assign(options, { enableIdempotentRetries });
      const buffered = new EventHubBufferedProducerClient(hubs.server.connectionString, HUB, options);
      // It looks after its partitions every 10 s, and only then notices that it was closed.
      Object.assign(buffered, { _backgroundManagementInterval: 50 });
      const bodies = Array.from({ length: 500 }, (_, i) => `${enableIdempotentRetries}-${i}`);
      for (const body of bodies) await buffered.enqueueEvent({ body }, { partitionKey: body });
      await buffered.close();
    }
    expect(errors).toEqual([]);
    const got = await hubs.read(1000);
    expect(new Set(got.map((event) => event.body)).size).toBe(1000);
  });
});

describe('refusals a producer sees', () => {
  test('a hub that does not exist', async () => {
    await using hubs = await livingHubs();
    const error = await failureOf(hubs.producer({ hub: 'nothing' }).sendBatch([{ body: 1 }]));
    expect(error).toMatchObject({ code: 'MessagingEntityNotFoundError' });
    expect(error.message).toMatch(/'nothing' could not be found. Hubs: telemetry/);
  });

  test('a partition that does not exist', async () => {
    await using hubs = await livingHubs();
    const error = await failureOf(hubs.producer().sendBatch([{ body: 1 }], { partitionId: '4' }));
    expect(error).toMatchObject({ code: 'ArgumentOutOfRangeError' });
  });

  test('a wrong key, at the first touch and not later', async () => {
    await using hubs = await livingHubs();
    const connectionString = hubs.server.connectionString.replace('SAS_KEY_VALUE', 'another');
    const error = await failureOf(hubs.producer({ connectionString }).sendBatch([{ body: 1 }]));
    expect(error).toMatchObject({ code: 'UnauthorizedError' });
    expect(error.message).toMatch(/signature of the token does not match/);
  });

  test('an unknown key name', async () => {
    await using hubs = await livingHubs();
    const connectionString = hubs.server.connectionString.replace('RootManage', 'Nobody');
    const error = await failureOf(hubs.producer({ connectionString }).getPartitionIds());
    expect(error.message).toMatch(/unknown key 'NobodySharedAccessKey'/);
  });

  test('a message over the limit', async () => {
    await using hubs = await livingHubs();
    const error = await failureOf(hubs.producer().sendBatch([{ body: Buffer.alloc(1_100_000) }]));
    expect(error).toMatchObject({ code: 'MessageTooLargeError' });
  });

  test('another connection string works when the key was set', async () => {
    await using hubs = await livingHubs({ keyName: 'mine', key: 'c2VjcmV0' });
    expect(hubs.server.connectionString).toMatch(/SharedAccessKeyName=mine;SharedAccessKey=c2VjcmV0;/);
    await hubs.producer().sendBatch([{ body: 1 }]);
  });
});
