/**
 * What a rule watches: `when`, one member per kind. Durations are milliseconds once parsed. All kinds but `nodata` and
 * `timer` come down to comparing numbers, of a parameter or of a window that the fold keeps (`watched-windows.ts`).
 */
import { z } from 'zod';
import { isParameterName } from '../telemetry/telemetry-event.ts';
import { condition, knownMembers, numberOrReference } from './condition.ts';
import { cronFault, cronTimes, isTimeZone } from './cron.ts';
import { duration } from './duration.ts';
import { timeZone } from './schedule.ts';

/** Longest window, in milliseconds: what is remembered of it is bounded, what it means to a person is not. */
export const WINDOW_PERIOD_MAX_MS = 86_400_000;
/** Shortest window, in milliseconds. */
const WINDOW_PERIOD_MIN_MS = 1000;
/** Samples that a window can ask for. */
const SAMPLES_MAX = 10_000;
/** Longest silence that `nodata` waits for, in milliseconds. */
const SILENCE_MAX_MS = 30 * 86_400_000;
/** Shortest silence: the sweep that notices it comes every 30 s. */
const SILENCE_MIN_MS = 10_000;
/** Parameters that `nodata` and `anomaly` name. */
const PARAMS_MAX = 32;
/** Anomalous readings that `anomaly` can ask for. */
const HITS_MAX = 60;
/** From where a timer's first firing is looked for when the rule is checked: any fixed moment does. */
const CHECKED_FROM_MS = Date.UTC(2026, 0, 1);

/** What a window makes of its samples. */
export const AGGREGATES = ['avg', 'min', 'max', 'sum', 'count', 'delta', 'stddev'] as const;

const PARAM_RULE = 'must be a parameter name: [A-Za-z_][A-Za-z0-9_.-]{0,63}';
const param = z.string({ error: 'must be the name of a parameter' }).refine(isParameterName, PARAM_RULE);
const params = z
  .array(param, { error: 'must be an array of parameter names' })
  .max(PARAMS_MAX, `must name at most ${PARAMS_MAX} parameters`)
  .refine((names) => new Set(names).size === names.length, 'must name each parameter once')
  .default([]);
const period = duration(WINDOW_PERIOD_MIN_MS, WINDOW_PERIOD_MAX_MS);
const whole = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z.int({ error: rule }).min(min, rule).max(max, rule);
};

const OPS = ['gt', 'gte', 'lt', 'lte'] as const;
const op = z.enum(OPS, { error: `must be one of ${OPS.join(', ')}` });

const conditionKind = z.strictObject(
  { kind: z.literal('condition'), if: condition },
  { error: knownMembers('must be {kind: "condition", if: …}') },
);

const windowKind = z
  .strictObject(
    {
      kind: z.literal('window'),
      param,
      agg: z.enum(AGGREGATES, { error: `must be one of ${AGGREGATES.join(', ')}` }),
      period,
      mode: z.enum(['sliding', 'tumbling'], { error: 'must be sliding or tumbling' }).default('sliding'),
      op,
      value: numberOrReference,
      /** What the aggregate must come back to before an open alert resolves; absent: `value`. */
      clearValue: numberOrReference.optional(),
      /** Samples below which the aggregate counts as unknown. */
      minSamples: whole(1, SAMPLES_MAX).default(1),
    },
    { error: knownMembers('must be {kind: "window", param, agg, period, op, value, …}') },
  )
  .refine(({ agg, minSamples }) => agg !== 'count' || minSamples === 1, {
    path: ['minSamples'],
    error: 'must be left out with agg "count": a count of nothing is known, it is 0',
  });

const rateKind = z.strictObject(
  {
    kind: z.literal('rate'),
    param,
    /** The unit of time of `value`: with `1m`, change per minute. */
    per: period.default(60_000),
    /** The stretch over which the change is measured; unknown until half of it is covered by readings. */
    over: period,
    op,
    value: numberOrReference,
    clearValue: numberOrReference.optional(),
  },
  { error: knownMembers('must be {kind: "rate", param, per, over, op, value, …}') },
);

const nodataKind = z.strictObject(
  {
    kind: z.literal('nodata'),
    after: duration(SILENCE_MIN_MS, SILENCE_MAX_MS),
    /** Each of these must go on coming; none named: any event of the device will do. */
    params,
  },
  { error: knownMembers('must be {kind: "nodata", after, params}') },
);

const anomalyKind = z.strictObject(
  {
    kind: z.literal('anomaly'),
    /** None named: any parameter. */
    params,
    /** Score from which a reading counts, in the detector's measure: 0.1 is where it raises an anomaly by itself. */
    minScore: z
      .number({ error: 'must be a number above 0, at most 1' })
      .gt(0, 'must be above 0')
      .max(1, 'must be at most 1')
      .default(0.1),
    count: whole(1, HITS_MAX).default(1),
    within: period.default(600_000),
  },
  { error: knownMembers('must be {kind: "anomaly", params, minScore, count, within}') },
);

const timerKind = z
  .strictObject(
    {
      kind: z.literal('timer'),
      cron: z.string({ error: 'must be a cron expression of six fields' }).superRefine((text, context) => {
        const fault = cronFault(text);
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, input: text });
      }),
      tz: timeZone,
      /** How day of month and day of week go together where both are given: `and` is what OneSense means. */
      dayMatch: z.enum(['and', 'or'], { error: 'must be and, or or' }).default('and'),
      /** What must hold at that time; absent or null: nothing. */
      if: condition.nullish(),
      /** Age above which a value counts as unknown at that time, in milliseconds. */
      maxAge: duration(1000, SILENCE_MAX_MS).optional(),
    },
    { error: knownMembers('must be {kind: "timer", cron, tz, dayMatch, if, maxAge}') },
  )
  .superRefine(({ cron, tz, dayMatch }, context) => {
    // What is wrong by itself has been said already.
    if (cronFault(cron) !== undefined || !isTimeZone(tz)) return;
    if (cronTimes(cron, tz, dayMatch).next(CHECKED_FROM_MS) !== undefined) return;
    context.addIssue({ code: 'custom', path: ['cron'], message: 'never fires: there is no such day', input: cron });
  });

const KINDS = [conditionKind, windowKind, timerKind, nodataKind, rateKind, anomalyKind] as const;
const KIND_NAMES = 'condition, window, timer, nodata, rate, anomaly';

/** A kind of rule with what it needs. */
export const when = z.discriminatedUnion('kind', KINDS, {
  error: ({ input }) =>
    typeof input !== 'object' || input === null || Array.isArray(input)
      ? 'must be an object such as {kind: "condition", if: …}'
      : `must be one of ${KIND_NAMES}`,
});

/** What a rule watches. */
export type When = z.output<typeof when>;
/** The name of a kind. */
export type RuleKind = When['kind'];
