import { expect, test } from '@jest/globals';
import { Connected } from './connect.ts';

/** Where every partition ends now. */
async function ends(hub: Connected): Promise<Map<string, number>> {
  const producer = hub.producer();
  const last = new Map<string, number>();
  for (const id of await producer.getPartitionIds()) {
    last.set(id, (await producer.getPartitionProperties(id)).lastEnqueuedSequenceNumber);
  }
  return last;
}

/** Partitions that grew, and by how many events. */
async function grown(hub: Connected, before: Map<string, number>): Promise<Record<string, number>> {
  const after = await ends(hub);
  const by = [...after].map(([id, last]) => [id, last - (before.get(id) ?? 0)] as const);
  return Object.fromEntries(by.filter(([, count]) => count > 0));
}

test('a key goes where the buffered producer, which hashes by itself, sends it', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  const keys = ['device-1', 'ü', 'a-key-that-is-longer-than-twelve-bytes', 'x'.repeat(24), ''];
  for (const key of keys.filter((each) => each !== '')) {
    const start = await ends(hub);
    await producer.sendBatch([{ body: key }], { partitionKey: key });
    const byService = Object.keys(await grown(hub, start));
    const middle = await ends(hub);
    const buffered = hub.bufferedProducer({ onSendEventsErrorHandler: () => undefined });
    await buffered.enqueueEvent({ body: key }, { partitionKey: key });
    await buffered.close({ flush: true });
    expect([key, Object.keys(await grown(hub, middle))]).toEqual([key, byService]);
  }
});

test('the key comes along with the event', async () => {
  await using hub = new Connected();
  const before = await ends(hub);
  await hub.producer().sendBatch([{ body: 1 }, { body: 2 }], { partitionKey: 'device-9' });
  const [partition = '', count] = Object.entries(await grown(hub, before))[0] ?? [];
  expect(count).toBe(2);
  const got = await hub.read(partition, { sequenceNumber: before.get(partition) ?? -1 }).reads(2);
  expect(got.map((event) => event.partitionKey)).toEqual(['device-9', 'device-9']);
});

test('a partition that is named gets all', async () => {
  await using hub = new Connected();
  const before = await ends(hub);
  for (let i = 0; i < 5; i += 1) await hub.producer().sendBatch([{ body: i }], { partitionId: '1' });
  expect(await grown(hub, before)).toEqual({ 1: 5 });
});

test('sends without a key are spread over the partitions', async () => {
  await using hub = new Connected();
  const before = await ends(hub);
  const producer = hub.producer();
  const count = before.size * 4;
  for (let i = 0; i < count; i += 1) await producer.sendBatch([{ body: i }]);
  const by = await grown(hub, before);
  expect(Object.keys(by).length).toBe(before.size);
  expect(Object.values(by).reduce((sum, each) => sum + each, 0)).toBe(count);
});

test('a buffered producer delivers everything it was given, in order per partition', async () => {
  await using hub = new Connected();
  const from = await hub.end('0');
  const failures: unknown[] = [];
  const buffered = hub.bufferedProducer({
    onSendEventsErrorHandler: ({ error }) => void failures.push(error),
    maxWaitTimeInMs: 50,
  });
  const bodies = Array.from({ length: 500 }, (_, index) => index);
  for (const body of bodies) await buffered.enqueueEvent({ body }, { partitionId: '0' });
  await buffered.close({ flush: true });
  expect(failures).toEqual([]);
  const reading = hub.read('0', from);
  await reading.reads(bodies.length);
  expect(reading.bodies()).toEqual(bodies);
});
