import { expect, test } from '@jest/globals';
import { Connected, codeOf } from './connect.ts';

test('a hub tells its name, when it was made and its partitions', async () => {
  await using hub = new Connected();
  const properties = await hub.producer().getEventHubProperties();
  expect(properties).toMatchObject({ name: hub.target.hub, createdOn: expect.any(Date) });
  expect(properties.createdOn.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
  expect(properties.partitionIds).toEqual(properties.partitionIds.map((_, index) => String(index)));
  expect(properties.partitionIds.length).toBeGreaterThan(1);
});

test('a partition tells where it ends, and what is sent moves its end', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  const before = await producer.getPartitionProperties('0');
  await producer.sendBatch([{ body: 1 }, { body: 2 }], { partitionId: '0' });
  const after = await producer.getPartitionProperties('0');
  expect(after).toMatchObject({ eventHubName: hub.target.hub, partitionId: '0', isEmpty: false });
  const last = before.isEmpty ? -1 : before.lastEnqueuedSequenceNumber;
  expect(after.lastEnqueuedSequenceNumber).toBe(last + 2);
  expect(after.lastEnqueuedOffset).not.toBe(before.lastEnqueuedOffset);
  expect(after.lastEnqueuedOnUtc.getTime()).toBeGreaterThanOrEqual(before.lastEnqueuedOnUtc.getTime());
  const untouched = await producer.getPartitionProperties('1');
  await producer.sendBatch([{ body: 3 }], { partitionId: '0' });
  expect((await producer.getPartitionProperties('1')).lastEnqueuedSequenceNumber).toBe(
    untouched.lastEnqueuedSequenceNumber,
  );
});

test('a partition that does not exist is out of range, to ask and to send', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  expect(await codeOf(producer.getPartitionProperties('4711'))).toBe('ArgumentOutOfRangeError');
  expect(await codeOf(producer.sendBatch([{ body: 1 }], { partitionId: '4711' }))).toBe('ArgumentOutOfRangeError');
});

test('a hub that does not exist is not found, to ask and to send', async () => {
  await using hub = new Connected();
  const producer = hub.producer({ hub: 'there-is-no-such-hub' });
  expect(await codeOf(producer.getEventHubProperties())).toBe('MessagingEntityNotFoundError');
  expect(await codeOf(producer.sendBatch([{ body: 1 }]))).toBe('MessagingEntityNotFoundError');
});
