/**
 * Who is told of a rule's alerts, and how often. Part of the rule, not of its meaning: changing it keeps every state and
 * open alert. The delivery itself is not the rules' affair.
 */
import { z } from 'zod';
import { knownMembers } from './condition.ts';
import { duration } from './duration.ts';
import { severity } from './severity.ts';

const DAY_MS = 86_400_000;
/** Actions that one rule, or one step of its escalation, names. */
const ACTIONS_MAX = 10;
/** Steps of an escalation. */
const ESCALATION_STEPS_MAX = 5;
/** Longest of a notification's waits, in milliseconds. */
const WAIT_MAX_MS = 7 * DAY_MS;
/** Most openings that flapping is counted over. */
const FLAPPING_OPENS_MAX = 20;
/** Most notifications of one rule in an hour that can be asked for. */
const PER_HOUR_MAX = 1000;

const ONCE = 'must name each once';
const isEachOnce = (names: readonly string[]) => new Set(names).size === names.length;

const ID_RULE = 'must be the id of an action';
const actions = z
  .array(z.string(ID_RULE).regex(/^[A-Za-z0-9_-]{1,64}$/, ID_RULE), 'must be an array of ids of actions')
  .max(ACTIONS_MAX, `must name at most ${ACTIONS_MAX} actions`);

const escalation = z.strictObject(
  {
    /** How long after the alert opened, in milliseconds. */
    after: duration(1000, WAIT_MAX_MS),
    /** What stops it; a resolved alert never escalates. */
    unless: z.enum(['acknowledged', 'never'], 'must be acknowledged or never').default('acknowledged'),
    severity: severity.optional(),
    actions: actions.default([]),
  },
  { error: knownMembers('must be {after, unless, severity, actions}') },
);

/** An alert that opens so often within so long is flapping: told once, then not before it is quiet. */
const flapping = z.strictObject(
  {
    opens: z
      .int('must be a whole number')
      .min(2, 'must be at least 2')
      .max(FLAPPING_OPENS_MAX, `must be at most ${FLAPPING_OPENS_MAX}`)
      .default(5),
    within: duration(10_000, DAY_MS).default(3_600_000),
  },
  { error: knownMembers('must be {opens, within}') },
);

export const notification = z.strictObject(
  {
    on: z
      .array(z.enum(['open', 'escalate', 'resolve'], 'must be one of open, escalate, resolve'), 'must be an array')
      .refine(isEachOnce, ONCE)
      .default(['open', 'escalate', 'resolve']),
    actions: actions.default([]),
    /** One that opens within this time after an alert of the same rule and device is told when it has passed, if at all. */
    cooldown: duration(0, WAIT_MAX_MS).default(0),
    /** How often an alert that stays open and unacknowledged is told again; absent: never. */
    repeatEvery: duration(60_000, WAIT_MAX_MS).optional(),
    flapping: flapping.optional(),
    /** What alerts that are told together have in common; none: each is told by itself. */
    groupBy: z
      .array(z.enum(['ruleId', 'deviceId', 'severity'], 'must be one of ruleId, deviceId, severity'))
      .refine(isEachOnce, ONCE)
      .default([]),
    /** How long a first notification waits for others of its group, in milliseconds. */
    groupWait: duration(0, 3_600_000).default(0),
    /** Messages of this rule to one action within an hour; what is beyond it is counted and told in one message. */
    maxPerHour: z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(PER_HOUR_MAX, `must be at most ${PER_HOUR_MAX}`)
      .optional(),
    escalate: z
      .array(escalation, 'must be an array of steps {after, unless, severity, actions}')
      .max(ESCALATION_STEPS_MAX, `must have at most ${ESCALATION_STEPS_MAX} steps`)
      .refine((steps) => steps.every((step, index) => index === 0 || step.after > (steps[index - 1]?.after ?? 0)), {
        error: 'must have steps in the order of "after", each later than the one before',
      })
      .default([]),
  },
  {
    error: knownMembers(
      'must be {on, actions, cooldown, repeatEvery, flapping, groupBy, groupWait, maxPerHour, escalate}',
    ),
  },
);
