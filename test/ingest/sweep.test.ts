import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeviceRegistry } from '../../shared/devices/device-registry.ts';
import { createAlertDesk } from '../../shared/ingest/commit-handling.ts';
import { ProcessedTime, type PartitionEnd } from '../../shared/ingest/processed-time.ts';
import { sweep, type SweepServices } from '../../shared/ingest/sweep.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { HubPartition, ingestWorld, LANE, type IngestWorld } from '../support/ingest-world.ts';

let world: IngestWorld;
let tenants = 0;
let tenant: string;
let device: string;
beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = `swept-${++tenants}`;
  device = `pump-${tenants}`;
  await world.register(tenant, device);
  // The rules of a tenant are looked for where they are kept.
  await world.store.upsert('rules', { id: 'any', tenantId: tenant } as never);
});

const MINUTE = 60_000;
const START = Date.parse('2026-11-24T09:00:00Z');

const silent: RuleDefinition = {
  ...ruleDefinition.parse({ name: 'Silent', when: { kind: 'nodata', after: '5m' } }),
  id: 'rul_silent',
  version: 1,
};
const hourly: RuleDefinition = {
  ...ruleDefinition.parse({ name: 'Hourly', when: { kind: 'timer', cron: '0 0 * * * *', tz: 'UTC' } }),
  id: 'rul_hourly',
  version: 1,
};

/** A sweep of this tenant's rules at a moment, while the hub ends where it is said to. */
async function sweepAt(nowMs: number, end: Partial<PartitionEnd>, rules: RuleDefinition[]) {
  const { services } = world.instance({ rules });
  const registry = createDeviceRegistry(world.store, () => nowMs);
  const sweeping: SweepServices = {
    ...services,
    activeRules: (of) => Promise.resolve(of === tenant ? rules : []),
    processed: new ProcessedTime(world.store),
    desk: createAlertDesk(world.store, 3600, () => nowMs),
    partitionEnds: () => Promise.resolve([{ lane: LANE, isEmpty: false, lastSeq: 0, lastEnqueuedMs: 0, ...end }]),
    listDevices: (of, after, limit) => registry.list(of, { after, limit }),
    transitionsTtl: 3600,
    now: () => nowMs,
  };
  return sweep(sweeping);
}

const changes = async () =>
  (await world.device(tenant, device)).transitions.flatMap(({ e }) =>
    e.map(({ d }) => ('change' in d ? d.change : '')),
  );

describe('silence', () => {
  test('is told when the hub has nothing left to process, and not before', async () => {
    const hub = new HubPartition({ enqueuedMs: START, seq: tenants * 1000 });
    await world.instance({ rules: [silent] }).ingest([hub.reading(device, { level: 1 })]);
    const end = { lastSeq: hub.seq - 1, lastEnqueuedMs: hub.enqueuedMs };
    await sweepAt(START + 4 * MINUTE, end, [silent]);
    expect(await changes()).toEqual([]);
    await sweepAt(START + 6 * MINUTE, end, [silent]);
    expect(await changes()).toEqual(['opened']);
    // The next reading ends it.
    hub.enqueuedMs += 7 * MINUTE;
    await world.instance({ rules: [silent] }).ingest([hub.reading(device, { level: 2 })]);
    expect(await changes()).toEqual(['opened', 'resolved']);
  });

  test('is not told of devices that a stalled consumer has not heard', async () => {
    const hub = new HubPartition({ enqueuedMs: START + 60 * MINUTE, seq: tenants * 1000 });
    await world.instance({ rules: [silent] }).ingest([hub.reading(device, { level: 1 })]);
    const unheard = hub.reading(device, { level: 2 });
    const end = { lastSeq: unheard.seq, lastEnqueuedMs: unheard.enqueuedMs };
    for (let minute = 0; minute <= 10; minute++) await sweepAt(unheard.enqueuedMs + minute * MINUTE, end, [silent]);
    expect(await changes()).toEqual([]);
  });

  test('of a device that is gone or disabled is missed by nobody', async () => {
    const hub = new HubPartition({ enqueuedMs: START + 120 * MINUTE, seq: tenants * 1000 });
    await world.instance({ rules: [silent] }).ingest([hub.reading(device, { level: 1 })]);
    await world.register(tenant, device, { enabled: false });
    await sweepAt(hub.enqueuedMs + 10 * MINUTE, { lastSeq: hub.seq - 1, lastEnqueuedMs: hub.enqueuedMs }, [silent]);
    expect(await changes()).toEqual([]);
    expect((await world.device(tenant, device)).state).not.toHaveProperty('due');
  });
});

test('a timer fires for a device that never sent anything, once per firing', async () => {
  const from = Date.parse('2026-11-24T12:30:00Z');
  const empty = { isEmpty: true };
  await sweepAt(from, empty, [hourly]);
  expect(await changes()).toEqual([]);
  await sweepAt(from + 31 * MINUTE, empty, [hourly]);
  await sweepAt(from + 32 * MINUTE, empty, [hourly]);
  expect(await changes()).toEqual(['opened', 'resolved']);
});

test('a mark never goes back, and a re-created hub is told by its times', async () => {
  const [one, two] = [new ProcessedTime(world.store), new ProcessedTime(world.store)];
  const end: PartitionEnd = { lane: 'direct-9', isEmpty: false, lastSeq: 50, lastEnqueuedMs: START };
  expect(await one.upTo([end], START)).toBe(Number.NEGATIVE_INFINITY);
  await one.advance('direct-9', { seq: 50, enq: START });
  await two.advance('direct-9', { seq: 10, enq: START - MINUTE });
  expect(await two.upTo([end], START + MINUTE)).toBe(START + MINUTE - 5_000);
  // Numbers begin again: what is there is not processed yet, although the old numbers were higher.
  const again = { ...end, lastSeq: 3, lastEnqueuedMs: START + 2 * MINUTE };
  expect(await one.upTo([again], START + 3 * MINUTE)).toBe(START - 5_000);
  await one.advance('direct-9', { seq: 3, enq: START + 2 * MINUTE });
  expect(await two.upTo([again], START + 3 * MINUTE)).toBe(START + 3 * MINUTE - 5_000);
});
