/**
 * What is missing, stale or of the wrong type is unknown: it opens nothing and clears nothing, for every operator, plain
 * and negated, alone and joined. 0 false opens, 0 false clears.
 */
import { describe, expect, test } from '@jest/globals';
import type { Condition } from '../../shared/rules/condition.ts';
import { rule, RuledDevice, ruleOf } from '../support/rules.ts';

/** A comparison with a value that makes it true, and one that makes it false. */
const CASES: [leaf: Condition & { param: string }, yes: number | string | boolean, no: number | string | boolean][] = [
  [{ param: 'x', op: 'gt', value: 5 }, 6, 5],
  [{ param: 'x', op: 'gte', value: 5 }, 5, 4],
  [{ param: 'x', op: 'lt', value: 5 }, 4, 5],
  [{ param: 'x', op: 'lte', value: 5 }, 5, 6],
  [{ param: 'x', op: 'eq', value: 5 }, 5, 4],
  [{ param: 'x', op: 'neq', value: 5 }, 4, 5],
  [{ param: 'x', op: 'between', value: [4, 6] }, 5, 7],
  [{ param: 'x', op: 'outside', value: [4, 6] }, 7, 5],
  [{ param: 'x', op: 'in', value: [4, 5] }, 5, 6],
  [{ param: 'x', op: 'eq', value: 'open' }, 'open', 'shut'],
  [{ param: 'x', op: 'neq', value: 'open' }, 'shut', 'open'],
  [{ param: 'x', op: 'in', value: ['open', 'ajar'] }, 'ajar', 'shut'],
  [{ param: 'x', op: 'eq', value: false }, false, true],
  [{ param: 'x', op: 'neq', value: false }, true, false],
];

/** What is no number, no text and no truth value of the case. */
function wrongFor(value: unknown): number | string | boolean {
  return typeof value === 'number' ? String(value) : 0;
}

describe.each(CASES)('%j', (leaf, yes, no) => {
  const plain: Condition = leaf;
  const negated: Condition = { not: leaf };

  test.each([
    ['plain', plain],
    ['negated', negated],
    ['twice negated', { not: negated }],
    ['with another that is true', { all: [plain, { param: 'y', op: 'gt', value: 0 }] }],
    ['negated, with another that is true', { all: [negated, { param: 'y', op: 'gt', value: 0 }] }],
    ['or another that is false', { any: [plain, { param: 'y', op: 'lt', value: 0 }] }],
    ['negated, or another that is false', { any: [negated, { param: 'y', op: 'lt', value: 0 }] }],
  ] satisfies [string, Condition][])('%s: missing or of the wrong type opens nothing', (_, condition) => {
    const device = new RuledDevice();
    expect(device.send([rule(condition)], 0, { y: 1 })).toEqual([]);
    expect(device.send([rule(condition)], 1, { y: 1, x: wrongFor(yes) })).toEqual([]);
  });

  test.each([
    ['plain', plain, yes, no],
    ['negated', negated, no, yes],
  ] satisfies [string, Condition, typeof yes, typeof no][])(
    '%s: of the wrong type, absent from the event, or stale clears nothing; false does',
    (_, condition, holds, ends) => {
      const open = rule(condition, { maxAge: '10m' });
      const device = new RuledDevice();
      expect(device.send([open], 0, { x: holds })).toMatchObject([{ kind: 'opened' }]);
      expect(device.send([open], 1, { x: wrongFor(yes) })).toEqual([]);
      expect(device.send([open], 2, { y: 1 })).toEqual([]);
      expect(device.send([open], 60, { y: 1 })).toEqual([]);
      expect(device.send([open], 61, { x: ends })).toMatchObject([{ kind: 'resolved' }]);
    },
  );
});

test('a false part decides an all, a true one an any, whatever is unknown', () => {
  const known: Condition = { param: 'y', op: 'gt', value: 0 };
  const missing: Condition = { param: 'x', op: 'gt', value: 0 };
  expect(new RuledDevice().send([rule({ any: [missing, known] })], 0, { y: 1 })).toHaveLength(1);
  const device = new RuledDevice();
  const both = rule({ any: [{ all: [missing, known] }, { param: 'z', op: 'gt', value: 0 }] });
  device.send([both], 0, { y: 1, z: 1 });
  expect(device.send([both], 1, { y: 0, z: 0 })).toMatchObject([{ kind: 'resolved' }]);
});

test.each([
  ['a window', { kind: 'window', param: 'x', agg: 'avg', period: '10m', op: 'lt', value: 5 }],
  ['a sum', { kind: 'window', param: 'x', agg: 'sum', period: '10m', op: 'lt', value: 5 }],
  ['a rate', { kind: 'rate', param: 'x', per: '1m', over: '5m', op: 'lt', value: 5 }],
  [
    'a conditional timer',
    { kind: 'timer', cron: '0 * * * * *', tz: 'UTC', if: { not: { param: 'x', op: 'gt', value: 5 } } },
  ],
  ['a silence', { kind: 'nodata', after: '5m', params: ['x'] }],
  ['anomalies', { kind: 'anomaly', params: ['x'] }],
])('%s of a parameter that never came opens nothing, with events and as time passes', (_, when) => {
  const watched = ruleOf(when);
  const device = new RuledDevice();
  for (const minute of [0, 1, 2, 3, 20]) expect(device.send([watched], minute, { y: 1 })).toEqual([]);
  expect(device.wait([watched], 21)).toEqual([]);
});
