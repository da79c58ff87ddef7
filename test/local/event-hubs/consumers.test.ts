import { describe, expect, test } from '@jest/globals';
import {
  type EventHubConsumerClient,
  type EventPosition,
  type PartitionContext,
  type ReceivedEventData,
  type SubscribeOptions,
  earliestEventPosition,
  latestEventPosition,
} from '@azure/event-hubs';
import { HUB, type LivingHubs, livingHubs, memoryCheckpoints, until } from '../../support/event-hubs.ts';

const bodies = (events: readonly ReceivedEventData[]): unknown[] => events.map((event) => event.body);

/** A hub whose partition 0 got ten events, one a second. */
async function tenSeconds(): Promise<{ hubs: LivingHubs; startMs: number; tick: () => void }> {
  const startMs = Date.UTC(2026, 0, 1);
  let now = startMs;
  const hubs = await livingHubs({
    now: () => now,
    hubs: [{ name: HUB, partitionCount: 1, retentionHours: 24, consumerGroups: ['ingest'] }],
  });
  const producer = hubs.producer();
  for (let i = 0; i < 10; i += 1) {
    now = startMs + i * 1000;
    await producer.sendBatch([{ body: i }], { partitionId: '0' });
  }
  return { hubs, startMs, tick: () => void (now += 1000) };
}

/** A reader on partition 0 whose events and errors are collected. */
function follow(client: EventHubConsumerClient, options: SubscribeOptions = {}, partition = '0') {
  const got: ReceivedEventData[] = [];
  const errors: { code?: unknown; message: string }[] = [];
  let closed: string | undefined;
  const subscription = client.subscribe(
    partition,
    {
      processEvents: async (events) => void got.push(...events),
      processError: async (error) => void errors.push(error),
      processClose: async (reason) => {
        closed = reason;
      },
    },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 0.1, ...options },
  );
  return { got, errors, subscription, closedBecause: () => closed };
}

describe('start positions', () => {
  test('by sequence number, offset and time, and the earliest', async () => {
    const { hubs, startMs } = await tenSeconds();
    await using _hubs = hubs;
    const all = await hubs.read(10, { partition: '0' });
    expect(bodies(all)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const offset = String(all[6]?.offset);
    const cases: [EventPosition, number][] = [
      [{ sequenceNumber: 6 }, 7],
      [{ sequenceNumber: 6, isInclusive: true }, 6],
      [{ offset }, 7],
      [{ offset, isInclusive: true }, 6],
      [{ enqueuedOn: startMs + 5500 }, 6],
      [{ enqueuedOn: new Date(startMs + 6000) }, 7],
    ];
    for (const [startPosition, first] of cases) {
      const got = await hubs.read(10 - first, { partition: '0', startPosition });
      expect([startPosition, bodies(got)]).toEqual([startPosition, bodies(all).slice(first)]);
    }
  });

  test('the latest sees only what comes after', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    await producer.sendBatch([{ body: 'before' }], { partitionId: '0' });
    const reader = follow(hubs.consumer(), { startPosition: latestEventPosition });
    let sent = 0;
    // The link is open once an event that was sent after it has come; how long that takes is not ours to know.
    await until('the reader sees a later event', () => {
      sent += 1;
      void producer.sendBatch([{ body: sent }], { partitionId: '0' });
      return reader.got.length > 0;
    });
    expect(bodies(reader.got)).not.toContain('before');
    await reader.subscription.close();
  });

  test('a position past the end is an error that says so, unless positions are lenient', async () => {
    await using strict = await livingHubs();
    const reader = follow(strict.consumer(), { startPosition: { sequenceNumber: 500 } });
    await until('an error', () => reader.errors.length > 0);
    expect(reader.errors[0]?.message).toMatch(/supplied sequence number '500' is invalid/);
    await reader.subscription.close();

    await using lenient = await livingHubs({ lenientPositions: true });
    await lenient.producer().sendBatch([{ body: 'kept' }], { partitionId: '0' });
    const got = await lenient.read(1, { partition: '0', startPosition: { sequenceNumber: 500 } });
    expect(bodies(got)).toEqual(['kept']);
    expect(lenient.log.join('\n')).toMatch(/Reading from the start instead/);
  });
});

test('events beyond the bytes that are kept are gone, and a reader that stood among them starts at the oldest kept', async () => {
  await using hubs = await livingHubs({ storage: { segmentBytes: 20_000, partitionBytesMax: 60_000 } });
  const producer = hubs.producer();
  for (let body = 0; body < 100; body += 1) {
    await producer.sendBatch([{ body, properties: { pad: 'x'.repeat(2000) } }], { partitionId: '0' });
  }
  const { beginningSequenceNumber: oldest, lastEnqueuedSequenceNumber } = await producer.getPartitionProperties('0');
  expect(lastEnqueuedSequenceNumber).toBe(99);
  expect(oldest).toBeGreaterThan(60);
  const kept = Array.from({ length: 100 - oldest }, (_, index) => oldest + index);
  for (const startPosition of [{ sequenceNumber: 5 }, { offset: '1' }]) {
    expect(bodies(await hubs.read(kept.length, { partition: '0', startPosition }))).toEqual(kept);
  }
});

describe('what a reader learns', () => {
  test('the state of the partition’s end, when it asks for it', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 1 }, { body: 2 }, { body: 3 }], { partitionId: '0' });
    const seen: PartitionContext['lastEnqueuedEventProperties'][] = [];
    const subscription = hubs.consumer().subscribe(
      '0',
      {
        processEvents: async (_events, context) => void seen.push(context.lastEnqueuedEventProperties),
        processError: async () => undefined,
      },
      { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties: true, maxWaitTimeInSeconds: 0.1 },
    );
    await until('the properties', () => seen.some((its) => its?.sequenceNumber !== undefined));
    expect(seen.find((its) => its?.sequenceNumber !== undefined)).toMatchObject({
      sequenceNumber: 2,
      offset: expect.any(String),
      enqueuedOn: expect.any(Date),
      retrievedOn: expect.any(Date),
    });
    await subscription.close();
  });

  test('events of many sends arrive in order and once, 5,000 over a prefetch of 300', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    for (let i = 0; i < 50; i += 1) {
      await producer.sendBatch(
        Array.from({ length: 100 }, (_, j) => ({ body: i * 100 + j })),
        { partitionId: '3' },
      );
    }
    const got = await hubs.read(5000, { partition: '3' });
    expect(bodies(got)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });
});

describe('refusals a consumer sees', () => {
  test.each([
    [
      'a group that does not exist',
      'nobody',
      '0',
      'MessagingEntityNotFoundError',
      /ConsumerGroups\/nobody' could not be found. Groups: \$Default, ingest/,
    ],
    ['a partition that does not exist', '$Default', '7', 'ArgumentOutOfRangeError', /Valid partitions are 0 to 3/],
  ])('%s', async (_what, group, partition, code, message) => {
    await using hubs = await livingHubs();
    const reader = follow(hubs.consumer({ group }), {}, partition);
    await until('an error', () => reader.errors.length > 0);
    expect(reader.errors[0]).toMatchObject({ code });
    expect(reader.errors[0]?.message).toMatch(message);
    await reader.subscription.close();
  });

  test('group names ignore case, as in the service', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 1 }], { partitionId: '0' });
    expect((await hubs.read(1, { partition: '0', group: 'INGEST' })).length).toBe(1);
  });
});

describe('epochs', () => {
  test('a higher epoch steals the partition; the older reader is told and stops', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    const first = follow(hubs.consumer(), { ownerLevel: 1 });
    await producer.sendBatch([{ body: 'one' }], { partitionId: '0' });
    await until('the first reader reads', () => first.got.length === 1);
    const second = follow(hubs.consumer(), { ownerLevel: 2 });
    await until('the first is told', () => first.errors.length > 0);
    expect(first.errors[0]).toMatchObject({ code: 'ReceiverDisconnectedError' });
    await producer.sendBatch([{ body: 'two' }], { partitionId: '0' });
    await until('the second reads both', () => second.got.length === 2);
    expect(bodies(first.got)).toEqual(['one']);
    await Promise.all([first.subscription.close(), second.subscription.close()]);
  });

  test('an equal epoch takes over too, a lower one and none are refused', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'one' }], { partitionId: '0' });
    const first = follow(hubs.consumer(), { ownerLevel: 5 });
    await until('the first reads', () => first.got.length === 1);
    for (const options of [{ ownerLevel: 4 }, {}]) {
      const refused = follow(hubs.consumer(), options);
      await until('it is refused', () => refused.errors.length > 0);
      expect(refused.errors[0]).toMatchObject({ code: 'ReceiverDisconnectedError' });
      expect(refused.got).toEqual([]);
      await refused.subscription.close();
    }
    expect(first.errors).toEqual([]);
    const equal = follow(hubs.consumer(), { ownerLevel: 5 });
    await until('the equal one reads', () => equal.got.length === 1);
    await until('the first is told', () => first.errors.length > 0);
    await Promise.all([first.subscription.close(), equal.subscription.close()]);
  });

  test('five plain readers share a partition and group; the sixth is over the quota, in another group it is not', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'x' }], { partitionId: '0' });
    const five = Array.from({ length: 5 }, () => follow(hubs.consumer()));
    await until('all five read', () => five.every((reader) => reader.got.length === 1));
    const sixth = follow(hubs.consumer());
    await until('the sixth is refused', () => sixth.errors.length > 0);
    expect(sixth.errors[0]).toMatchObject({ code: 'QuotaExceededError' });
    const elsewhere = follow(hubs.consumer({ group: 'ingest' }));
    await until('the other group reads', () => elsewhere.got.length === 1);
    await Promise.all([...five, sixth, elsewhere].map((reader) => reader.subscription.close()));
    const next = follow(hubs.consumer());
    await until('there is room again', () => next.got.length === 1);
    await next.subscription.close();
  });
});

describe('balanced consumers', () => {
  test('two members split the partitions, one takes all when the other leaves, and nothing is lost', async () => {
    await using hubs = await livingHubs();
    const store = memoryCheckpoints();
    const producer = hubs.producer();
    const seen = new Map<unknown, number>();
    const join = () => {
      const owned = new Set<string>();
      const client = hubs.consumer({ group: 'ingest', store });
      const subscription = client.subscribe(
        {
          processInitialize: async ({ partitionId }) => void owned.add(partitionId),
          processClose: async (_reason, { partitionId }) => void owned.delete(partitionId),
          processEvents: async (events, context) => {
            for (const { body } of events) seen.set(body, (seen.get(body) ?? 0) + 1);
            const last = events.at(-1);
            if (last !== undefined) await context.updateCheckpoint(last);
          },
          processError: async () => undefined,
        },
        { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 0.1 },
      );
      return { owned, subscription };
    };
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1)
        await producer.sendBatch([{ body: (sent += 1) }], { partitionKey: `k${sent}` });
    };
    const first = join();
    await send(100);
    await until('one owns all four', () => first.owned.size === 4);
    const second = join();
    await send(100);
    await until('two and two', () => first.owned.size === 2 && second.owned.size === 2);
    await send(100);
    await first.subscription.close();
    await until('the other owns all', () => second.owned.size === 4);
    await send(100);
    await until('everything was seen', () => seen.size === 400);
    expect([...seen.keys()].toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 400 }, (_, i) => i + 1),
    );
    await second.subscription.close();
  });

  test('a consumer resumes at its checkpoint', async () => {
    await using hubs = await livingHubs();
    const store = memoryCheckpoints();
    const producer = hubs.producer();
    const run = async (count: number): Promise<unknown[]> => {
      const got: unknown[] = [];
      const subscription = hubs.consumer({ store }).subscribe(
        {
          processEvents: async (events, context) => {
            got.push(...bodies(events));
            const last = events.at(-1);
            if (last !== undefined) await context.updateCheckpoint(last);
          },
          processError: async () => undefined,
        },
        { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 0.1 },
      );
      await until('the events', () => got.length >= count);
      await subscription.close();
      return got;
    };
    await producer.sendBatch(
      ['a', 'b', 'c'].map((body) => ({ body })),
      { partitionId: '1' },
    );
    expect(await run(3)).toEqual(['a', 'b', 'c']);
    await producer.sendBatch(
      ['d', 'e'].map((body) => ({ body })),
      { partitionId: '1' },
    );
    expect(await run(2)).toEqual(['d', 'e']);
  });
});
