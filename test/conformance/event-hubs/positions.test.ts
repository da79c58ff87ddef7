import { type EventPosition, latestEventPosition } from '@azure/event-hubs';
import { expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { Connected } from './connect.ts';

/** Milliseconds between two sends whose times of arrival must differ: the service keeps whole milliseconds. */
const APART_MS = 20;

/** Six events in partition 0, sent apart, as they were received. */
async function six(hub: Connected) {
  const from = await hub.end('0');
  const producer = hub.producer();
  for (let body = 0; body < 6; body += 1) {
    await producer.sendBatch([{ body }], { partitionId: '0' });
    await delay(APART_MS);
  }
  const reading = hub.read('0', from);
  const events = await reading.reads(6);
  await reading.close();
  return events;
}

test('by sequence number, offset and time; what is at the position itself only when it is inclusive', async () => {
  await using hub = new Connected();
  const events = await six(hub);
  const third = events[3];
  if (third === undefined) throw new Error('fewer than four events');
  const { sequenceNumber, offset, enqueuedTimeUtc } = third;
  const cases: [EventPosition, number[]][] = [
    [{ sequenceNumber }, [4, 5]],
    [{ sequenceNumber, isInclusive: true }, [3, 4, 5]],
    [{ offset }, [4, 5]],
    [{ offset, isInclusive: true }, [3, 4, 5]],
    [{ enqueuedOn: enqueuedTimeUtc }, [4, 5]],
    [{ enqueuedOn: new Date(enqueuedTimeUtc.getTime() - 1) }, [3, 4, 5]],
  ];
  for (const [position, expected] of cases) {
    const reading = hub.read('0', position);
    await reading.reads(expected.length);
    expect([position, reading.bodies()]).toEqual([position, expected]);
    await reading.close();
  }
});

test('the earliest is the oldest event that is kept', async () => {
  await using hub = new Connected();
  await hub.producer().sendBatch([{ body: 'x' }], { partitionId: '0' });
  const { beginningSequenceNumber } = await hub.producer().getPartitionProperties('0');
  const [first] = await hub.read('0', { offset: '-1' }).reads(1);
  expect(first?.sequenceNumber).toBe(beginningSequenceNumber);
});

test('the latest sees only what comes after', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  await producer.sendBatch([{ body: 'before' }], { partitionId: '0' });
  const reading = hub.read('0', latestEventPosition);
  let sent = 0;
  // The link is open once an event that was sent after it has come; how long that takes is not ours to know.
  await until(async () => {
    sent += 1;
    await producer.sendBatch([{ body: sent }], { partitionId: '0' });
    return reading.got.length > 0;
  });
  expect(reading.bodies()).not.toContain('before');
});

test('a position past the end is refused', async () => {
  await using hub = new Connected();
  const { lastEnqueuedSequenceNumber } = await hub.producer().getPartitionProperties('0');
  const reading = hub.read('0', { sequenceNumber: lastEnqueuedSequenceNumber + 1_000_000 });
  expect((await reading.fails()).message).toMatch(/sequence number/i);
  expect(reading.got).toEqual([]);
});
