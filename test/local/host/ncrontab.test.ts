import { expect, test } from '@jest/globals';
import { parseNcrontab } from '../../../local/host/triggers/timer/ncrontab.ts';
import { parseSchedule } from '../../../local/host/triggers/timer/schedule.ts';

const next = (expression: string, after: string, count = 1): string[] => {
  const find = parseNcrontab(expression);
  let at = Date.parse(after);
  return Array.from({ length: count }, () => new Date((at = find(at))).toISOString());
};

test.each([
  ['0 */5 * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00.000Z'],
  ['*/5 * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00.000Z'],
  ['30 5,15 8-10/2 * * *', '2026-01-01T08:05:30Z', '2026-01-01T08:15:30.000Z'],
  ['0 0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ['0 30 9 * Jan Mon', '2026-01-01T00:00:00Z', '2026-01-05T09:30:00.000Z'],
  ['0 30 9 * january monday-friday', '2026-01-02T10:00:00Z', '2026-01-05T09:30:00.000Z'],
  ['0 0 12 * * 0', '2026-01-01T00:00:00Z', '2026-01-04T12:00:00.000Z'],
  ['10/20 0 0 1 1 *', '2026-06-01T00:00:00Z', '2027-01-01T00:00:10.000Z'],
  ['59 59 23 31 12 *', '2026-12-31T23:59:59Z', '2027-12-31T23:59:59.000Z'],
])('%s after %s is %s', (expression, after, expected) => {
  expect(next(expression, after)).toEqual([expected]);
});

test('day and day of week must both match, unlike cron: Friday the 13th', () => {
  expect(next('0 0 0 13 * Fri', '2026-01-01T00:00:00Z', 4)).toEqual([
    '2026-02-13T00:00:00.000Z',
    '2026-03-13T00:00:00.000Z',
    '2026-11-13T00:00:00.000Z',
    '2027-08-13T00:00:00.000Z',
  ]);
});

test.each([
  ['* * * *', 'must have 6 fields'],
  ['60 * * * * *', 'second: "60" must be from 0 to 59'],
  ['0 0 0 0 * *', 'day: "0"'],
  ['0 0 0 * 13 *', 'month: "13"'],
  ['0 0 0 * * 7', 'day of week: "7" must be from 0 to 6'],
  ['0 0 0 * * Foo', 'day of week: "Foo"'],
  ['*/0 * * * * *', 'the step of "*/0"'],
  ['0 0 0 30 2 *', 'never comes'],
  ['0 0 0 1-2-3 * *', 'day: "1-2-3"'],
])('%s is refused: %s', (expression, message) => {
  expect(() => parseNcrontab(expression)).toThrow(message);
});

test('the schedule monitor is off below a minute', () => {
  expect(parseSchedule('*/30 * * * * *', 0).monitored).toBe(false);
  expect(parseSchedule('00:00:30', 0).monitored).toBe(false);
  expect(parseSchedule('0 * * * * *', 0).monitored).toBe(true);
  expect(parseSchedule('1.00:00:00', 0).next(5)).toBe(5 + 86_400_000);
});
