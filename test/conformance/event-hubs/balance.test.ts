import { expect, test } from '@jest/globals';
import { memoryCheckpoints } from '../../support/event-hubs.ts';
import { until } from '../../support/until.ts';
import { Connected } from './connect.ts';

/** Milliseconds a group may take to settle; the balancer looks every 300. */
const SETTLED_MS = 20_000;

/** A member of a group: what it owns, what it has read. */
function join(
  hub: Connected,
  store: ReturnType<typeof memoryCheckpoints>,
  seen: Map<unknown, number>,
  sinceMs: number,
) {
  const owned = new Set<string>();
  const subscription = hub.member(store).subscribe(
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
    { startPosition: { enqueuedOn: sinceMs }, maxWaitTimeInSeconds: 0.2 },
  );
  return { owned, close: () => subscription.close() };
}

test('two members share the partitions; when one leaves the other takes all, and nothing is lost', async () => {
  await using hub = new Connected();
  const producer = hub.producer();
  const partitions = (await producer.getPartitionIds()).length;
  const store = memoryCheckpoints();
  const seen = new Map<unknown, number>();
  const run = `${Date.now()}`;
  const sinceMs = Date.now() - 60_000;
  let sent = 0;
  const send = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) {
      sent += 1;
      await producer.sendBatch([{ body: `${run}-${sent}` }], { partitionKey: `key-${sent}` });
    }
  };
  const ours = (): number => [...seen.keys()].filter((body) => String(body).startsWith(`${run}-`)).length;
  const first = join(hub, store, seen, sinceMs);
  try {
    await send();
    await until(() => first.owned.size === partitions, SETTLED_MS);
    const second = join(hub, store, seen, sinceMs);
    try {
      await send();
      await until(() => first.owned.size > 0 && second.owned.size >= Math.floor(partitions / 2), SETTLED_MS);
      await until(() => first.owned.size + second.owned.size === partitions, SETTLED_MS);
      await first.close();
      await until(() => second.owned.size === partitions, SETTLED_MS);
      await send();
      await until(() => ours() === sent, SETTLED_MS);
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
  expect(ours()).toBe(sent);
});
