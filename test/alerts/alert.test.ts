import { describe, expect, test } from '@jest/globals';
import { alertEvent, applyTransition, type Alert } from '../../shared/alerts/alert.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';
import { at, rule, RuledDevice } from '../support/rules.ts';

const NOW = at(60);
const context = { tenantId: 'acme', nowMs: NOW };
const iso = (minute: number) => new Date(at(minute)).toISOString();
const warm = rule({ param: 't', op: 'gt', value: 8 }, { severity: 'critical', for: '1m' });

/** An alert of the rule, opened at minute 1 and, with the third value, resolved at minute 3. */
function lifecycle(): [opened: RuleTransition, resolved: RuleTransition] {
  const device = new RuledDevice();
  const [opened, resolved] = [9, 9.5, 10, 7].flatMap((t, minute) => device.send([warm], minute, { t, humidity: 40 }));
  if (!opened || !resolved) throw new Error('the rule did not open and resolve');
  return [opened, resolved];
}

describe('an alert', () => {
  const [opened, resolved] = lifecycle();

  test('opens active and unacknowledged, with what was known', () => {
    expect(applyTransition(undefined, opened, context)).toEqual({
      id: 'r1~freezer-1~1',
      tenantId: 'acme',
      deviceId: 'freezer-1',
      ruleId: 'r1',
      ruleName: 'Too warm',
      ruleKind: 'condition',
      severity: 'critical',
      condition: 'active',
      handling: 'unacknowledged',
      suppression: 'none',
      revision: 1,
      openedAt: iso(1),
      detectedAt: iso(60),
      parameter: 't',
      op: 'gt',
      value: 9.5,
      threshold: 8,
      readings: { t: 9.5 },
      message: 'Freezer 1: t 9.5 > 8',
      history: [{ at: iso(1), what: 'opened' }],
    } satisfies Alert);
  });

  test('resolves with moment, reason and duration, and keeps what it said', () => {
    const alert = applyTransition(undefined, opened, context);
    const before = structuredClone(alert);
    expect(applyTransition(alert, resolved, context)).toEqual({
      ...before,
      condition: 'resolved',
      resolvedAt: iso(3),
      revision: 2,
      durationMs: 120_000,
      reason: 'condition',
      history: [...before.history, { at: iso(3), what: 'resolved', reason: 'condition' }],
    });
    expect(alert).toEqual(before);
  });

  test('the same transition again changes nothing', () => {
    const alert = applyTransition(undefined, opened, context);
    expect(applyTransition(alert, opened, { ...context, nowMs: NOW + 1 })).toBe(alert);
    const ended = applyTransition(alert, resolved, context);
    expect(applyTransition(ended, resolved, context)).toBe(ended);
    expect(applyTransition(ended, opened, context)).toBe(ended);
  });

  test('the end of an alert whose document is gone is recorded as far as it is known', () => {
    const gone = new RuledDevice();
    [9, 9].map((t, minute) => gone.send([warm], minute, { t }));
    const [orphan] = gone.send([], 2, { t: 9 });
    expect(orphan && applyTransition(undefined, orphan, context)).toMatchObject({
      id: 'r1~freezer-1~1',
      ruleName: 'r1',
      severity: 'warning',
      condition: 'resolved',
      reason: 'ruleDisabled',
      openedAt: iso(1),
      resolvedAt: iso(2),
    });
  });
});

describe('the alert event of a stream', () => {
  const [opened, resolved] = lifecycle();
  const alert = applyTransition(undefined, opened, context);

  test('says what opened', () => {
    expect(alertEvent(opened, alert)).toEqual({
      eventId: 'r1~freezer-1~1~opened',
      alertId: 'r1~freezer-1~1',
      ruleId: 'r1',
      ruleName: 'Too warm',
      deviceId: 'freezer-1',
      severity: 'critical',
      change: 'opened',
      condition: 'active',
      handling: 'unacknowledged',
      ts: iso(1),
      openedAt: iso(1),
      parameter: 't',
      value: 9.5,
      threshold: 8,
      message: 'Freezer 1: t 9.5 > 8',
    });
  });

  test('says what resolved, with the name the alert had', () => {
    const event = alertEvent(resolved, applyTransition({ ...alert, ruleName: 'Old name' }, resolved, context));
    expect(event).toMatchObject({
      eventId: 'r1~freezer-1~1~resolved',
      ruleName: 'Old name',
      change: 'resolved',
      condition: 'resolved',
      ts: iso(3),
      openedAt: iso(1),
      resolvedAt: iso(3),
      reason: 'condition',
      value: 7,
      threshold: 8,
      message: 'Too warm resolved on Freezer 1: t is 7',
    });
  });

  test('is the same when it is made again', () => {
    expect(JSON.stringify(alertEvent(opened, alert))).toBe(
      JSON.stringify(alertEvent(...([lifecycle()[0], alert] as const))),
    );
  });
});
