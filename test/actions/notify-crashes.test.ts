/** The outbox of instances that die: before and after every write of the store, by seed. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deliverDue } from '../../shared/actions/deliver.ts';
import { followUp } from '../../shared/actions/follow-up.ts';
import type { Store } from '../../shared/store/store.ts';
import { MINUTE, outboxWorld, type OutboxWorld } from '../support/outbox-world.ts';
import { seeded } from '../support/signals.ts';

let world: OutboxWorld;
beforeAll(async () => {
  world = await outboxWorld();
});
afterAll(() => world.close());

const WRITES = new Set<PropertyKey>(['batch', 'create', 'replace', 'delete']);

/** A store whose writes fail now and then: before they are made, or after. */
function dying(store: Store, random: () => number, isOn: () => boolean): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return async (...given: unknown[]) => {
        const chance = isOn() && WRITES.has(name) ? random() : 1;
        if (chance < 0.15) throw Object.assign(new Error('died before'), { code: 503 });
        const answer: unknown = await Reflect.apply(value, target, given);
        if (chance < 0.3) throw Object.assign(new Error('died after'), { code: 503 });
        return answer;
      };
    },
  });
}

test.each([1, 2, 3, 4])(
  'seed %i: whatever dies, each thing is told under one id, and nothing is missing',
  async (seed) => {
    const random = seeded(seed);
    let isOn = false;
    const store = dying(world.store, random, () => isOn);
    const outbox = await world.tenant(
      {
        on: ['open', 'resolve'],
        groupBy: seed % 2 === 0 ? ['ruleId'] : [],
        groupWait: '10s',
        maxPerHour: seed % 3 === 0 ? 4 : 1000,
        repeatEvery: '10m',
      },
      { store },
    );
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await outbox.open({ device: `d${n}` }));
    isOn = true;
    for (let round = 0; round < 44; round++) {
      outbox.clock.now += MINUTE / 2;
      // Two instances; what dies is run again by the timer.
      await Promise.allSettled([1, 2].map(() => followUp(outbox.services)));
      await Promise.allSettled([1, 2].map(() => deliverDue(outbox.services)));
    }
    isOn = false;
    for (const id of ids) await outbox.resolve(id);
    await outbox.pass(2 * 60 * MINUTE, 5 * MINUTE);

    // By message id: what is sent again is the same to the letter.
    const byId = Map.groupBy(outbox.got, ({ id }) => id);
    for (const messages of byId.values())
      expect(new Set(messages.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const messages = [...byId.values()].map(([first]) => first?.body);
    const events = messages
      .filter(({ type }) => type !== 'alert.summary')
      .flatMap(({ data }) => (data.events ?? [data]) as { eventId: string }[]);
    const told = events.map(({ eventId }) => eventId);
    expect(new Set(told).size).toBe(told.length);
    const suppressed = messages
      .filter(({ type }) => type === 'alert.summary')
      .reduce((sum, { data }) => sum + (data.suppressed as number), 0);
    const deliveries = await outbox.deliveries();
    const dropped = deliveries.filter(
      ({ status, detail }) => status === 'suppressed' && detail === 'maxPerHour',
    ).length;
    expect(suppressed).toBe(dropped);
    expect(deliveries.filter(({ status }) => !['delivered', 'grouped', 'suppressed'].includes(status))).toEqual([]);
    // Each was planned once, and told unless it says why not.
    const due = ids.flatMap((id) => [`${id}~opened`, `${id}~resolved`, `${id}~repeated~1`]);
    const ofAlerts = deliveries.filter(({ summary }) => !summary);
    const planned = new Map(ofAlerts.map(({ event, status, detail }) => [event?.eventId, { status, detail }]));
    const untold = due.filter((each) => !told.includes(each)).map((each) => planned.get(each));
    const reasons = seed % 3 === 0 ? ['maxPerHour', 'untold', 'resolved'] : [];
    expect(untold.filter((each) => each?.status !== 'suppressed' || !reasons.includes(each.detail ?? ''))).toEqual([]);
  },
);
