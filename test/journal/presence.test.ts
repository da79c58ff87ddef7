import { afterAll, beforeAll, expect, test } from '@jest/globals';
import resources from '../../infra/resources.json' with { type: 'json' };
import { provision } from '../../local/provision.ts';
import { ANNOUNCE_MS, createPresence } from '../../shared/journal/presence.ts';
import { Store } from '../../shared/store/store.ts';
import { announcing } from '../../shared/stream/announcing.ts';
import { startCosmosUnderTest, type CosmosUnderTest } from '../support/cosmos.ts';
import { ManualTiming } from '../support/manual-timing.ts';

const timing = new ManualTiming();
let cosmos: CosmosUnderTest;
let store: Store;

beforeAll(async () => {
  // The store's clock is the test's: what has outlived its time to live is gone.
  cosmos = await startCosmosUnderTest({ port: 0, now: timing.now });
  await provision(cosmos.server);
  store = new Store(cosmos.client.database(resources.cosmos.database));
});

afterAll(() => cosmos.close());

test('presence outlives its time to live as long as a stream is open, and ends after the last one', async () => {
  const silentBus = { listen: () => () => undefined, onEntries: () => undefined, onGap: () => undefined };
  const own = createPresence(store, timing.now);
  let announced = Promise.resolve();
  const instance = announcing(silentBus, { announce: (tenantId) => (announced = own.announce(tenantId)) }, timing);
  const ingest = createPresence(store, timing.now);
  expect(await ingest.hasListener('acme')).toBe(false);

  const unlisten = instance.listen('acme');
  // Ten minutes; one announcement would hold for two.
  for (let passed = 0; passed <= 600_000; passed += ANNOUNCE_MS) {
    await announced;
    await timing.advance(ANNOUNCE_MS - 1);
    expect(await ingest.hasListener('acme')).toBe(true);
    await timing.advance(1);
  }
  await announced;
  unlisten();
  await timing.advance(121_000);
  expect(await ingest.hasListener('acme')).toBe(false);
});
