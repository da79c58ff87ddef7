/**
 * When a timer fires: six fields (second, minute, hour, day of month, month, day of week) in a time zone. Where both
 * days are given they can mean "and" or "or"; cron libraries differ, so a rule says which.
 */
import { Cron } from 'croner';

/** Characters of a cron expression. */
const CRON_CHARS_MAX = 120;
const FIELDS = 6;
/** Digits, lists, ranges, steps and names of months and days: nothing that only one library understands. */
const FIELD = /^[0-9A-Za-z*,/-]{1,60}$/;
const NAMES = new Set('JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC MON TUE WED THU FRI SAT SUN'.split(' '));

/** How the day of month and the day of week go together where neither is `*`. */
export type DayMatch = 'and' | 'or';

/** A timer's times. */
export interface CronTimes {
  /** The first time after a moment, both epoch milliseconds; undefined when it never fires again. */
  next(afterMs: number): number | undefined;
  /** The last time that is after `fromMs` and not after `toMs`; undefined when there is none. */
  lastWithin(fromMs: number, toMs: number): number | undefined;
}

/** Times looked at, one by one, before a long stretch is searched by halves. */
const WALK_MAX = 4;

/** What is wrong with a cron expression, or undefined. Whether it ever fires is asked of {@link cronTimes}. */
export function cronFault(text: string): string | undefined {
  if (text.length > CRON_CHARS_MAX) return `must be at most ${CRON_CHARS_MAX} characters`;
  const fields = text.trim().split(/\s+/);
  if (fields.length !== FIELDS) {
    return `must have six fields: second minute hour day-of-month month day-of-week; this has ${text.trim() === '' ? 0 : fields.length}`;
  }
  for (const field of fields) {
    const strange = FIELD.test(field)
      ? field.match(/[A-Za-z]+/g)?.find((word) => !NAMES.has(word.toUpperCase()))
      : field;
    if (strange !== undefined)
      return `does not understand ${JSON.stringify(strange.slice(0, 20))}; use digits * , - / and names such as MON or JAN`;
  }
  try {
    new Cron(fields.join(' '), { mode: '6-part', paused: true });
    return undefined;
  } catch {
    return 'has a field out of range: second 0-59, minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7';
  }
}

/** Whether a time zone of that name exists. Offsets such as +01:00 are none: they do not know summer time. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * The times of a cron expression. Around the change to summer time a time that does not exist fires at the hour after
 * it; in the hour that comes twice a fixed time fires once, and a repeating one each time.
 * @throws when the expression or the zone is none; {@link cronFault} and {@link isTimeZone} ask first
 */
export function cronTimes(text: string, zone: string, dayMatch: DayMatch): CronTimes {
  const cron = new Cron(text.trim().split(/\s+/).join(' '), {
    mode: '6-part',
    timezone: zone,
    domAndDow: dayMatch === 'and',
    paused: true,
  });
  // The next run costs about 100 µs: between two runs the answer is the same for every device.
  let known: { from: number; next: number | undefined } | undefined;
  const next = (afterMs: number): number | undefined => {
    if (known && known.from <= afterMs && (known.next === undefined || afterMs < known.next)) return known.next;
    known = { from: afterMs, next: cron.nextRun(new Date(afterMs))?.getTime() };
    return known.next;
  };
  return {
    next,
    lastWithin: (fromMs, toMs) => {
      let last: number | undefined;
      let from = fromMs;
      for (let walked = 0; ; walked++) {
        const time = next(from);
        if (time === undefined || time > toMs) return last;
        [last, from] = [time, time];
        if (walked < WALK_MAX) continue;
        // Many were missed: jump as near to the end as there is still one behind.
        let span = toMs - from;
        while (span > 1000) {
          span = Math.floor(span / 2);
          const later = next(toMs - span);
          if (later === undefined || later > toMs) continue;
          [last, from] = [later, later];
        }
        walked = 0;
      }
    },
  };
}
