/**
 * A rule: what to watch (`when`), on which devices (`scope`), and how an alert begins and ends (`for`, `times`,
 * `clear`, `keepFiring`). `ruleDefinition` is the schema of record: the input of POST /v1/rules, with every duration
 * turned into milliseconds. Its output can be sent back as input.
 */
import { z } from 'zod';
import { isDeviceId } from '../telemetry/telemetry-event.ts';
import { checkMeaning } from './check-meaning.ts';
import { condition, givenAt, knownMembers, numberOrReference } from './condition.ts';
import { duration } from './duration.ts';
import { OPENED_TEMPLATE, TEMPLATE_CHARS_MAX, templateFault } from './message-template.ts';
import { notification } from './notification.ts';
import { when } from './rule-kinds.ts';
import { schedule } from './schedule.ts';
import { severity } from './severity.ts';

const DAY_MS = 86_400_000;
/** Longest hold (`for`) and off-delay (`keepFiring`), and oldest `maxAge`, in milliseconds. */
export const RULE_DURATION_MAX_MS = 30 * DAY_MS;
/** Most readings in a row that `times` can ask for. */
const TIMES_MAX = 1000;
/** Devices, groups or exclusions that one rule names. */
export const SCOPE_ENTRIES_MAX = 1000;
/** Characters of a rule's name. */
const RULE_NAME_CHARS_MAX = 128;
/** Characters of a rule's category and of a group's id. */
const WORD_CHARS_MAX = 64;

/** Steps by which an open alert becomes worse. */
const RAISE_STEPS_MAX = 3;

/**
 * One line of text: names end in mail subjects, where a line break would start a header, and in lists, where a change of
 * direction would make one name look like another.
 */
const line = (max: number) =>
  z
    .string({ error: 'must be a string' })
    .min(1, 'must not be empty')
    .max(max, `must be at most ${max} characters`)
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'must not hold control characters')
    .regex(/^[^\u202A-\u202E\u2066-\u2069]*$/u, 'must not hold characters that turn the direction of text');

const entries = (entry: z.ZodType<string, string>) =>
  z
    .array(entry, { error: 'must be an array of ids' })
    .max(SCOPE_ENTRIES_MAX, `must hold at most ${SCOPE_ENTRIES_MAX} ids`)
    .default([]);

const flag = z.boolean({ error: 'must be true or false' });
const deviceId = z.string({ error: 'must be a device id' }).refine(isDeviceId, 'must be a device id');

/**
 * Devices named, or in one of the groups, or of one of the profiles, and not excluded. None of the three named means all
 * devices.
 */
const scope = z
  .strictObject(
    {
      devices: entries(deviceId),
      groups: entries(line(WORD_CHARS_MAX)),
      profiles: z
        .array(line(WORD_CHARS_MAX), { error: 'must be an array of ids' })
        .max(SCOPE_ENTRIES_MAX, `must hold at most ${SCOPE_ENTRIES_MAX} ids`)
        .optional(),
      exclude: entries(deviceId),
    },
    { error: knownMembers('must be {devices, groups, profiles, exclude}') },
  )
  .refine(
    ({ devices, groups, profiles = [], exclude }) =>
      devices.length === 0 || groups.length + profiles.length > 0 || devices.some((id) => !exclude.includes(id)),
    { path: ['exclude'], error: 'excludes every device that is named: the rule would be for none' },
  );

/** An open alert becomes worse while this holds: a condition for When-Then, a limit for windows and rates. */
const raise = z.strictObject(
  { severity, if: condition.optional(), value: numberOrReference.optional() },
  { error: knownMembers('must be {severity, if} or {severity, value}') },
);

/** Input of POST /v1/rules. */
export const ruleDefinition = z
  .strictObject(
    {
      name: line(RULE_NAME_CHARS_MAX),
      category: line(WORD_CHARS_MAX).optional(),
      severity: severity.default('warning'),
      scope: scope.default({ devices: [], groups: [], exclude: [] }),
      when,
      /** When an open alert ends; absent: as soon as the condition is definitely false. */
      clear: condition.optional(),
      /** How long the condition must hold before the alert opens, in milliseconds of event time. */
      for: duration(0, RULE_DURATION_MAX_MS).default(0),
      /** How many readings in a row must meet the condition. */
      times: z
        .int({ error: 'must be a whole number' })
        .min(1, 'must be at least 1')
        .max(TIMES_MAX, `must be at most ${TIMES_MAX}`)
        .default(1),
      /** How long the alert must be clear before it resolves, in milliseconds of event time. */
      keepFiring: duration(0, RULE_DURATION_MAX_MS).default(0),
      /** Age above which a parameter's last value counts as unknown, in milliseconds of event time. */
      maxAge: duration(1000, RULE_DURATION_MAX_MS).optional(),
      message: line(TEMPLATE_CHARS_MAX)
        .superRefine((template, context) => {
          const fault = templateFault(template);
          if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, input: template });
        })
        .default(OPENED_TEMPLATE),
      enabled: flag.default(true),
      /** When people are told; outside of it alerts are recorded only. */
      schedule: schedule.optional(),
      /** Severities that an open alert rises to. */
      raise: z
        .array(raise, { error: 'must be an array of {severity, if} or {severity, value}' })
        .max(RAISE_STEPS_MAX, `must have at most ${RAISE_STEPS_MAX} steps`)
        .optional(),
      /** Whom an alert is told. */
      notify: notification.optional(),
      /** False: an alert whose condition ended stays open until a person resolves it. */
      autoResolve: flag.optional(),
      /** True: an alert whose condition ended stays until it is acknowledged. */
      latch: flag.optional(),
      /** `edge`: a condition that is true when the rule begins must end once before it opens. */
      trigger: z.enum(['level', 'edge'], { error: 'must be level or edge' }).optional(),
      /** True: alerts are recorded and never told. */
      shadow: flag.optional(),
    },
    { error: knownMembers('must be a rule {name, when, …}') },
  )
  .superRefine((rule, context) => {
    for (const { path, message } of checkMeaning(rule)) {
      context.addIssue({ code: 'custom', path, message, input: givenAt(rule, path) });
    }
  });

/** A rule as its author gives it, read and checked. */
export type RuleContent = z.output<typeof ruleDefinition>;

/** A rule as it runs. Ids are ours: `[A-Za-z0-9_-]`, without the `~` that joins them in alert ids. */
export interface RuleDefinition extends RuleContent {
  id: string;
  version?: number;
}
