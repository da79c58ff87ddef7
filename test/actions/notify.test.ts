/** Who is told how often: groups, cooldown, flapping, repetitions, limits, escalation, maintenance; time is the test's. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { followUp } from '../../shared/actions/follow-up.ts';
import { deliverDue } from '../../shared/actions/deliver.ts';
import { outboxWorld, MINUTE, START, type Outbox, type OutboxWorld } from '../support/outbox-world.ts';

const HOUR = 60 * MINUTE;

let world: OutboxWorld;
beforeAll(async () => {
  world = await outboxWorld();
});
afterAll(() => world.close());

const told = ({ got }: Outbox) => got.map(({ action, body }) => `${action} ${body.type}`);
const states = async (outbox: Outbox) =>
  (await outbox.deliveries()).map(({ status, detail }) => (detail === undefined ? status : `${status}: ${detail}`));

describe('groups', () => {
  test('what opens within groupWait is one message per group, and every delivery says with which it was told', async () => {
    const outbox = await world.tenant({ groupBy: ['ruleId'], groupWait: '30s' });
    for (const device of ['a', 'b', 'c']) await outbox.open({ device });
    await outbox.pass(25_000, 5_000);
    expect(outbox.got).toEqual([]);
    await outbox.pass(10_000, 5_000);
    expect(told(outbox)).toEqual(['act_1 alert.group']);
    expect(outbox.got[0]?.body.data.events.map(({ deviceId }: { deviceId: string }) => deviceId).toSorted()).toEqual([
      'a',
      'b',
      'c',
    ]);
    const deliveries = await outbox.deliveries();
    const leader = deliveries.find(({ status }) => status === 'delivered');
    expect(deliveries.filter(({ sentWith }) => sentWith === leader?.id)).toHaveLength(2);
    // The next one begins a group of its own.
    await outbox.open({ device: 'd' });
    await outbox.pass(35_000, 5_000);
    expect(told(outbox)).toEqual(['act_1 alert.group', 'act_1 alert.opened']);
  });

  test('other values are other groups, and without groupBy each alert is told by itself', async () => {
    const byDevice = await world.tenant({ groupBy: ['deviceId'], groupWait: '30s' });
    for (const device of ['a', 'a', 'b']) await byDevice.open({ device });
    await byDevice.pass(MINUTE);
    expect(told(byDevice).toSorted()).toEqual(['act_1 alert.group', 'act_1 alert.opened']);
    const alone = await world.tenant({ groupWait: '30s' });
    for (const device of ['a', 'a', 'b']) await alone.open({ device });
    await alone.pass(MINUTE);
    expect(told(alone)).toEqual(['act_1 alert.opened', 'act_1 alert.opened', 'act_1 alert.opened']);
  });

  test('instances that run at the same time tell every alert of a group once', async () => {
    const outbox = await world.tenant({ groupBy: ['ruleId'] });
    for (let n = 0; n < 60; n++) await outbox.open({ device: `d${n}` });
    for (let round = 0; round < 20; round++) {
      outbox.clock.now += 1000;
      await Promise.all([1, 2, 3].map(() => deliverDue(outbox.services)));
    }
    const events = outbox.got.flatMap(({ body }) => body.data.events ?? [body.data]) as { alertId: string }[];
    expect(events.map(({ alertId }) => alertId).toSorted()).toEqual([...outbox.alerts.keys()].toSorted());
    // A message stays below the 20 KB of Standard Webhooks.
    for (const { body } of outbox.got) expect(JSON.stringify(body).length).toBeLessThan(20_000);
  });
});

describe('cooldown', () => {
  test('an alert that opens again too soon is not told, nor its end; one that is still active afterwards is, once', async () => {
    const outbox = await world.tenant({ cooldown: '15m' });
    const first = await outbox.open();
    await outbox.pass(MINUTE);
    await outbox.resolve(first);
    await outbox.pass(MINUTE);
    const second = await outbox.open();
    expect(outbox.alerts.get(second)).toMatchObject({ suppression: 'cooldown' });
    await outbox.pass(MINUTE);
    await outbox.resolve(second);
    await outbox.pass(MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_1 alert.resolved']);
    const third = await outbox.open();
    await outbox.pass(30 * MINUTE);
    expect(outbox.got.map(({ body }) => body.data.alertId)).toEqual([first, first, third]);
    // Fifteen minutes after the one that was told, not after those that were not.
    expect(outbox.got[2]?.atMs).toBeLessThanOrEqual(START + 18 * MINUTE);
    expect(outbox.alerts.get(third)?.suppression).toBe('none');
    expect((await states(outbox)).toSorted()).toEqual([
      'delivered',
      'delivered',
      'delivered',
      'suppressed: resolved',
      'suppressed: untold',
    ]);
  });
});

describe('flapping', () => {
  test('the alert that makes it flapping is told and says so; those after it are not before it is quiet', async () => {
    const outbox = await world.tenant({ on: ['open'], flapping: { opens: 3, within: '10m' } });
    for (let n = 0; n < 8; n++) {
      const id = await outbox.open();
      await outbox.pass(20_000, 20_000);
      await outbox.resolve(id);
      await outbox.pass(20_000, 20_000);
    }
    expect(outbox.got.map(({ body }) => body.data.flapping ?? false)).toEqual([false, false, true]);
    const all = [...outbox.alerts.values()];
    expect(all.map(({ flapping = false }) => flapping)).toEqual([
      false,
      false,
      ...Array.from({ length: 6 }, () => true),
    ]);
    expect(all.at(-1)).toMatchObject({ suppression: 'flapping', flaps: 7 });
    const last = await outbox.open();
    await outbox.pass(11 * MINUTE);
    expect(outbox.got.at(-1)?.body.data.alertId).toBe(last);
    await outbox.resolve(last);
    await outbox.pass(HOUR);
    // Quiet for long enough: as before.
    const next = await outbox.open();
    await outbox.pass(MINUTE);
    expect(outbox.got.at(-1)?.body.data.alertId).toBe(next);
    expect(outbox.alerts.get(next)).not.toHaveProperty('flapping');
  });
});

describe('repeatEvery', () => {
  test('an alert that stays open is told again and again, once each time, until it is acknowledged', async () => {
    const outbox = await world.tenant({ on: ['open'], repeatEvery: '1h' });
    const id = await outbox.open();
    await outbox.pass(3 * HOUR + MINUTE, 10 * MINUTE);
    expect(told(outbox)).toEqual([
      'act_1 alert.opened',
      'act_1 alert.repeated',
      'act_1 alert.repeated',
      'act_1 alert.repeated',
    ]);
    await outbox.handle(id, { do: 'acknowledge' });
    await outbox.pass(3 * HOUR, 10 * MINUTE);
    expect(outbox.got).toHaveLength(4);
    await outbox.handle(id, { do: 'unacknowledge' });
    await outbox.pass(HOUR, 10 * MINUTE);
    expect(outbox.got).toHaveLength(5);
    await outbox.resolve(id);
    await outbox.pass(3 * HOUR, 10 * MINUTE);
    expect(outbox.got).toHaveLength(5);
  });

  test('what was missed while nobody ran is told once, and instances at the same time tell it once', async () => {
    const outbox = await world.tenant({ on: ['open'], repeatEvery: '1h' });
    await outbox.open();
    await outbox.run();
    outbox.clock.now += 7 * HOUR;
    await Promise.all([1, 2, 3].map(() => followUp(outbox.services)));
    await outbox.run();
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_1 alert.repeated']);
  });
});

describe('escalate', () => {
  const steps = [
    { after: '30m', severity: 'emergency', actions: ['act_boss'] },
    { after: '1h', unless: 'never', actions: ['act_boss'] },
  ];

  test('nobody takes care: it becomes worse, and others are told, each step once', async () => {
    const outbox = await world.tenant({ escalate: steps });
    const id = await outbox.open();
    await outbox.pass(2 * HOUR, 5 * MINUTE);
    expect(outbox.alerts.get(id)).toMatchObject({ severity: 'emergency' });
    expect(told(outbox).toSorted()).toEqual([
      'act_1 alert.opened',
      'act_1 alert.raised',
      'act_boss alert.escalated',
      'act_boss alert.escalated',
    ]);
    expect(outbox.got.find(({ action }) => action === 'act_boss')?.body.data.severity).toBe('emergency');
  });

  test('an acknowledgement stops it, but for a step that is never stopped; its end lets it go on', async () => {
    const outbox = await world.tenant({ on: ['open'], escalate: steps });
    const id = await outbox.open();
    await outbox.pass(10 * MINUTE);
    await outbox.handle(id, { do: 'acknowledge', until: new Date(START + 90 * MINUTE).toISOString() });
    await outbox.pass(75 * MINUTE, 5 * MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened']);
    await outbox.pass(20 * MINUTE, 5 * MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_boss alert.escalated', 'act_boss alert.escalated']);
    expect(outbox.alerts.get(id)).toMatchObject({ severity: 'emergency' });
  });
});

describe('maxPerHour', () => {
  test('what is beyond it is suppressed, counted, and told in one message when the hour ends', async () => {
    const outbox = await world.tenant({ on: ['open'], maxPerHour: 3 });
    for (let n = 0; n < 10; n++) {
      await outbox.open({ device: `d${n}` });
      await outbox.pass(MINUTE);
    }
    expect(told(outbox)).toEqual(Array.from({ length: 3 }, () => 'act_1 alert.opened'));
    expect((await states(outbox)).filter((each) => each === 'suppressed: maxPerHour')).toHaveLength(7);
    await outbox.pass(HOUR, 5 * MINUTE);
    expect(outbox.got.slice(3)).toMatchObject([
      { body: { type: 'alert.summary', data: { ruleId: 'r', suppressed: 7, since: expect.any(String) } } },
    ]);
    await outbox.open();
    await outbox.pass(MINUTE);
    expect(told(outbox).at(-1)).toBe('act_1 alert.opened');
  });

  test('instances that run at the same time do not tell more', async () => {
    const outbox = await world.tenant({ on: ['open'], maxPerHour: 4 });
    for (let n = 0; n < 12; n++) await outbox.open({ device: `d${n}` });
    for (let round = 0; round < 15; round++) {
      outbox.clock.now += 1000;
      await Promise.all([1, 2, 3].map(() => deliverDue(outbox.services)));
    }
    expect(outbox.got).toHaveLength(4);
    await outbox.pass(HOUR, 10 * MINUTE);
    expect(outbox.got.at(-1)?.body.data).toMatchObject({ suppressed: 8 });
  });
});

describe('maintenance', () => {
  test('nobody is told while a window is open; at its end what is still active is told once', async () => {
    const until = START + 2 * HOUR;
    const maintenanceUntil = () => Promise.resolve(outbox.clock.now < until ? until : undefined);
    const outbox: Outbox = await world.tenant({}, { maintenanceUntil });
    const [over, stays] = [await outbox.open({ device: 'a' }), await outbox.open({ device: 'b' })];
    expect(outbox.alerts.get(stays)).toMatchObject({ suppression: 'maintenance', condition: 'active' });
    await outbox.pass(HOUR, 10 * MINUTE);
    await outbox.resolve(over);
    await outbox.pass(50 * MINUTE, 10 * MINUTE);
    expect(outbox.got).toEqual([]);
    await outbox.pass(3 * HOUR, 10 * MINUTE);
    expect(outbox.got.map(({ body }) => `${body.type} ${body.data.alertId}`)).toEqual([`alert.opened ${stays}`]);
    expect(outbox.alerts.get(stays)?.suppression).toBe('none');
    await outbox.resolve(stays);
    await outbox.pass(MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_1 alert.resolved']);
  });

  test('an end in the window of an alert that was told before is told when it closes', async () => {
    let open = false;
    const outbox = await world.tenant(
      {},
      { maintenanceUntil: () => Promise.resolve(open ? outbox_.clock.now + HOUR : undefined) },
    );
    const outbox_ = outbox;
    const id = await outbox.open();
    await outbox.pass(MINUTE);
    open = true;
    await outbox.resolve(id);
    await outbox.pass(30 * MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened']);
    open = false;
    // A window that was deleted counts within minutes.
    await outbox.pass(6 * MINUTE);
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_1 alert.resolved']);
  });
});

test('an alert that becomes worse in a window is told once at its end, as bad as it is then', async () => {
  const until = START + 2 * HOUR;
  const maintenanceUntil = () => Promise.resolve(outbox.clock.now < until ? until : undefined);
  const outbox: Outbox = await world.tenant(
    { escalate: [{ after: '30m', severity: 'critical' }] },
    { maintenanceUntil },
  );
  await outbox.open();
  await outbox.pass(3 * HOUR, 5 * MINUTE);
  expect(told(outbox)).toEqual(['act_1 alert.opened']);
  expect(outbox.got[0]?.body.data.severity).toBe('critical');
});

test('a snoozed alert that is still active when the snooze ends is told then; a shadow never', async () => {
  const outbox = await world.tenant({});
  const id = await outbox.open();
  await outbox.handle(id, { do: 'snooze', until: new Date(START + HOUR).toISOString() });
  await outbox.open({ device: 'shadow', silenced: 'shadow' });
  await outbox.pass(50 * MINUTE, 10 * MINUTE);
  expect(outbox.got).toEqual([]);
  expect((await states(outbox)).toSorted()).toEqual(['held: snoozed', 'suppressed: shadow']);
  await outbox.pass(20 * MINUTE, 10 * MINUTE);
  expect(told(outbox)).toEqual(['act_1 alert.opened']);
});

test('the end of an alert whose beginning is still being tried is told as well', async () => {
  const outbox = await world.tenant({});
  world.answers((_request, response) => void response.writeHead(500).end());
  const id = await outbox.open();
  await outbox.run();
  await outbox.resolve(id);
  world.answers((_request, response) => void response.writeHead(204).end());
  await outbox.pass(5 * MINUTE);
  expect((await states(outbox)).toSorted()).toEqual(['delivered', 'delivered']);
});

describe('a dead endpoint', () => {
  test('410 ends the action: it says so, audit has it, and another action tells of it once', async () => {
    const outbox = await world.tenant({});
    world.answers((request, response) => {
      response.writeHead(request.url?.endsWith('act_1') ? 410 : 204).end();
    });
    await outbox.open();
    await outbox.pass(2 * MINUTE);
    expect(await outbox.services.actions.find(outbox.tenantId, 'act_1')).toMatchObject({
      disabledBecause: 'gone',
      disabledAt: expect.any(String),
    });
    expect(outbox.audited).toMatchObject([{ action: 'action-disabled', target: 'action:act_1', reason: 'gone' }]);
    expect(told(outbox)).toEqual(['act_1 alert.opened', 'act_boss action.disabled']);
  });

  test('days of failure end it; one delivery that arrives meanwhile does not let it come to that', async () => {
    const outbox = await world.tenant({ on: ['open'] });
    world.answers((request, response) => {
      response.writeHead(request.url?.endsWith('act_1') ? 503 : 204).end();
    });
    await outbox.open();
    await outbox.pass(4 * 24 * HOUR, 2 * HOUR);
    const action = await outbox.services.actions.find(outbox.tenantId, 'act_1');
    expect(action).toMatchObject({ disabledBecause: 'failing' });
    expect(told(outbox).at(-1)).toBe('act_boss action.disabled');

    const other = await world.tenant({ on: ['open'] });
    let up = false;
    world.answers((request, response) => {
      response.writeHead(request.url?.endsWith('act_1') && !up ? 503 : 204).end();
    });
    await other.open();
    await other.pass(24 * HOUR, 2 * HOUR);
    up = true;
    await other.open();
    await other.run();
    up = false;
    await other.pass(4 * 24 * HOUR, 2 * HOUR);
    expect(await other.services.actions.find(other.tenantId, 'act_1')).not.toHaveProperty('disabledBecause');
  });
});
