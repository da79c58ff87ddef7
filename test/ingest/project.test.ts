import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Alert, AlertEvent } from '../../shared/alerts/alert.ts';
import { createAlertDesk } from '../../shared/ingest/commit-handling.ts';
import { project, type ProjectionServices } from '../../shared/ingest/project.ts';
import { Journal } from '../../shared/journal/journal.ts';
import type { JournalEntry } from '../../shared/journal/journal-entry.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { above, brief, HubPartition, ingestWorld, JOURNAL_SECONDS, type IngestWorld } from '../support/ingest-world.ts';

let world: IngestWorld;
let tenants = 0;
let tenant: string;
let device: string;
beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = `projected-${++tenants}`;
  device = `pump-${tenants}`;
  await world.register(tenant, device);
});

const NOW = Date.parse('2026-11-24T10:00:00Z');
const desk = () => createAlertDesk(world.store, 3600, () => NOW);

/** A projection, and what it told. */
function projection(): ProjectionServices & { told: AlertEvent[]; published: JournalEntry[] } {
  const told: AlertEvent[] = [];
  const published: JournalEntry[] = [];
  return {
    told,
    published,
    store: world.store,
    journal: new Journal(world.store, JOURNAL_SECONDS, () => NOW),
    publish: async (entries) => void published.push(...entries),
    notify: async (of, event) => void (of === tenant && told.push(event)),
  };
}

const listed = async () =>
  (await world.store.all<Alert>('alerts', { query: 'SELECT * FROM c' }, tenant)).toSorted((a, b) =>
    a.id < b.id ? -1 : 1,
  );
const ops = async () => new Journal(world.store, JOURNAL_SECONDS).read(tenant, 'ops', 0);
const levels = (...values: number[]) => {
  const hub = new HubPartition();
  return values.map((level) => hub.reading(device, { level }));
};

describe('the projection', () => {
  test('keeps the list of alerts, and tells every change once in the order of the device', async () => {
    await world.instance({ rules: [above('level', 100)] }).ingest(levels(101, 5, 120));
    const one = projection();
    await project(one, await world.feed());
    expect(await listed()).toMatchObject([
      { id: `rul_level~${device}~1`, condition: 'resolved' },
      { id: `rul_level~${device}~2`, condition: 'active' },
    ]);
    expect(one.told.map(({ change }) => change)).toEqual(['opened', 'resolved', 'opened']);
    // What events caused is in their own lane.
    expect(await ops()).toEqual([]);
  });

  test('puts what people did into the lane ops, once, however often the feed says it', async () => {
    await world.instance({ rules: [above('level', 100)] }).ingest(levels(101));
    const id = `rul_level~${device}~1`;
    await desk().handle(tenant, id, { do: 'acknowledge' }, 'user:ann');
    await desk().handle(tenant, id, { do: 'comment', note: 'only for us' }, 'user:ann');
    await desk().handle(tenant, id, { do: 'resolve' }, 'user:ann');
    const [one, two] = [projection(), projection()];
    await Promise.all([project(one, await world.feed()), project(two, await world.feed())]);
    await project(one, await world.feed());
    expect(brief(await ops())).toEqual(['alert acknowledged', 'alert resolved']);
    expect((await ops()).map(({ n }) => n)).toEqual([1, 2]);
    const both = [...one.published, ...two.published].filter(({ tenantId }) => tenantId === tenant);
    expect(both.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(await listed()).toMatchObject([{ id, condition: 'resolved', reason: 'manual', revision: 4 }]);
  });

  test('does not go back when an old version comes late', async () => {
    await world.instance({ rules: [above('level', 100)] }).ingest(levels(101));
    const early = await world.feed();
    await desk().handle(tenant, `rul_level~${device}~1`, { do: 'acknowledge' }, 'user:ann');
    await project(projection(), await world.feed());
    await project(projection(), early);
    expect(await listed()).toMatchObject([{ handling: 'acknowledged', revision: 2 }]);
  });

  test('takes nothing that is not its own for a document', async () => {
    const one = projection();
    await project(one, [null, 7, 'text', {}, { kind: 'alert' }, { kind: 'state', pk: 'x|y' }]);
    expect(one.told).toEqual([]);
  });
});

describe('people and events at the same alert', () => {
  test('an acknowledgement survives the next event, and a resolution by hand ends the state of the rule', async () => {
    const rules = [{ ...above('level', 100), raise: [] }];
    const instance = world.instance({ rules });
    const events = levels(101, 102, 5, 103);
    await instance.ingest(events.slice(0, 1));
    await desk().handle(tenant, `rul_level~${device}~1`, { do: 'acknowledge' }, 'user:ann');
    await instance.ingest(events.slice(1, 3));
    expect((await desk().find(tenant, `rul_level~${device}~1`))?.alert).toMatchObject({
      condition: 'resolved',
      handling: 'acknowledged',
      reason: 'condition',
    });
    await instance.ingest(events.slice(3));
    await desk().handle(tenant, `rul_level~${device}~2`, { do: 'resolve' }, 'user:ann');
    expect((await world.device(tenant, device)).state?.rules?.r).toEqual({});
  });

  test('the next alert of a latched rule takes the place of one that still waits', async () => {
    const latched: RuleDefinition = {
      ...ruleDefinition.parse({
        name: 'Latched',
        latch: true,
        when: { kind: 'condition', if: { param: 'level', op: 'gt', value: 100 } },
      }),
      id: 'rul_latched',
    };
    await world.instance({ rules: [latched] }).ingest(levels(101, 5, 102));
    const alerts = (await world.device(tenant, device)).alerts.toSorted((a, b) => (a.alertId < b.alertId ? -1 : 1));
    expect(alerts).toMatchObject([
      { condition: 'resolved', reason: 'retriggered' },
      { condition: 'active', handling: 'unacknowledged' },
    ]);
    expect(brief(await world.journal(tenant))).toEqual([
      `${device}=101`,
      'alert opened',
      `${device}=5`,
      'alert returned',
      `${device}=102`,
      'alert resolved',
      'alert opened',
    ]);
  });

  test('a device that is removed ends its alerts with that reason', async () => {
    await world.instance({ rules: [above('level', 100)] }).ingest(levels(101));
    await desk().endAll(tenant, device, 'deviceRemoved');
    expect((await world.device(tenant, device)).alerts).toMatchObject([{ reason: 'deviceRemoved' }]);
  });
});
