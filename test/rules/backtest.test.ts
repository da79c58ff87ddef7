import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Backtest } from '../../shared/rules/backtest.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { at, brief, DEVICE, event, rule, RuledDevice, ruleOf } from '../support/rules.ts';

const rules: RuleDefinition[] = [
  rule({ param: 't', op: 'gt', value: 8 }, { id: 'plain' }),
  rule({ param: 't', op: 'gt', value: 8 }, { id: 'held', for: '5m', keepFiring: '3m' }),
  rule({ param: 't', op: 'gt', value: 8 }, { id: 'counted', times: 3 }),
  ruleOf({ kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 6 }, { id: 'average' }),
  ruleOf({ kind: 'window', param: 't', agg: 'count', period: '10m', op: 'lt', value: 2 }, { id: 'few' }),
  ruleOf(
    { kind: 'window', param: 't', agg: 'max', period: '10m', mode: 'tumbling', op: 'gt', value: 8 },
    { id: 'tumbling' },
  ),
  ruleOf({ kind: 'rate', param: 't', per: '1m', over: '5m', op: 'gt', value: 1 }, { id: 'rate' }),
  ruleOf({ kind: 'nodata', after: '7m' }, { id: 'silent' }),
  ruleOf({ kind: 'timer', cron: '0 */20 * * * *', tz: 'UTC', if: { param: 't', op: 'gt', value: 5 } }, { id: 'timer' }),
];

/** Gaps in minutes, and values. */
const history = fc.array(fc.tuple(fc.constantFrom(0.5, 1, 2, 4, 9, 25), fc.integer({ min: 0, max: 12 })), {
  minLength: 1,
  maxLength: 40,
});

test('a backtest gives the transitions that live gives, with a sweep every 30 s between the events', () => {
  fc.assert(
    fc.property(history, (gaps) => {
      const backtest = new Backtest(rules, DEVICE);
      const live = new RuledDevice();
      const happened: string[] = [];
      // Never at the moment of a sweep: which of the two is first is nobody's promise.
      let minute = 0.1;
      for (const [gap, t] of gaps) {
        const next = minute + gap;
        // Live: the state goes through JSON at every look, and only where something is due is there one.
        for (let sweep = Math.ceil(minute * 2) / 2; sweep < next && live.states; sweep += 0.5) {
          if (live.due !== undefined && live.due <= sweep) {
            happened.push(...live.tick(rules, sweep).map((each) => `${each.ruleId} ${brief(each, 0)}`));
          }
        }
        minute = next;
        happened.push(...live.send(rules, minute, { t }).map((each) => `${each.ruleId} ${brief(each, 0)}`));
        backtest.add(event(minute, { t }));
      }
      const outcomes = backtest.finish(at(minute));
      const replayed = [...outcomes.values()].flatMap(({ transitions }) =>
        transitions.map((each) => `${each.ruleId} ${brief(each, 0)}`),
      );
      expect(replayed.toSorted()).toEqual(happened.toSorted());
    }),
    { numRuns: 300 },
  );
});

describe('what it counts', () => {
  test('alerts by day, and the time in alert until the end', () => {
    const backtest = new Backtest([rules[0] as RuleDefinition], DEVICE);
    for (const [minute, t] of [
      [0, 9],
      [10, 7],
      [900, 9],
      [910, 7],
      [920, 9],
    ] as const)
      backtest.add(event(minute, { t }));
    expect(backtest.finish(at(950)).get('plain')).toMatchObject({
      opened: 3,
      resolved: 2,
      inAlertMs: 50 * 60_000,
      perDay: { '2026-11-24': 1, '2026-11-25': 2 },
    });
  });

  test('a rule that is not for the device has no outcome', () => {
    const elsewhere = rule({ param: 't', op: 'gt', value: 8 }, { scope: { devices: ['other'] } });
    expect([...new Backtest([elsewhere], DEVICE).finish(at(0)).keys()]).toEqual([]);
  });
});
