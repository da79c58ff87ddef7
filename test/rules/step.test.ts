import { describe, expect, test } from '@jest/globals';
import { compileForDevice } from '../../shared/rules/compile-rules.ts';
import type { Condition } from '../../shared/rules/condition.ts';
import { closeFold, openFold } from '../../shared/rules/rule-fold.ts';
import { PARAMETERS_PER_DEVICE_MAX } from '../../shared/rules/rule-states.ts';
import { step } from '../../shared/rules/step.ts';
import { at, DEVICE, event, rule, RuledDevice } from '../support/rules.ts';

const warm: Condition = { param: 't', op: 'gt', value: 8 };
const cold: Condition = { param: 't', op: 'lt', value: 6 };

describe('opening and clearing', () => {
  test('an alert opens with the first value over the limit and resolves with the first that is not', () => {
    const device = new RuledDevice();
    expect(device.run([rule(warm)], [7, 8, 9, 10, 8, 9, 7])).toEqual([
      '2: opened at 2',
      '4: resolved at 4',
      '5: opened at 5',
      '6: resolved at 6',
    ]);
  });

  test('with a clear condition the band between the two limits changes nothing', () => {
    const flapping = [9, 7, 9, 7, 8.5, 6, 6.5, 5.9, 7, 8, 8.1];
    const device = new RuledDevice();
    expect(device.run([rule(warm, { clear: cold })], flapping)).toEqual([
      '0: opened at 0',
      '7: resolved at 7',
      '10: opened at 10',
    ]);
    expect(new RuledDevice().run([rule(warm)], flapping)).toHaveLength(7);
  });

  test('a rule that flaps 25 times fires 25 times, each under its own id', () => {
    const device = new RuledDevice();
    const ids = Array.from({ length: 50 }, (_, minute) =>
      device.send([rule(warm)], minute, { t: minute % 2 === 0 ? 9 : 7 }),
    ).flatMap((transitions) => transitions.map(({ id }) => id));
    expect(ids).toEqual(
      Array.from({ length: 25 }, (_, index) => [
        `r1~freezer-1~${index + 1}~opened`,
        `r1~freezer-1~${index + 1}~resolved`,
      ]).flat(),
    );
  });

  test('the transition says what decided: parameter, value, limit, readings and a message', () => {
    const device = new RuledDevice();
    const rules = [rule({ all: [{ param: 'door', op: 'eq', value: 'closed' }, warm] }, { severity: 'critical' })];
    device.send(rules, 0, { door: 'closed', humidity: 40 });
    expect(device.send(rules, 1, { t: 9.5 })).toEqual([
      {
        id: 'r1~freezer-1~1~opened',
        kind: 'opened',
        alertId: 'r1~freezer-1~1',
        ruleId: 'r1',
        ruleName: 'Too warm',
        ruleKind: 'condition',
        severity: 'critical',
        deviceId: 'freezer-1',
        eventId: 'direct-0:1',
        ts: at(1),
        openedAt: at(1),
        evidence: { parameter: 'door', op: 'eq', value: 'closed', threshold: 'closed' },
        readings: { door: 'closed', t: 9.5 },
        message: 'Freezer 1: door closed = closed',
      },
    ]);
    expect(device.send(rules, 2, { t: 4 })).toMatchObject([
      {
        kind: 'resolved',
        reason: 'condition',
        openedAt: at(1),
        resolvedAt: at(2),
        evidence: { parameter: 't', op: 'gt', value: 4, threshold: 8 },
        message: 'Too warm resolved on Freezer 1: t is 4',
      },
    ]);
  });

  test('what decides an any, and a not, is the part that made it true', () => {
    const any = rule({ any: [{ param: 'a', op: 'gt', value: 1 }, { not: { param: 't', op: 'lte', value: 8 } }] });
    const [opened] = new RuledDevice().send([any], 0, { a: 0, t: 9 });
    expect(opened?.evidence).toEqual({ parameter: 't', op: 'lte', value: 9, threshold: 8 });
  });
});

describe('hold: for', () => {
  const held = rule(warm, { for: '5m' });

  test('it opens once the condition has held, with the moment it was due and not the moment it was noticed', () => {
    expect(
      new RuledDevice().run(
        [held],
        [
          [0, 9],
          [4.9, 9],
          [7, 9],
        ],
      ),
    ).toEqual(['7: opened at 5']);
    expect(
      new RuledDevice().run(
        [held],
        [
          [0, 9],
          [5, 9],
        ],
      ),
    ).toEqual(['5: opened at 5']);
  });

  test('one value that denies the condition starts the hold anew', () => {
    expect(
      new RuledDevice().run(
        [held],
        [
          [0, 9],
          [4, 8],
          [5, 9],
          [9, 9],
          [10, 9],
        ],
      ),
    ).toEqual(['10: opened at 10']);
  });

  test('the value that comes when the hold is over decides: what it denies was not held', () => {
    expect(
      new RuledDevice().run(
        [held],
        [
          [0, 9],
          [6, 7],
        ],
      ),
    ).toEqual([]);
  });

  test('a hold ends on an event of the device that carries other parameters', () => {
    const device = new RuledDevice();
    device.send([held], 0, { t: 9 });
    expect(device.send([held], 4, { humidity: 1 })).toEqual([]);
    expect(device.send([held], 6, { humidity: 1 })).toMatchObject([{ kind: 'opened', openedAt: at(5), ts: at(6) }]);
    expect(device.send([held], 7, { humidity: 1 })).toEqual([]);
  });

  test('a value of the wrong type neither ends nor restarts the hold', () => {
    const device = new RuledDevice();
    device.send([held], 0, { t: 9 });
    expect(device.send([held], 6, { t: 'n/a' })).toEqual([]);
    expect(device.send([held], 7, { t: 9 })).toMatchObject([{ openedAt: at(5), ts: at(7) }]);
  });
});

describe('in a row: times', () => {
  test('it opens at the n-th reading in a row', () => {
    expect(new RuledDevice().run([rule(warm, { times: 3 })], [9, 9, 7, 9, 9, 9, 9])).toEqual(['5: opened at 5']);
  });

  test('events without the parameter are no readings of the rule', () => {
    const device = new RuledDevice();
    const rules = [rule(warm, { times: 2 })];
    device.send(rules, 0, { t: 9 });
    expect(device.send(rules, 1, { humidity: 5 })).toEqual([]);
    expect(device.send(rules, 2, { t: 9, humidity: 5 })).toHaveLength(1);
  });

  test('with a hold both must be met, and it opens when the later one is', () => {
    const both = rule(warm, { times: 3, for: '4m' });
    expect(new RuledDevice().run([both], [9, 9, 9, 9, 9])).toEqual(['4: opened at 4']);
    expect(
      new RuledDevice().run(
        [both],
        [
          [0, 9],
          [3, 9],
          [9, 9],
        ],
      ),
    ).toEqual(['9: opened at 9']);
  });
});

describe('off-delay: keepFiring', () => {
  const kept = rule(warm, { clear: cold, keepFiring: '2m' });

  test('it resolves when it has been clear for so long, with the moment that was', () => {
    expect(
      new RuledDevice().run(
        [kept],
        [
          [0, 9],
          [1, 5],
          [2, 5],
          [4, 5],
        ],
      ),
    ).toEqual(['0: opened at 0', '4: resolved at 3']);
  });

  test('a new true returns it to active without another alert, and so does leaving the clear region', () => {
    expect(
      new RuledDevice().run(
        [kept],
        [
          [0, 9],
          [1, 5],
          [2, 9],
          [3.5, 5],
          [5, 5],
          [5.5, 5],
        ],
      ),
    ).toEqual(['0: opened at 0', '5.5: resolved at 5.5']);
    expect(
      new RuledDevice().run(
        [kept],
        [
          [0, 9],
          [1, 5],
          [2, 7],
          [3.5, 5],
          [5, 5],
        ],
      ),
    ).toEqual(['0: opened at 0']);
  });

  test('it ends on any event of the device, and not while the clear condition is unknown', () => {
    const device = new RuledDevice();
    device.run(
      [kept],
      [
        [0, 9],
        [1, 5],
      ],
    );
    expect(device.send([kept], 2, { t: 'n/a' })).toEqual([]);
    expect(device.send([kept], 4, { humidity: 3 })).toEqual([]);
    expect(device.send([kept], 5, { t: 5 })).toMatchObject([{ kind: 'resolved', resolvedAt: at(3) }]);
  });
});

describe('three-valued logic', () => {
  test.each<[string, Condition]>([
    ['neq', { param: 'missing', op: 'neq', value: 1 }],
    ['not', { not: { param: 'missing', op: 'gt', value: 1 } }],
    ['outside', { param: 'missing', op: 'outside', value: [1, 2] }],
    ['not in', { not: { param: 'missing', op: 'in', value: [1] } }],
    ['changed', { param: 'missing', op: 'changed' }],
    ['all with it', { all: [warm, { param: 'missing', op: 'neq', value: 1 }] }],
  ])('%s of a missing parameter opens nothing', (_, condition) => {
    const device = new RuledDevice();
    expect(device.run([rule(condition)], [9, 1, 9, 1])).toEqual([]);
  });

  test('unknown does not decide what another part decides', () => {
    const either: Condition = { any: [{ param: 'missing', op: 'gt', value: 1 }, warm] };
    expect(new RuledDevice().run([rule(either)], [9])).toEqual(['0: opened at 0']);
    // Once open, it stays: false or unknown is unknown.
    expect(new RuledDevice().run([rule(either)], [9, 1, 1])).toEqual(['0: opened at 0']);
  });

  test('a text where a number belongs neither opens nor clears, and "12" is not 12', () => {
    const device = new RuledDevice();
    const rules = [rule(warm), rule({ param: 't', op: 'eq', value: 12 }, { id: 'r2' })];
    expect(device.send(rules, 0, { t: '12' })).toEqual([]);
    expect(device.send(rules, 1, { t: 9 })).toHaveLength(1);
    expect(device.send(rules, 2, { t: '1' })).toEqual([]);
    expect(device.send(rules, 3, { t: false })).toEqual([]);
    expect(device.send(rules, 4, { t: 1 })).toMatchObject([{ kind: 'resolved', ruleId: 'r1' }]);
  });

  test('parameters of different events meet by their last values', () => {
    const device = new RuledDevice();
    const rules = [rule({ all: [warm, { param: 'door', op: 'eq', value: 'closed' }] })];
    expect(device.send(rules, 0, { t: 9 })).toEqual([]);
    expect(device.send(rules, 1, { door: 'closed' })).toHaveLength(1);
    expect(device.send(rules, 2, { humidity: 3 })).toEqual([]);
    expect(device.send(rules, 3, { door: 'open' })).toHaveLength(1);
  });

  test('older than maxAge counts as unknown', () => {
    const rules = [rule({ all: [warm, { param: 'door', op: 'eq', value: 'closed' }] }, { maxAge: '10m' })];
    const device = new RuledDevice();
    device.send(rules, 0, { door: 'closed' });
    expect(device.send(rules, 11, { t: 9 })).toEqual([]);
    expect(device.send(rules, 21, { door: 'closed' })).toMatchObject([{ kind: 'opened' }]);
    // Stale again: what would clear it is not known to.
    expect(device.send(rules, 32, { door: 'closed' })).toEqual([]);
    expect(device.send(rules, 33, { t: 7 })).toMatchObject([{ kind: 'resolved' }]);
  });

  test('exists is the operator for which missing is an answer', () => {
    const rules = [rule({ not: { param: 'door', op: 'exists' } })];
    const device = new RuledDevice();
    expect(device.send(rules, 0, { t: 9 })).toMatchObject([
      { kind: 'opened', evidence: { parameter: 'door', op: 'exists' } },
    ]);
    expect(device.send(rules, 1, { door: 'open' })).toMatchObject([{ kind: 'resolved' }]);
  });

  test('changed compares with the value before, within one event only', () => {
    const rules = [rule({ param: 'mode', op: 'changed' })];
    const device = new RuledDevice();
    expect(device.send(rules, 0, { mode: 'a' })).toEqual([]);
    expect(device.send(rules, 1, { mode: 'b' })).toMatchObject([{ kind: 'opened' }]);
    expect(device.send(rules, 2, { t: 1 })).toEqual([]);
    expect(device.send(rules, 3, { mode: 'b' })).toMatchObject([{ kind: 'resolved' }]);
  });
});

describe('time is event time', () => {
  test('a late event changes neither alerts nor last values', () => {
    const device = new RuledDevice();
    expect(
      device.run(
        [rule(warm)],
        [
          [5, 7],
          [3, 20],
          [4, 20],
        ],
      ),
    ).toEqual([]);
    expect(device.last).toEqual({ t: [at(5), 7] });
    expect(device.run([rule(warm)], [[5, 9]])).toEqual(['5: opened at 5']);
    expect(device.run([rule(warm)], [[4, 1]])).toEqual([]);
  });

  test('a late event does not end a hold', () => {
    expect(
      new RuledDevice().run(
        [rule(warm, { for: '1m' })],
        [
          [0, 9],
          [0.5, 9],
          [0.4, 1],
          [2, 9],
        ],
      ),
    ).toEqual(['2: opened at 1']);
  });
});

describe('rules that change', () => {
  test('a rule disabled, removed or no longer for the device resolves its alert with the next event, even a late one', () => {
    const disabled = new RuledDevice();
    disabled.run([rule(warm)], [9]);
    expect(disabled.send([rule(warm, { enabled: false })], 1, { x: 1 })).toMatchObject([
      { id: 'r1~freezer-1~1~resolved', reason: 'ruleDisabled', openedAt: at(0), resolvedAt: at(1) },
    ]);
    expect(disabled.states?.r).toEqual({});

    const removed = new RuledDevice();
    removed.run([rule(warm)], [[5, 9]]);
    expect(removed.send([], 4, { t: 9 })).toMatchObject([{ reason: 'ruleDisabled', ts: at(5), resolvedAt: at(5) }]);

    const moved = new RuledDevice();
    const freezers = [rule(warm, { scope: { groups: ['freezers'] } })];
    moved.run(freezers, [9]);
    expect(moved.send(freezers, 1, { t: 9 }, { device: { ...DEVICE, groups: [] } })).toMatchObject([
      { reason: 'ruleChanged' },
    ]);
  });

  test('a change of meaning resolves and starts anew; a change of name, severity or message does neither', () => {
    const device = new RuledDevice();
    device.run([rule(warm)], [9]);
    const renamed = rule(warm, { name: 'Warm', severity: 'info', message: 'hot', category: 'c' });
    expect(device.send([renamed], 1, { t: 9 })).toEqual([]);
    const stricter = rule({ param: 't', op: 'gt', value: 8.5 });
    expect(device.send([stricter], 2, { t: 9 })).toMatchObject([
      { kind: 'resolved', alertId: 'r1~freezer-1~1', reason: 'ruleChanged' },
      { kind: 'opened', alertId: 'r1~freezer-1~2' },
    ]);
  });

  test('a hold of a rule that changed is forgotten', () => {
    const device = new RuledDevice();
    device.run([rule(warm, { for: '5m' })], [9]);
    expect(
      device.run(
        [rule(warm, { for: '6m' })],
        [
          [5.5, 9],
          [7, 9],
          [11.5, 9],
        ],
      ),
    ).toEqual(['11.5: opened at 11.5']);
  });

  test('a rule that comes back never reuses the id of an alert', () => {
    const device = new RuledDevice();
    device.run([rule(warm)], [9]);
    device.send([], 1, { t: 9 });
    expect(device.send([rule(warm)], 2, { t: 9 })).toMatchObject([{ alertId: 'r1~freezer-1~2' }]);
  });
});

describe('the fold', () => {
  test('leaves the stored state alone, and what it handed out stays when it goes on', () => {
    const compiled = compileForDevice([rule(warm)], DEVICE);
    const fold = openFold(compiled, undefined, undefined);
    step(fold, event(0, { t: 9, x: 1 }));
    const first = closeFold(fold);
    const before = structuredClone(first);
    step(fold, event(1, { t: 1, x: 2 }));
    step(fold, event(2, { t: 9 }));
    expect(first).toEqual(before);
    const again = openFold(compiled, first.states, first.last);
    step(again, event(1, { t: 1 }));
    expect(first).toEqual(before);
  });

  test('closed without an event it gives back what was stored, alerts of vanished rules included', () => {
    const device = new RuledDevice();
    device.run([rule(warm)], [9]);
    const fold = openFold(compileForDevice([], DEVICE), device.states, device.last);
    expect(closeFold(fold)).toEqual({ states: device.states, last: device.last });
    expect(step(fold, event(1, { t: 1 }))).toHaveLength(1);
    expect(closeFold(fold).states.r).toEqual({});
  });

  test('at rest a rule takes no room', () => {
    const device = new RuledDevice();
    const rules = Array.from({ length: 100 }, (_, index) => rule(warm, { id: `r${index}`, clear: cold }));
    device.run(rules, [7, 9, 5]);
    expect(device.states).toEqual({ t: at(2), n: 100, r: {} });
  });

  test('a device that invents parameters keeps the newest, and what it lost is unknown again', () => {
    const device = new RuledDevice();
    const rules = [rule({ all: [{ param: 'first', op: 'gt', value: 1 }, warm] })];
    device.send(rules, 0, { first: 5 });
    for (let index = 0; index < PARAMETERS_PER_DEVICE_MAX; index++) device.send(rules, 1, { [`p${index}`]: 1 });
    expect(Object.keys(device.last ?? {})).toHaveLength(PARAMETERS_PER_DEVICE_MAX);
    expect(device.last).not.toHaveProperty('first');
    expect(device.send(rules, 2, { t: 9 })).toEqual([]);
    expect(Object.keys(device.last ?? {})).toHaveLength(PARAMETERS_PER_DEVICE_MAX);
  });

  test('parameters named like members of every object are never found by accident', () => {
    const fold = openFold(compileForDevice([rule({ param: 'size', op: 'exists' })], DEVICE), undefined, {});
    expect(step(fold, event(0, { length: 3 }))).toEqual([]);
  });
});
