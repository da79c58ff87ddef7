/** Alerts that come again: what the commit of events writes about cooldown and flapping, and what streams are told. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { HubPartition, ingestWorld, type IngestWorld } from '../support/ingest-world.ts';

let world: IngestWorld;
let tenants = 0;
let tenant: string;
let device: string;
beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = `recurring-${++tenants}`;
  device = `pump-r${tenants}`;
  await world.register(tenant, device);
});

const rule = (notify: object): RuleDefinition => ({
  ...ruleDefinition.parse({
    name: 'High',
    when: { kind: 'condition', if: { param: 'level', op: 'gt', value: 100 } },
    notify,
  }),
  id: 'rul_high',
  version: 1,
});
const alerts = async () =>
  (await world.device(tenant, device)).alerts.toSorted((a, b) => (a.openedAt < b.openedAt ? -1 : 1));

test.each([['in one batch'], ['one by one, by instances that know nothing']])(
  'flapping is on the alert and on the event of the stream, %s',
  async (how) => {
    const hub = new HubPartition();
    const readings = [101, 1, 102, 1, 103, 1, 104, 1].map((level) => hub.reading(device, { level }));
    const rules = [rule({ flapping: { opens: 3, within: '1h' } })];
    const batches = how === 'in one batch' ? [readings] : readings.map((each) => [each]);
    for (const batch of batches) await world.instance({ rules }).ingest(batch);
    // Twice, as by a host that died before its checkpoint.
    await world.instance({ rules }).ingest(readings);
    expect(
      (await alerts()).map(({ flapping = false, flaps = 0, suppression }) => [flapping, flaps, suppression]),
    ).toEqual([
      [false, 0, 'none'],
      [false, 1, 'none'],
      [true, 2, 'none'],
      [true, 3, 'flapping'],
    ]);
    const events = (await world.journal(tenant)).flatMap(({ e }) =>
      e.flatMap((each) => (each.k === 'alert' ? [each.d] : [])),
    );
    expect(events.map(({ change, flapping = false }) => `${change} ${flapping}`)).toEqual([
      'opened false',
      'resolved false',
      'opened false',
      'resolved false',
      'opened true',
      'resolved true',
      'opened true',
      'resolved true',
    ]);
  },
);

test('cooldown counts from the alert that was told, and only for rules that ask for it', async () => {
  const hub = new HubPartition();
  const level = (value: number) => hub.reading(device, { level: value });
  const rules = [rule({ cooldown: '10s' })];
  // The partition gives each event the next second.
  await world.instance({ rules }).ingest([level(101), level(1), level(102), level(1), level(103), level(1)]);
  for (let n = 0; n < 8; n++) await world.instance({ rules }).ingest([level(1)]);
  await world.instance({ rules }).ingest([level(104)]);
  expect((await alerts()).map(({ suppression }) => suppression)).toEqual(['none', 'cooldown', 'cooldown', 'none']);
  const [, second, third] = await alerts();
  expect(third?.quietUntil).toBe(second?.quietUntil);
});
