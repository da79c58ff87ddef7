/** What a rule's state is keyed by: the part of the rule that gives the state its meaning. */
import { createHash } from 'node:crypto';
import type { RuleContent } from './rule-definition.ts';

/** Characters of a hash: 60 bits, and it stands in every state document once per busy rule. */
const HASH_CHARS = 10;
const known = new WeakMap<object, string>();

/**
 * The hash of a rule's meaning. A change of name, severity, message or scope keeps it, so state and open alerts
 * survive; a change of what is watched or of how an alert begins or ends gives another one.
 */
export function ruleHash(rule: RuleContent): string {
  let hash = known.get(rule);
  if (hash === undefined) {
    const { when, clear, times, keepFiring, maxAge, trigger } = rule;
    const meaning = canonical({ when, clear, for: rule.for, times, keepFiring, maxAge, trigger });
    hash = createHash('sha256').update(meaning).digest('base64url').slice(0, HASH_CHARS);
    known.set(rule, hash);
  }
  return hash;
}

/** JSON with sorted members: a store may give a document back in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
