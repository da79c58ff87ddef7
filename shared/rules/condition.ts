/**
 * A condition over the current values of parameters: leaves `{param, op, value}` joined by `all`, `any`, `not`.
 * It is read in three-valued logic (`truth.ts`): a parameter that is missing or of the wrong type makes its leaf
 * unknown, never true and never false.
 */
import { z } from 'zod';
import { isParameterName, STRING_VALUE_CHARS_MAX, type ReadingValue } from '../telemetry/telemetry-event.ts';

/** Groups (`all`, `any`, `not`) inside one another. */
export const CONDITION_DEPTH_MAX = 8;
/** Leaves of one condition. */
export const CONDITION_LEAVES_MAX = 64;
/** Values of an `in`. */
const IN_VALUES_MAX = 64;

/** A comparison of one parameter. Ranges are inclusive for `between`; `outside` is its opposite. */
export type Leaf =
  | { param: string; op: 'gt' | 'gte' | 'lt' | 'lte'; value: number }
  | { param: string; op: 'eq' | 'neq'; value: ReadingValue }
  | { param: string; op: 'between' | 'outside'; value: [low: number, high: number] }
  | { param: string; op: 'in'; value: ReadingValue[] }
  /** The event's value differs from the one before; unknown where the event does not carry the parameter. */
  | { param: string; op: 'changed' }
  /** A value is known: the one operator for which missing is an answer. */
  | { param: string; op: 'exists' };

/** A leaf, or conditions joined. */
export type Condition = Leaf | { all: Condition[] } | { any: Condition[] } | { not: Condition };

/** Complaints about one condition: a megabyte of nonsense needs no thousand answers. */
const COMPLAINTS_MAX = 10;
const OPS = 'gt, gte, lt, lte, eq, neq, between, outside, in, changed, exists';

/** `rule` as the text of a schema's error, unless a reference to an attribute stands where a literal must. */
const literal = (rule: string) => (issue: { input?: unknown }) =>
  typeof issue.input === 'object' && issue.input !== null && 'attr' in issue.input
    ? 'references to attributes ({"attr": …}) are not available yet; give a literal'
    : rule;

/** Error text of an object: its rule, and beside it the members that it does not know. */
export const knownMembers = (rule: string) => (issue: { code?: string | undefined; keys?: string[] }) =>
  issue.code === 'unrecognized_keys' && issue.keys
    ? `${rule}; unknown: ${issue.keys
        .slice(0, 5)
        .map((key) => JSON.stringify(key.slice(0, 40)))
        .join(', ')}`
    : rule;

const param = z
  .string({ error: 'must be the name of a parameter' })
  .refine(isParameterName, 'must be a parameter name: [A-Za-z_][A-Za-z0-9_.-]{0,63}');
const finite = z.number({ error: literal('must be a finite number') });
const scalar = z.union([z.number(), z.string().max(STRING_VALUE_CHARS_MAX), z.boolean()], {
  error: literal(`must be a finite number, a string of at most ${STRING_VALUE_CHARS_MAX} characters or true/false`),
});
const leafRule = knownMembers('must be {param, op, value}');

const leaf = z.discriminatedUnion(
  'op',
  [
    z.strictObject({ param, op: z.enum(['gt', 'gte', 'lt', 'lte']), value: finite }, { error: leafRule }),
    z.strictObject({ param, op: z.enum(['eq', 'neq']), value: scalar }, { error: leafRule }),
    z.strictObject(
      {
        param,
        op: z.enum(['between', 'outside']),
        value: z
          .tuple([finite, finite], { error: literal('must be [low, high]') })
          .refine(([low, high]) => low <= high, 'must be [low, high] with low at most high'),
      },
      { error: leafRule },
    ),
    z.strictObject(
      {
        param,
        op: z.literal('in'),
        value: z
          .array(scalar, { error: literal('must be an array of values') })
          .min(1, 'must hold at least one value')
          .max(IN_VALUES_MAX, `must hold at most ${IN_VALUES_MAX} values`)
          .refine((values) => new Set(values.map((value) => typeof value)).size <= 1, 'must hold values of one type'),
      },
      { error: leafRule },
    ),
    z.strictObject(
      { param, op: z.enum(['changed', 'exists']) },
      { error: knownMembers('must be {param, op}; changed and exists take no value') },
    ),
  ],
  { error: `must be one of ${OPS}` },
) satisfies z.ZodType<Leaf>;

const node: z.ZodType<Condition> = z.lazy(() =>
  z.union([
    leaf,
    z.strictObject({ all: z.array(node).min(1) }),
    z.strictObject({ any: z.array(node).min(1) }),
    z.strictObject({ not: node }),
  ]),
);

/**
 * The schema of a condition. What is wrong is looked for by hand first: a union would answer "invalid input" for
 * everything, and a recursive schema would run out of stack on a hostile depth.
 */
export const condition = z.preprocess((input, context) => {
  let leaves = 0;
  let complaints = 0;
  const complain = (path: PropertyKey[], message: string): void => {
    if (++complaints <= COMPLAINTS_MAX) context.addIssue({ code: 'custom', path, message, input });
  };
  const check = (part: unknown, path: PropertyKey[], depth: number): void => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) {
      return complain(path, 'must be {param, op, value}, or one of {all: […]}, {any: […]}, {not: …}');
    }
    const [group] = ['all', 'any', 'not'].filter((key) => Object.hasOwn(part, key));
    if (group === undefined) {
      if (++leaves > CONDITION_LEAVES_MAX) return;
      for (const issue of leaf.safeParse(part).error?.issues ?? []) complain([...path, ...issue.path], issue.message);
      return;
    }
    if (Object.keys(part).length > 1) return complain(path, `must hold nothing beside ${group}`);
    if (depth === CONDITION_DEPTH_MAX) return complain(path, `must nest at most ${CONDITION_DEPTH_MAX} deep`);
    const inside = (part as Record<string, unknown>)[group];
    if (group === 'not') return check(inside, [...path, 'not'], depth + 1);
    if (!Array.isArray(inside) || inside.length === 0) {
      return complain([...path, group], 'must be an array of at least one condition');
    }
    for (const [index, child] of inside.slice(0, CONDITION_LEAVES_MAX + 1).entries()) {
      check(child, [...path, group, index], depth + 1);
    }
  };
  check(input, [], 0);
  if (leaves > CONDITION_LEAVES_MAX) complain([], `must have at most ${CONDITION_LEAVES_MAX} leaves`);
  return input;
}, node);

/** Every leaf of a condition, in the order written. */
export function leavesOf(part: Condition): Leaf[] {
  if ('all' in part) return part.all.flatMap(leavesOf);
  if ('any' in part) return part.any.flatMap(leavesOf);
  return 'not' in part ? leavesOf(part.not) : [part];
}

/** The names of the parameters that a condition looks at, each once. */
export function parametersOf(part: Condition): string[] {
  return [...new Set(leavesOf(part).map((each) => each.param))];
}
