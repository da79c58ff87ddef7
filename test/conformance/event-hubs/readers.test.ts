import { earliestEventPosition, type PartitionContext } from '@azure/event-hubs';
import { describe, expect, test } from '@jest/globals';
import { until } from '../../support/until.ts';
import { Connected } from './connect.ts';

test('events of many sends come in order and once, more of them than a prefetch', async () => {
  await using hub = new Connected();
  const from = await hub.end('1');
  const producer = hub.producer();
  for (let send = 0; send < 20; send += 1) {
    await producer.sendBatch(
      Array.from({ length: 100 }, (_, index) => ({ body: send * 100 + index })),
      { partitionId: '1' },
    );
  }
  const reading = hub.read('1', from);
  await reading.reads(2000);
  expect(reading.bodies()).toEqual(Array.from({ length: 2000 }, (_, index) => index));
});

test('two consumer groups each read everything', async () => {
  await using hub = new Connected();
  const from = await hub.end('0');
  await hub.producer().sendBatch([{ body: 'for both' }], { partitionId: '0' });
  for (const group of ['$Default', hub.target.group]) {
    const [event] = await hub.read('0', from, { group }).reads(1);
    expect(event?.body).toBe('for both');
  }
});

test('a reader that asks is told where the partition ends', async () => {
  await using hub = new Connected();
  const from = await hub.end('0');
  const producer = hub.producer();
  await producer.sendBatch([{ body: 1 }, { body: 2 }, { body: 3 }], { partitionId: '0' });
  const { lastEnqueuedSequenceNumber, lastEnqueuedOffset } = await producer.getPartitionProperties('0');
  let told: PartitionContext['lastEnqueuedEventProperties'];
  const subscription = hub.consumer().subscribe(
    '0',
    {
      processEvents: async (_events, context) => void (told = context.lastEnqueuedEventProperties),
      processError: async () => undefined,
    },
    { startPosition: from, trackLastEnqueuedEventProperties: true, maxWaitTimeInSeconds: 0.2 },
  );
  try {
    await until(() => told?.sequenceNumber !== undefined);
    expect(told).toMatchObject({
      sequenceNumber: lastEnqueuedSequenceNumber,
      offset: lastEnqueuedOffset,
      enqueuedOn: expect.any(Date),
      retrievedOn: expect.any(Date),
    });
  } finally {
    await subscription.close();
  }
});

test('a group and a partition that do not exist are refused', async () => {
  await using hub = new Connected();
  const group = hub.read('0', earliestEventPosition, { group: 'nobody' });
  expect((await group.fails()).code).toBe('MessagingEntityNotFoundError');
  const partition = hub.read('4711', earliestEventPosition);
  expect((await partition.fails()).code).toBe('ArgumentOutOfRangeError');
});

describe('epochs', () => {
  test('a higher one takes the partition over, and the reader before is told', async () => {
    await using hub = new Connected();
    const from = await hub.end('0');
    const producer = hub.producer();
    await producer.sendBatch([{ body: 'one' }], { partitionId: '0' });
    const first = hub.read('0', from, { ownerLevel: 1 });
    await first.reads(1);
    const second = hub.read('0', from, { ownerLevel: 2 });
    await second.reads(1);
    expect((await first.fails()).code).toBe('ReceiverDisconnectedError');
    await producer.sendBatch([{ body: 'two' }], { partitionId: '0' });
    await second.reads(2);
    expect(first.bodies()).toEqual(['one']);
  });

  test('an equal one takes it over too', async () => {
    await using hub = new Connected();
    const from = await hub.end('0');
    await hub.producer().sendBatch([{ body: 'one' }], { partitionId: '0' });
    const first = hub.read('0', from, { ownerLevel: 3 });
    await first.reads(1);
    const second = hub.read('0', from, { ownerLevel: 3 });
    await second.reads(1);
    expect((await first.fails()).code).toBe('ReceiverDisconnectedError');
  });

  test.each([
    ['a lower one', { ownerLevel: 4 }],
    ['none', {}],
  ])('%s is refused while a higher one reads', async (_what, options) => {
    await using hub = new Connected();
    const from = await hub.end('0');
    await hub.producer().sendBatch([{ body: 'one' }], { partitionId: '0' });
    const owner = hub.read('0', from, { ownerLevel: 5 });
    await owner.reads(1);
    const refused = hub.read('0', from, options);
    expect((await refused.fails()).code).toBe('ReceiverDisconnectedError');
    expect(refused.got).toEqual([]);
    expect(owner.codes()).toEqual([]);
  });
});

test('five readers without an epoch share a partition of a group; the sixth is over the quota', async () => {
  await using hub = new Connected();
  const from = await hub.end('0');
  await hub.producer().sendBatch([{ body: 'x' }], { partitionId: '0' });
  const five = Array.from({ length: 5 }, () => hub.read('0', from));
  for (const reader of five) await reader.reads(1);
  const sixth = hub.read('0', from);
  expect((await sixth.fails()).code).toBe('QuotaExceededError');
  const elsewhere = hub.read('0', from, { group: hub.target.group });
  await elsewhere.reads(1);
  await sixth.close();
  await five[0]?.close();
  await hub.read('0', from).reads(1);
});
