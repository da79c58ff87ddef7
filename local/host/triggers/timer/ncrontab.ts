/**
 * NCRONTAB: `{second} {minute} {hour} {day} {month} {day of week}`, or five fields without the seconds. Unlike cron, day
 * and day of week must BOTH match. Times are UTC, as on the platform.
 */

interface Field {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august'].concat([
  'september',
  'october',
  'november',
  'december',
]);
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

const FIELDS = [
  { name: 'second', min: 0, max: 59 },
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 6, names: DAYS },
] as const satisfies Field[];

/** Days after which the Gregorian calendar repeats: what has not occurred by then never does. */
const CALENDAR_DAYS = 146_097;
const DAY_MS = 86_400_000;

/** Next occurrence strictly after a time, both in epoch milliseconds. */
export type NextOccurrence = (afterMs: number) => number;

/**
 * Compiles an expression.
 * @throws Error naming the field and the rule, also for a date that never comes (30 February)
 */
export function parseNcrontab(expression: string): NextOccurrence {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    throw new Error(`"${expression}" must have 6 fields (or 5 without seconds), it has ${parts.length}`);
  }
  const six = parts.length === 6 ? parts : ['0', ...parts];
  const [seconds, minutes, hours, days, months, weekdays] = FIELDS.map((field, at) => parseField(six[at] ?? '', field));
  const isDay = (at: Date): boolean =>
    Boolean(months?.has(at.getUTCMonth() + 1) && days?.has(at.getUTCDate()) && weekdays?.has(at.getUTCDay()));
  const times = [...(hours ?? [])].flatMap((hour) =>
    [...(minutes ?? [])].flatMap((minute) => [...(seconds ?? [])].map((second) => (hour * 60 + minute) * 60 + second)),
  );
  const next: NextOccurrence = (afterMs) => {
    const midnight = Math.floor(afterMs / DAY_MS) * DAY_MS;
    for (let day = 0; day <= CALENDAR_DAYS; day += 1) {
      const startMs = midnight + day * DAY_MS;
      if (!isDay(new Date(startMs))) continue;
      const second = times.find((time) => startMs + time * 1000 > afterMs);
      if (second !== undefined) return startMs + second * 1000;
    }
    throw new Error(`"${expression}" names a date that never comes`);
  };
  next(0);
  return next;
}

/** `*`, `5`, `1-5`, `MON`, each with an optional `/step`, several by comma. */
function parseField(text: string, field: Field): Set<number> {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const match = /^(?:(\*)|([^-/]+)(?:-([^-/]+))?)(?:\/(\d+))?$/.exec(item);
    if (match === null) throw new Error(`${field.name}: "${item}" is not a value, a range or a step`);
    const [, star, from, to, every] = match;
    const step = every === undefined ? 1 : Number(every);
    if (step < 1) throw new Error(`${field.name}: the step of "${item}" must be 1 or more`);
    const first = star === undefined ? parseValue(from ?? '', field) : field.min;
    const open = star !== undefined || (to === undefined && every !== undefined);
    const last = open ? field.max : parseValue(to ?? from ?? '', field);
    // A range may be written either way round.
    for (let value = Math.min(first, last); value <= Math.max(first, last); value += step) values.add(value);
  }
  return new Set([...values].toSorted((a, b) => a - b));
}

function parseValue(text: string, field: Field): number {
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (value >= field.min && value <= field.max) return value;
  } else if (text.length >= 3) {
    const at = field.names?.findIndex((name) => name.startsWith(text.toLowerCase())) ?? -1;
    if (at !== -1) return at + field.min;
  }
  throw new Error(`${field.name}: "${text}" must be from ${field.min} to ${field.max}`);
}
