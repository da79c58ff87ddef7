/**
 * When a rule's alerts are told to people: days and hours in a time zone. Outside of it an alert is recorded, and
 * marked as such; it opens and resolves all the same.
 */
import { z } from 'zod';
import { isTimeZone } from './cron.ts';

const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;
const DAY_MS = 86_400_000;
const CLOCK_RULE = 'must be a time such as 08:00, from 00:00 to 24:00';

/** The name of an IANA time zone. */
export const timeZone = z
  .string({ error: 'must be the name of a time zone such as Europe/London' })
  .refine(isTimeZone, 'must be a time zone that exists, such as Europe/London or UTC');

const clock = z.string({ error: CLOCK_RULE }).regex(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/, CLOCK_RULE);

/** From `from` to before `to` on the days named; over midnight where `to` is not after `from`, as the day it began on. */
export const schedule = z
  .strictObject(
    {
      tz: timeZone,
      days: z
        .array(z.enum(DAYS, { error: `must be one of ${DAYS.join(', ')}` }), { error: 'must be an array of days' })
        .min(1, 'must name at least one day')
        .max(DAYS.length, 'must name each day once')
        .refine((names) => new Set(names).size === names.length, 'must name each day once')
        .default(['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN']),
      from: clock.refine((time) => time !== '24:00', 'must be from 00:00 to 23:59').default('00:00'),
      to: clock.default('24:00'),
    },
    { error: 'must be {tz, days, from, to}' },
  )
  .refine(({ from, to }) => from !== to, {
    path: ['to'],
    error: 'must differ from "from"; a whole day is 00:00 to 24:00',
  });

/** A schedule, checked. */
export type Schedule = z.output<typeof schedule>;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether a moment lies within a schedule. @param ms epoch milliseconds */
export function isOnSchedule({ tz, days, from, to }: Schedule, ms: number): boolean {
  const { day, minute } = localTime(tz, ms);
  const [start, end] = [minutesOf(from), minutesOf(to)];
  const on = (each: number) => days.some((name) => DAYS.indexOf(name) === each);
  if (start < end) return on(day) && minute >= start && minute < end;
  return (on(day) && minute >= start) || (on((day + 6) % 7) && minute < end);
}

/**
 * When a schedule begins next, at the earliest at `ms`, to the minute; undefined where it does not within eight days.
 * For telling people of an alert that opened outside of it.
 */
export function nextOnSchedule(schedule_: Schedule, ms: number): number | undefined {
  if (isOnSchedule(schedule_, ms)) return ms;
  const start = minutesOf(schedule_.from);
  for (let day = 0; day <= 8; day++) {
    const { minute } = localTime(schedule_.tz, ms + day * DAY_MS);
    const guess = Math.floor((ms + day * DAY_MS) / 60_000) * 60_000 + (start - minute) * 60_000;
    // A change of the clock between the two moves it by an hour.
    for (const offset of [0, -3_600_000, 3_600_000]) {
      const at = guess + offset;
      if (at >= ms && isOnSchedule(schedule_, at) && !isOnSchedule(schedule_, at - 60_000)) return at;
    }
  }
  return undefined;
}

function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
}

function localTime(zone: string, ms: number): { day: number; minute: number } {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(zone, format);
  }
  let [day, hour, minute] = [0, 0, 0];
  for (const { type, value } of format.formatToParts(ms)) {
    if (type === 'weekday') day = DAYS.findIndex((name) => name === value.toUpperCase());
    if (type === 'hour') hour = Number(value);
    if (type === 'minute') minute = Number(value);
  }
  return { day, minute: hour * 60 + minute };
}
