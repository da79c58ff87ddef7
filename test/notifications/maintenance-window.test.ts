/** When a maintenance window covers what. */
import { expect, test } from '@jest/globals';
import { coversUntil, maintenanceWindow } from '../../shared/notifications/maintenance-window.ts';

const window = (when: object, scope?: object) =>
  maintenanceWindow.parse({ name: 'Works', when, ...(scope ? { scope } : {}) });
const DEVICE = { deviceId: 'd', groups: ['g'], ruleId: 'r' };
const until = (content: ReturnType<typeof window>, at: string, what = DEVICE) => {
  const ms = coversUntil(content, what, Date.parse(at));
  return ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16);
};

test('a single window is open from its first moment to before its last', () => {
  const once = window({ kind: 'once', from: '2026-11-24T10:00:00+01:00', until: '2026-11-24T12:00:00Z' });
  expect(until(once, '2026-11-24T08:59:59.999Z')).toBeUndefined();
  expect(until(once, '2026-11-24T09:00:00Z')).toBe('2026-11-24T12:00');
  expect(until(once, '2026-11-24T11:59:59.999Z')).toBe('2026-11-24T12:00');
  expect(until(once, '2026-11-24T12:00:00Z')).toBeUndefined();
  expect(until({ ...once, enabled: false }, '2026-11-24T10:00:00Z')).toBeUndefined();
});

test('a weekly window has its zone, over midnight and over the change of the clock', () => {
  const nightly = window({
    kind: 'weekly',
    schedule: { tz: 'Europe/Berlin', days: ['SAT'], from: '22:00', to: '04:00' },
  });
  expect(until(nightly, '2026-11-21T21:30:00Z')).toBe('2026-11-22T03:00');
  expect(until(nightly, '2026-11-22T02:59:00Z')).toBe('2026-11-22T03:00');
  expect(until(nightly, '2026-11-22T03:00:00Z')).toBeUndefined();
  expect(until(nightly, '2026-11-20T21:30:00Z')).toBeUndefined();
  // In the night of 28 March 2026 an hour is missing, in that of 24 October one comes twice.
  expect(until(nightly, '2026-03-28T22:00:00Z')).toBe('2026-03-29T02:00');
  expect(until(nightly, '2026-10-24T21:00:00Z')).toBe('2026-10-25T03:00');
});

test('a weekly window may begin and end', () => {
  const schedule = { tz: 'UTC', from: '08:00', to: '10:00' };
  const limited = window({ kind: 'weekly', schedule, from: '2026-11-23T09:00:00Z', until: '2026-11-24T09:30:00Z' });
  expect(until(limited, '2026-11-23T08:30:00Z')).toBeUndefined();
  expect(until(limited, '2026-11-23T09:00:00Z')).toBe('2026-11-23T10:00');
  expect(until(limited, '2026-11-24T08:30:00Z')).toBe('2026-11-24T09:30');
  expect(until(limited, '2026-11-25T08:30:00Z')).toBeUndefined();
});

test.each([
  [{}, true],
  [{ devices: ['d'] }, true],
  [{ devices: ['other'] }, false],
  [{ devices: ['other'], groups: ['g'] }, true],
  [{ groups: ['h'] }, false],
  [{ rules: ['r'] }, true],
  [{ rules: ['s'] }, false],
  [{ devices: ['d'], rules: ['s'] }, false],
  [{ groups: ['g'], rules: ['r', 's'] }, true],
])('the scope %j covers it: %s', (scope, covered) => {
  const once = window({ kind: 'once', from: '2026-11-24T09:00:00Z', until: '2026-11-24T12:00:00Z' }, scope);
  expect(until(once, '2026-11-24T10:00:00Z') !== undefined).toBe(covered);
});
