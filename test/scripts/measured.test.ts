/** The request units that the cost estimate counts with are those that ingest really causes. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import measured from '../../scripts/cost/measured.json' with { type: 'json' };
import { chargesOf } from '../support/charges.ts';
import { HubPartition, ingestWorld, type IngestWorld } from '../support/ingest-world.ts';

const WARM_UP = 3;
/** Rounds, so that the detectors' save now and then is in the average. */
const ROUNDS = 50;

let world: IngestWorld;

beforeEach(async () => {
  world = await ingestWorld();
});

afterEach(() => world.close());

function readings(count: number, round: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, 20 + ((round * 7 + index) % 5)]));
}

/** Request units per accepted event where every batch brings one event of each of so many devices. */
async function unitsPerEvent({ devices, count }: { devices: number; count: number }): Promise<number> {
  const tenant = 'acme';
  const ids = Array.from({ length: devices }, (_, index) => `${tenant}-${index}`);
  for (const id of ids) await world.register(tenant, id);
  const hub = new HubPartition();
  const instance = world.instance();
  const rounds = async (from: number, to: number) => {
    for (let round = from; round < to; round++)
      await instance.ingest(ids.map((id) => hub.reading(id, readings(count, round))));
  };
  await rounds(0, WARM_UP);
  const units = await chargesOf(() => rounds(WARM_UP, WARM_UP + ROUNDS));
  const accepted = instance.published.flatMap(({ e }) => e).length - WARM_UP * devices;
  expect(accepted).toBe(ROUNDS * devices);
  return units / accepted;
}

test.each([
  { devices: 1, batch: 'aloneInBatch', figure: 'oneReading', count: 1 },
  { devices: 1, batch: 'aloneInBatch', figure: 'tenReadings', count: 10 },
  { devices: 16, batch: 'sixteenInBatch', figure: 'oneReading', count: 1 },
  { devices: 16, batch: 'sixteenInBatch', figure: 'tenReadings', count: 10 },
] as const)('$batch, $figure: within 10 % of scripts/cost/measured.json', async ({ devices, batch, figure, count }) => {
  const units = await unitsPerEvent({ devices, count });
  const committed = measured[batch][figure];
  expect(units).toBeGreaterThan(committed * 0.9);
  expect(units).toBeLessThan(committed * 1.1);
});
