/** Whether a rule fits the profiles of the devices it is for: the parameter exists, its type fits, the limit is in its range. */
import type { Objection } from './check-meaning.ts';
import { isReference, leavesOf, type Condition } from './condition.ts';
import type { RuleContent } from './rule-definition.ts';

/** What a profile says of a parameter. */
interface ParameterFacts {
  type: 'number' | 'string' | 'boolean';
  min?: number | undefined;
  max?: number | undefined;
}

/** A profile as rules see it. Without parameters it says nothing about them. */
export interface ProfileFacts {
  id: string;
  parameters: Readonly<Record<string, ParameterFacts>>;
}

interface Use {
  param: string;
  path: (string | number)[];
  /** Absent: any type will do. */
  type?: string | undefined;
  limits: number[];
  /** The parameter itself is looked at elsewhere. */
  onlyLimits?: true;
}

/** What of a rule the profiles rule out. */
export function checkParameters(rule: RuleContent, profiles: readonly ProfileFacts[]): Objection[] {
  const uses = usesOf(rule);
  return profiles.flatMap(({ id, parameters }): Objection[] => {
    const names = Object.keys(parameters);
    if (names.length === 0) return [];
    return uses.flatMap(({ param, path, type, limits, onlyLimits }): Objection[] => {
      const facts = Object.hasOwn(parameters, param) ? parameters[param] : undefined;
      if (onlyLimits && (!facts || type !== facts.type)) return [];
      if (!facts)
        return [
          { path, message: `${param} is not a parameter of profile ${id}; it has ${names.slice(0, 10).join(', ')}` },
        ];
      if (type !== undefined && type !== facts.type) {
        return [{ path, message: `${param} is a ${facts.type} in profile ${id}, not a ${type}` }];
      }
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = facts;
      const outside = limits.find((limit) => limit < min || limit > max);
      if (outside === undefined) return [];
      return [
        {
          path,
          message: `${outside} is outside of ${facts.min ?? '…'} to ${facts.max ?? '…'}, the range of ${param} in profile ${id}`,
        },
      ];
    });
  });
}

function usesOf({ when, clear, raise = [] }: RuleContent): Use[] {
  const uses = [
    ...(clear ? usesIn(clear, ['clear']) : []),
    ...raise.flatMap((step, index) => (step.if ? usesIn(step.if, ['raise', index, 'if']) : [])),
  ];
  switch (when.kind) {
    case 'condition':
      return [...usesIn(when.if, ['when', 'if']), ...uses];
    case 'timer':
      return [...(when.if ? usesIn(when.if, ['when', 'if']) : []), ...uses];
    case 'window': {
      const isValue = when.agg === 'avg' || when.agg === 'min' || when.agg === 'max';
      const type = when.agg === 'count' ? undefined : 'number';
      const limit = (value: unknown, path: (string | number)[]): Use[] =>
        isValue ? [{ param: when.param, path, type, limits: numbersIn([value]), onlyLimits: true }] : [];
      return [
        { param: when.param, path: ['when', 'param'], type, limits: [] },
        ...limit(when.value, ['when', 'value']),
        ...limit(when.clearValue, ['when', 'clearValue']),
        ...raise.flatMap((step, index) => limit(step.value, ['raise', index, 'value'])),
        ...uses,
      ];
    }
    case 'rate':
      return [{ param: when.param, path: ['when', 'param'], type: 'number', limits: [] }, ...uses];
    case 'nodata':
    case 'anomaly': {
      const type = when.kind === 'anomaly' ? 'number' : undefined;
      return when.params.map((param, index): Use => ({ param, path: ['when', 'params', index], type, limits: [] }));
    }
  }
}

function usesIn(part: Condition, path: (string | number)[]): Use[] {
  if ('all' in part) return part.all.flatMap((each, index) => usesIn(each, [...path, 'all', index]));
  if ('any' in part) return part.any.flatMap((each, index) => usesIn(each, [...path, 'any', index]));
  if ('not' in part) return usesIn(part.not, [...path, 'not']);
  return leavesOf(part).map((leaf): Use => {
    const values = 'value' in leaf ? [leaf.value].flat() : [];
    const [first] = values.filter((value) => typeof value !== 'object');
    const ordered = leaf.op === 'gt' || leaf.op === 'gte' || leaf.op === 'lt' || leaf.op === 'lte';
    return {
      param: leaf.param,
      path,
      type: first === undefined ? (ordered ? 'number' : undefined) : typeof first,
      limits: numbersIn(values),
    };
  });
}

/** The numbers among limits; of one that an attribute gives, the default. */
function numbersIn(values: readonly unknown[]): number[] {
  return values
    .map((value) => (isReference(value) ? value.default : value))
    .filter((value) => typeof value === 'number');
}
