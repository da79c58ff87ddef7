/**
 * What OneSense's own pages show of its rules, sentence by sentence: the floor under ours. Approval before a rule runs is
 * in test/manage/rule-life.test.ts.
 */
import { describe, expect, test } from '@jest/globals';
import { ruleDefinition } from '../../shared/rules/rule-definition.ts';
import { at, brief, rule, RuledDevice, ruleOf } from '../support/rules.ts';

describe('OneSense, create rule', () => {
  test('a rule has a name, a category and the devices selected for it', () => {
    const selected = rule(
      { param: 't', op: 'gt', value: 8 },
      { name: 'Freezer warm', category: 'cold-chain', scope: { devices: ['freezer-1'] } },
    );
    expect(selected).toMatchObject({ name: 'Freezer warm', category: 'cold-chain', scope: { devices: ['freezer-1'] } });
    expect(new RuledDevice().send([selected], 0, { t: 9 })).toHaveLength(1);
    const other = { device: { id: 'freezer-2', groups: [] } };
    expect(new RuledDevice().send([selected], 0, { t: 9 }, other)).toEqual([]);
  });
});

describe('OneSense, When-Then', () => {
  test.each([
    ['equals', 'eq', 8, [7, 8, 9], 1],
    ['greater', 'gt', 8, [7, 8, 9], 2],
    ['less', 'lt', 8, [9, 8, 7], 2],
  ] as const)('parameter, operator "%s", numeric limit', (_, op, value, values, minute) => {
    expect(new RuledDevice().run([rule({ param: 't', op, value })], [...values])).toContain(
      `${minute}: opened at ${minute}`,
    );
  });

  test('a further condition for the same parameter', () => {
    const between = rule({
      all: [
        { param: 't', op: 'gt', value: 2 },
        { param: 't', op: 'lt', value: 8 },
      ],
    });
    expect(new RuledDevice().run([between], [1, 5, 9])).toEqual(['1: opened at 1', '2: resolved at 2']);
  });

  test('outputs: an e-mail and an action, combined', () => {
    const told = rule({ param: 't', op: 'gt', value: 8 }, { notify: { actions: ['act_mail', 'act_pump'] } });
    expect(told.notify).toMatchObject({ actions: ['act_mail', 'act_pump'], on: ['open', 'escalate', 'resolve'] });
  });
});

describe('OneSense, sliding window rule', () => {
  const window = ruleOf({ kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 40 });

  test('data accumulates over the period; it fires only if the average passes the threshold', () => {
    expect(new RuledDevice().run([window], [10, 45, 50, 45, 60])).toEqual(['4: opened at 4']);
  });

  test('the period is free text such as 10m; one parameter, one operator, one value', () => {
    expect(window.when).toMatchObject({ period: 600_000, param: 't', op: 'gt', value: 40 });
    const wrong = ruleDefinition.safeParse({ name: 'w', when: { ...window.when, period: 'ten minutes' } });
    expect(wrong.error?.issues[0]?.message).toBe(
      'must be a duration such as 10m, 1h30m or PT10M, from 1000 to 86400000 ms',
    );
  });
});

describe('OneSense, timer rule', () => {
  const cron = '0 15 10 1,15 * MON,FRI';

  test('six fields with seconds: on the 1st and 15th, on Monday and Friday', () => {
    const timer = ruleOf({ kind: 'timer', cron, tz: 'UTC' });
    expect(timer.when).toMatchObject({ dayMatch: 'and' });
    const device = new RuledDevice();
    const monthStart = (Date.UTC(2027, 0, 1) - at(0)) / 60_000;
    device.send([timer], monthStart, { t: 1 });
    // The first Monday or Friday among firsts and fifteenths of 2027 is Friday, 1 January.
    expect(device.due).toBe((Date.UTC(2027, 0, 1, 10, 15) - at(0)) / 60_000);
  });

  test('a plain timer fires its actions; one with a condition only where it holds', () => {
    const plain = ruleOf({ kind: 'timer', cron: '0 30 * * * *', tz: 'UTC' }, { id: 'plain' });
    const conditional = ruleOf(
      { kind: 'timer', cron: '0 30 * * * *', tz: 'UTC', if: { param: 't', op: 'gt', value: 8 } },
      { id: 'conditional' },
    );
    const fired = (t: number) => {
      const device = new RuledDevice();
      device.send([plain, conditional], 0, { t });
      const told = device.tick([plain, conditional], 31);
      return told.filter(({ kind }) => kind === 'opened').map((each) => `${each.ruleId} ${brief(each, 31)}`);
    };
    expect(fired(9)).toEqual(['conditional 31: opened at 30', 'plain 31: opened at 30']);
    expect(fired(7)).toEqual(['plain 31: opened at 30']);
  });
});

describe('OneSense, edit', () => {
  test('name and graph are editable: a new name keeps an open alert, a new graph ends it', () => {
    const before = rule({ param: 't', op: 'gt', value: 8 });
    const device = new RuledDevice();
    device.send([before], 0, { t: 9 });
    expect(device.send([{ ...before, name: 'Other' }], 1, { t: 9 })).toEqual([]);
    const edited = rule({ param: 't', op: 'gt', value: 8.5 });
    expect(device.send([edited], 2, { t: 9 })).toMatchObject([
      { kind: 'resolved', reason: 'ruleChanged' },
      { kind: 'opened' },
    ]);
  });
});
