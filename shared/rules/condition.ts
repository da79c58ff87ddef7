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

/** A limit that the device's attributes give; without the attribute the default, without a default unknown. */
export interface AttributeReference {
  attr: string;
  default?: ReadingValue | undefined;
}

/** A comparison of one parameter. Ranges are inclusive for `between`; `outside` is its opposite. */
type LeafOf<Reference> =
  | { param: string; op: 'gt' | 'gte' | 'lt' | 'lte'; value: number | Reference }
  | { param: string; op: 'eq' | 'neq'; value: ReadingValue | Reference }
  | { param: string; op: 'between' | 'outside'; value: [low: number | Reference, high: number | Reference] }
  | { param: string; op: 'in'; value: ReadingValue[] }
  /** The event's value differs from the one before; unknown where the event does not carry the parameter. */
  | { param: string; op: 'changed' }
  /** A value is known: the one operator for which missing is an answer. */
  | { param: string; op: 'exists' };

type ConditionOf<Leaf> =
  | Leaf
  | { all: ConditionOf<Leaf>[] }
  | { any: ConditionOf<Leaf>[] }
  | { not: ConditionOf<Leaf> };

/** A comparison as written: a limit may be a reference to an attribute. */
export type Leaf = LeafOf<AttributeReference>;
/** A comparison with its limits resolved for one device; `unknown` stands for a limit that the device does not have. */
export type PlainLeaf = LeafOf<never> | { param: string; op: 'unknown' };

/** A leaf, or conditions joined. */
export type Condition = ConditionOf<Leaf>;
/** A condition with its limits resolved. */
export type PlainCondition = ConditionOf<PlainLeaf>;

/** Complaints about one condition: a megabyte of nonsense needs no thousand answers. */
const COMPLAINTS_MAX = 10;
const OPS = 'gt, gte, lt, lte, eq, neq, between, outside, in, changed, exists';

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
const finite = z.number({ error: 'must be a finite number' });
const SCALAR_RULE = `must be a finite number, a string of at most ${STRING_VALUE_CHARS_MAX} characters or true/false`;
const scalar = z.union([z.number(), z.string().max(STRING_VALUE_CHARS_MAX), z.boolean()], { error: SCALAR_RULE });

/** A reference to an attribute; `fallback` is the schema of its default. */
const reference = <T extends ReadingValue>(fallback: z.ZodType<T, T>) =>
  z.strictObject(
    { attr: z.string().refine(isParameterName, 'must be the name of an attribute'), default: fallback.optional() },
    { error: knownMembers('must be {attr} or {attr, default}') },
  );
/** A literal or a reference. Told apart by hand: a union would answer "invalid input" for everything. */
const orReference = <T extends ReadingValue>(
  literal: z.ZodType<T, T>,
): z.ZodType<T | AttributeReference, T | AttributeReference> => {
  const attribute = reference(literal);
  return z.union([literal, attribute], {
    error: ({ input }) => {
      const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
      const result = isObject ? attribute.safeParse(input) : literal.safeParse(input);
      return result.error?.issues[0]?.message ?? 'must be a value';
    },
  });
};

/** A number, or `{attr, default}`: the limit of a rule. */
export const numberOrReference = orReference(finite);

const leafRule = knownMembers('must be {param, op, value}');

const leaf = z.discriminatedUnion(
  'op',
  [
    z.strictObject({ param, op: z.enum(['gt', 'gte', 'lt', 'lte']), value: numberOrReference }, { error: leafRule }),
    z.strictObject({ param, op: z.enum(['eq', 'neq']), value: orReference(scalar) }, { error: leafRule }),
    z.strictObject(
      {
        param,
        op: z.enum(['between', 'outside']),
        value: z.tuple([numberOrReference, numberOrReference], { error: 'must be [low, high]' }).refine((limits) => {
          // Of a limit that an attribute gives, the default.
          const [low, high] = limits.map((limit) => (typeof limit === 'number' ? limit : limit.default));
          return typeof low !== 'number' || typeof high !== 'number' || low <= high;
        }, 'must be [low, high] with low at most high'),
      },
      { error: leafRule },
    ),
    z.strictObject(
      {
        param,
        op: z.literal('in'),
        value: z
          .array(scalar, { error: 'must be an array of values' })
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

/** What was given at a path, so that a refusal can show it; the whole where nothing was. */
export function givenAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let given = input;
  for (const key of path) {
    if (typeof given !== 'object' || given === null || !Object.hasOwn(given, key)) return input;
    given = (given as Record<PropertyKey, unknown>)[key];
  }
  return given;
}

/**
 * The schema of a condition. What is wrong is looked for by hand first: a union would answer "invalid input" for
 * everything, and a recursive schema would run out of stack on a hostile depth.
 */
export const condition = z.preprocess((input, context) => {
  let leaves = 0;
  let complaints = 0;
  const complain = (path: PropertyKey[], message: string): void => {
    if (++complaints > COMPLAINTS_MAX) return;
    context.addIssue({ code: 'custom', path, message, input: givenAt(input, path) });
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
export function leavesOf<L extends { param: string; op: string }>(part: ConditionOf<L>): L[] {
  if ('all' in part) return part.all.flatMap((each) => leavesOf(each));
  if ('any' in part) return part.any.flatMap((each) => leavesOf(each));
  return 'not' in part ? leavesOf(part.not) : [part];
}

/** The names of the parameters that a condition looks at, each once. */
export function parametersOf(part: Condition | PlainCondition): string[] {
  return [...new Set(leavesOf<Leaf | PlainLeaf>(part).map((each) => each.param))];
}

/** The references to attributes in a condition. */
export function referencesOf(part: Condition): AttributeReference[] {
  return leavesOf(part).flatMap((leaf) => ('value' in leaf ? [leaf.value].flat().filter(isReference) : []));
}

/** Whether a limit is a reference. */
export function isReference(value: unknown): value is AttributeReference {
  return typeof value === 'object' && value !== null && 'attr' in value;
}

/** Attributes of a device, its own and inherited ones. */
export type Attributes = Readonly<Record<string, ReadingValue>>;

/**
 * A condition as it is for one device: references replaced by the device's attributes. Where the device has none, or
 * one of the wrong type, and there is no default, the leaf is unknown.
 */
export function plainCondition(part: Condition, attributes: Attributes): PlainCondition {
  if ('all' in part) return { all: part.all.map((each) => plainCondition(each, attributes)) };
  if ('any' in part) return { any: part.any.map((each) => plainCondition(each, attributes)) };
  if ('not' in part) return { not: plainCondition(part.not, attributes) };
  return plainLeaf(part, attributes);
}

/** {@link plainCondition} of one leaf. */
function plainLeaf(leaf: Leaf, attributes: Attributes): PlainLeaf {
  const { param: name } = leaf;
  switch (leaf.op) {
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte': {
      const value = numberOf(leaf.value, attributes);
      return value === undefined ? { param: name, op: 'unknown' } : { param: name, op: leaf.op, value };
    }
    case 'between':
    case 'outside': {
      const [low, high] = leaf.value.map((each) => numberOf(each, attributes));
      const known = low !== undefined && high !== undefined && low <= high;
      return known ? { param: name, op: leaf.op, value: [low, high] } : { param: name, op: 'unknown' };
    }
    case 'eq':
    case 'neq': {
      const value = isReference(leaf.value) ? (attributes[leaf.value.attr] ?? leaf.value.default) : leaf.value;
      return value === undefined ? { param: name, op: 'unknown' } : { param: name, op: leaf.op, value };
    }
    case 'in':
    case 'changed':
    case 'exists':
      return leaf;
  }
}

function numberOf(value: number | AttributeReference, attributes: Attributes): number | undefined {
  if (!isReference(value)) return value;
  const own = Object.hasOwn(attributes, value.attr) ? attributes[value.attr] : undefined;
  if (typeof own === 'number') return own;
  return typeof value.default === 'number' ? value.default : undefined;
}
