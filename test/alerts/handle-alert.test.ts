import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyTransition, handlingEvent, isAcknowledged, isSnoozed, type Alert } from '../../shared/alerts/alert.ts';
import { alertOperation, brokenMoment, handleAlert, type AlertOperation } from '../../shared/alerts/handle-alert.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';

const NOW = Date.parse('2026-11-24T10:00:00Z');
const MINUTE = 60_000;
const iso = (ms: number) => new Date(ms).toISOString();
const base = { alertId: 'r~d~1', ruleId: 'r', deviceId: 'd', ts: NOW, openedAt: NOW, message: 'too warm' };
const opening: RuleTransition = {
  ...base,
  id: 'r~d~1~opened',
  kind: 'opened',
  ruleName: 'Warm',
  ruleKind: 'condition',
  severity: 'warning',
  evidence: { parameter: 't', op: 'gt', value: 9, threshold: 8 },
  readings: { t: 9 },
};
const clearing: RuleTransition = {
  ...base,
  id: 'r~d~1~resolved',
  kind: 'resolved',
  resolvedAt: NOW + MINUTE,
  reason: 'condition',
};
const context = { tenantId: 'acme', nowMs: NOW };
const open = (): Alert => applyTransition(undefined, opening, context);
const after = (alert: Alert, ...operations: AlertOperation[]) =>
  operations.reduce((each, operation) => handleAlert(each, operation, 'user:ann', NOW).alert, alert);

describe('handling', () => {
  test('an acknowledgement says who, when, why and how long, and stops at its end', () => {
    const alert = after(open(), { do: 'acknowledge', note: 'on my way', until: iso(NOW + MINUTE) });
    expect(alert).toMatchObject({
      handling: 'acknowledged',
      condition: 'active',
      suppression: 'none',
      acknowledgement: { by: 'user:ann', at: iso(NOW), note: 'on my way', until: iso(NOW + MINUTE) },
      history: [{ what: 'opened' }, { what: 'acknowledged', by: 'user:ann', note: 'on my way' }],
    });
    expect([isAcknowledged(alert, NOW), isAcknowledged(alert, NOW + MINUTE)]).toEqual([true, false]);
    expect(after(alert, { do: 'unacknowledge' })).not.toHaveProperty('acknowledgement');
  });

  test('a snooze keeps people from hearing of it and touches nothing else', () => {
    const alert = after(open(), { do: 'snooze', until: iso(NOW + MINUTE) });
    expect(alert).toMatchObject({ suppression: 'snoozed', condition: 'active', handling: 'unacknowledged' });
    expect([isSnoozed(alert, NOW), isSnoozed(alert, NOW + MINUTE)]).toEqual([true, false]);
    expect(after(alert, { do: 'unsnooze' })).toMatchObject({ suppression: 'none' });
  });

  test('a person may resolve it; what happens to it afterwards changes nothing', () => {
    const alert = after(open(), { do: 'resolve', note: 'false alarm' });
    expect(alert).toMatchObject({ condition: 'resolved', reason: 'manual', durationMs: 0 });
    expect(applyTransition(alert, clearing, context)).toBe(alert);
  });

  test('every operation, sent again, changes nothing and tells nobody', () => {
    const moment = fc.integer({ min: 1, max: 1000 }).map((minutes) => iso(NOW + minutes * MINUTE));
    const note = fc.constantFrom('a', 'b');
    const operation = fc.oneof(
      fc.record({ do: fc.constant('acknowledge' as const), note, until: moment }),
      fc.constant({ do: 'unacknowledge' as const }),
      fc.record({ do: fc.constant('snooze' as const), until: moment }),
      fc.constant({ do: 'unsnooze' as const }),
      fc.record({ do: fc.constant('comment' as const), note }),
      fc.constant({ do: 'resolve' as const }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), operation, (before, last) => {
        const alert = after(open(), ...before, last);
        const again = handleAlert(alert, last, 'user:ann', NOW + 1);
        expect(again).toEqual({ alert });
        expect(again.alert).toBe(alert);
      }),
    );
  });

  test('the axes are independent: acknowledging and snoozing commute, and neither ends the condition', () => {
    const acknowledge = { do: 'acknowledge' as const };
    const snooze = { do: 'snooze' as const, until: iso(NOW + MINUTE) };
    const { history: _a, ...one } = after(open(), acknowledge, snooze);
    const { history: _b, ...other } = after(open(), snooze, acknowledge);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ condition: 'active', handling: 'acknowledged', suppression: 'snoozed' });
  });

  test('the event of an operation has an id by the revision, and the names of the API', () => {
    const alert = after(open(), { do: 'acknowledge' });
    expect(handlingEvent(alert, 'acknowledged', NOW)).toMatchObject({
      eventId: 'r~d~1~acknowledged~2',
      change: 'acknowledged',
      condition: 'active',
      handling: 'acknowledged',
    });
  });

  test('a moment lies in the future, and not too far in it', () => {
    const at = (ms: number) => brokenMoment({ do: 'snooze', until: iso(ms) }, NOW);
    expect(at(NOW)).toBe('must be in the future');
    expect(at(NOW + 91 * 86_400_000)).toBe('must be at most 90 days ahead');
    expect(at(NOW + 1)).toBeUndefined();
    expect(alertOperation.safeParse({ do: 'snooze', until: 'tomorrow' }).success).toBe(false);
    expect(alertOperation.safeParse({ do: 'comment', note: '   ' }).success).toBe(false);
  });
});

describe('latching', () => {
  const latched = { ...context, ending: { latch: true } };

  test('an alert whose condition ended stays active until a person has seen it', () => {
    const returned = applyTransition(open(), clearing, latched);
    expect(returned).toMatchObject({ condition: 'active', returnedAt: iso(NOW + MINUTE) });
    expect(applyTransition(returned, clearing, latched)).toBe(returned);
    expect(handleAlert(returned, { do: 'acknowledge' }, 'user:ann', NOW + 2 * MINUTE)).toMatchObject({
      change: 'resolved',
      alert: { condition: 'resolved', reason: 'condition', resolvedAt: iso(NOW + MINUTE), durationMs: MINUTE },
    });
  });

  test('one that was seen before its condition ended resolves by itself', () => {
    const seen = after(open(), { do: 'acknowledge' });
    expect(applyTransition(seen, clearing, latched)).toMatchObject({ condition: 'resolved', reason: 'condition' });
  });

  test('without autoResolve only a person ends it', () => {
    const ending = { autoResolve: false };
    const returned = applyTransition(after(open(), { do: 'acknowledge' }), clearing, { ...context, ending });
    expect(returned).toMatchObject({ condition: 'active', returnedAt: iso(NOW + MINUTE) });
    expect(after(returned, { do: 'resolve' })).toMatchObject({ condition: 'resolved', reason: 'manual' });
  });
});
