import { describe, expect, test } from '@jest/globals';
import { cronFault, cronTimes, isTimeZone } from '../../shared/rules/cron.ts';
import { isOnSchedule, nextOnSchedule, schedule } from '../../shared/rules/schedule.ts';

/** The first times after a moment, as people read them. */
function firings(cron: string, zone: string, after: string, count = 3, dayMatch: 'and' | 'or' = 'and'): string[] {
  const times = cronTimes(cron, zone, dayMatch);
  const found: string[] = [];
  let from: number | undefined = Date.parse(after);
  while (found.length < count && from !== undefined) {
    from = times.next(from);
    if (from !== undefined) found.push(new Date(from).toISOString().slice(0, 16));
  }
  return found;
}

describe('cron', () => {
  const example = '0 15 10 1,15 * MON,FRI';

  test('the first and the fifteenth, on Monday and Friday: both days with "and", either with "or"', () => {
    expect(firings(example, 'UTC', '2025-12-31T00:00Z')).toEqual([
      '2026-05-01T10:15',
      '2026-05-15T10:15',
      '2026-06-01T10:15',
    ]);
    expect(firings(example, 'UTC', '2025-12-31T00:00Z', 3, 'or')).toEqual([
      '2026-01-01T10:15',
      '2026-01-02T10:15',
      '2026-01-05T10:15',
    ]);
  });

  test('the hour that does not exist in spring, and the one that comes twice in autumn', () => {
    expect(firings('0 30 1 * * *', 'Europe/London', '2026-03-28T12:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(firings('0 30 1 * * *', 'Europe/London', '2026-10-24T12:00Z', 2)).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
    expect(firings('0 */30 1 * * *', 'Europe/London', '2026-10-24T12:00Z', 5)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
      '2026-10-26T01:00',
    ]);
  });

  test('the last of many firings in a stretch is found without walking through all of them', () => {
    const times = cronTimes('*/30 * * * * *', 'UTC', 'and');
    const to = Date.parse('2026-12-01T00:00:29Z');
    expect(times.lastWithin(Date.parse('2026-01-01T00:00Z'), to)).toBe(Date.parse('2026-12-01T00:00Z'));
    expect(times.lastWithin(to - 1000, to)).toBeUndefined();
    expect(times.lastWithin(to, to - 60_000)).toBeUndefined();
    const rare = cronTimes('0 0 12 * * MON', 'UTC', 'and');
    expect(rare.lastWithin(Date.parse('2020-01-01T00:00Z'), to)).toBe(Date.parse('2026-11-30T12:00Z'));
  });

  test.each([
    ['* * * * *', 'must have six fields: second minute hour day-of-month month day-of-week; this has 5'],
    ['@daily', 'must have six fields: second minute hour day-of-month month day-of-week; this has 1'],
    ['', 'must have six fields: second minute hour day-of-month month day-of-week; this has 0'],
    ['0 0 0 L * *', 'does not understand "L"; use digits * , - / and names such as MON or JAN'],
    ['0 0 0 * * FOO', 'does not understand "FOO"; use digits * , - / and names such as MON or JAN'],
    ['0 0 0 ? * *', 'does not understand "?"; use digits * , - / and names such as MON or JAN'],
    [
      '61 0 0 * * *',
      'has a field out of range: second 0-59, minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7',
    ],
  ])('%s is refused', (cron, fault) => {
    expect(cronFault(cron)).toBe(fault);
  });

  test('a zone is a name that exists; an offset is none', () => {
    expect(['Europe/London', 'UTC', 'Mars/Base', '+01:00', '', 'x'.repeat(100)].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('schedule', () => {
  const week = schedule.parse({ tz: 'Europe/London', days: ['MON', 'FRI'], from: '08:00', to: '18:00' });
  const on = (at: string, of = week) => isOnSchedule(of, Date.parse(at));

  test('days and hours are those of the zone, summer and winter', () => {
    expect([
      on('2026-11-23T08:00Z'),
      on('2026-11-23T07:59Z'),
      on('2026-11-23T18:00Z'),
      on('2026-11-24T12:00Z'),
    ]).toEqual([true, false, false, false]);
    expect([on('2026-07-06T07:00Z'), on('2026-07-06T17:00Z')]).toEqual([true, false]);
  });

  test('over midnight it belongs to the day it began on', () => {
    const night = schedule.parse({ tz: 'UTC', days: ['FRI'], from: '22:00', to: '06:00' });
    const at = [
      '2026-11-27T21:59Z',
      '2026-11-27T22:00Z',
      '2026-11-28T05:59Z',
      '2026-11-28T06:00Z',
      '2026-11-28T23:00Z',
    ];
    expect(at.map((each) => on(each, night))).toEqual([false, true, true, false, false]);
  });

  test('when it begins next, over the change of the clock as well', () => {
    const next = (at: string) => new Date(nextOnSchedule(week, Date.parse(at)) ?? 0).toISOString().slice(0, 16);
    expect(next('2026-11-24T12:34Z')).toBe('2026-11-27T08:00');
    expect(next('2026-11-23T09:00Z')).toBe('2026-11-23T09:00');
    expect(next('2026-03-28T12:00Z')).toBe('2026-03-30T07:00');
  });

  test.each([
    [{ tz: 'Nowhere' }, 'tz'],
    [{ tz: 'UTC', days: [] }, 'days'],
    [{ tz: 'UTC', days: ['MONDAY'] }, 'days.0'],
    [{ tz: 'UTC', from: '8:00' }, 'from'],
    [{ tz: 'UTC', from: '08:00', to: '08:00' }, 'to'],
    [{ tz: 'UTC', until: '08:00' }, ''],
  ])('%j is refused at its place', (input, place) => {
    expect(schedule.safeParse(input).error?.issues.map(({ path }) => path.join('.'))).toEqual([place]);
  });
});
