/** What differs between two versions of a rule, member by member. */
import type { RuleContent } from './rule-definition.ts';
import { ruleHash } from './rule-hash.ts';

/** One member that differs; what is absent on one side is left out. */
interface RuleDifference {
  path: string;
  before?: unknown;
  after?: unknown;
}

/** The difference, and whether states and open alerts of the rule survive it. */
export interface RuleDiff {
  differences: RuleDifference[];
  /** The meaning is another one: holds start anew, and open alerts resolve. */
  resetsState: boolean;
}

/** Compares two versions. */
export function diffRules(before: RuleContent, after: RuleContent): RuleDiff {
  return { differences: compare(before, after, ''), resetsState: ruleHash(before) !== ruleHash(after) };
}

function compare(before: unknown, after: unknown, path: string): RuleDifference[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isObject(before) || !isObject(after)) {
    return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => compare(before[name], after[name], path === '' ? name : `${path}.${name}`));
}

/** Lists are taken apart as well: a change in the middle of a condition is one difference. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
