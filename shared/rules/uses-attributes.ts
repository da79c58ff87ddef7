/** Whether any limit of some rules is an attribute of the device. */
import { isReference, referencesOf } from './condition.ts';
import type { RuleDefinition } from './rule-definition.ts';

const known = new WeakMap<readonly RuleDefinition[], boolean>();

/** Whether compiling the rules for a device needs its attributes. Remembered per array. */
export function usesAttributes(rules: readonly RuleDefinition[]): boolean {
  const before = known.get(rules);
  if (before !== undefined) return before;
  const uses = rules.some(({ when, clear, raise = [] }) => {
    const conditions = [clear, 'if' in when ? when.if : undefined, ...raise.map((step) => step.if)];
    const values = ['value' in when ? when.value : 0, 'clearValue' in when ? when.clearValue : 0];
    return (
      conditions.some((part) => part && referencesOf(part).length > 0) ||
      [...values, ...raise.map(({ value }) => value)].some(isReference)
    );
  });
  known.set(rules, uses);
  return uses;
}
