/**
 * What a rule's shape cannot show: conditions that can never hold or never end, one parameter taken for two types, a
 * clear condition that overlaps the open one, and severities that are never reached.
 */
import { canHold, meetingPoint } from './condition-trial.ts';
import { leavesOf, parametersOf, type AttributeReference, type Condition, type Leaf } from './condition.ts';
import type { RuleContent } from './rule-definition.ts';
import { isWorse } from './severity.ts';
import { watchedOf } from './watched.ts';

/** Something wrong with a rule, at a path of its definition. */
export interface Objection {
  path: (string | number)[];
  message: string;
}

/** What a rule is checked by. */
type Checked = Pick<
  RuleContent,
  'when' | 'clear' | 'for' | 'times' | 'keepFiring' | 'maxAge' | 'severity' | 'raise' | 'trigger'
>;

/** Finds what makes no sense in a rule whose shape is right. */
export function checkMeaning(rule: Checked): Objection[] {
  const { when } = rule;
  const objections = [...idleMembers(rule), ...checkRaise(rule)];
  if (when.kind === 'timer') return when.if ? [...objections, ...checkAlone(when.if, ['when', 'if'])] : objections;
  const watched = watchedOf(rule);
  if (watched) {
    const isCondition = when.kind === 'condition';
    const paths = isCondition
      ? { open: ['when', 'if'], clear: ['clear'] }
      : { open: ['when', 'value'], clear: rule.clear ? ['clear'] : ['when', 'clearValue'] };
    objections.push(...checkRegions(watched.open, watched.clear, paths, isCondition ? undefined : functionOf(when)));
  }
  return objections;
}

type Paths = Record<'open' | 'clear', string[]>;

/** @param fn what the window computes, where the rule has one: its name in texts, and the least it can be */
function checkRegions(
  open: Condition,
  clear: Condition | undefined,
  paths: Paths,
  fn?: { name: string; least: number },
): Objection[] {
  const mixed = mixedTypes(clear ? { all: [open, clear] } : open);
  if (mixed !== undefined) return [{ path: paths.open, message: mixedText(mixed) }];
  const bound = (part: Condition): Condition[] =>
    fn && 'param' in part && fn.least > Number.NEGATIVE_INFINITY
      ? [part, { param: part.param, op: 'gte', value: fn.least }]
      : [part];
  const [, ...least] = bound(open);
  const objections: Objection[] = [];
  if (!canHold(bound(open))) objections.push({ path: paths.open, message: 'can never be true' });
  if (!clear) {
    const ends = canHold([{ not: open }, ...least]);
    return ends
      ? objections
      : [...objections, { path: paths.open, message: 'is always true: an alert would never resolve' }];
  }
  if (!canHold(bound(clear))) objections.push({ path: paths.clear, message: 'can never be true' });
  // A clear of other parameters alone is a reset, and may come while the condition holds: it waits until that ends.
  const shared = new Set(parametersOf(open));
  if (!parametersOf(clear).some((name) => shared.has(name))) return objections;
  const both = meetingPoint(open, clear);
  if (both) {
    const at = both.map(({ param, is }) => `${param.includes('(') ? (fn?.name ?? param) : param} ${is}`).join(', ');
    objections.push({ path: paths.clear, message: `overlaps the condition that opens: both hold at ${at}` });
  }
  return objections;
}

function checkAlone(part: Condition, path: string[]): Objection[] {
  const mixed = mixedTypes(part);
  if (mixed !== undefined) return [{ path, message: mixedText(mixed) }];
  return canHold([part]) ? [] : [{ path, message: 'can never be true' }];
}

function mixedText(param: string): string {
  return `compares ${param} with values of different types; one type per parameter`;
}

function functionOf(when: Checked['when']): { name: string; least: number } {
  if (when.kind === 'window') {
    const least = when.agg === 'count' || when.agg === 'stddev' ? 0 : Number.NEGATIVE_INFINITY;
    return { name: `${when.agg} of ${when.param}`, least };
  }
  return { name: when.kind === 'rate' ? `rate of ${when.param}` : 'anomalies', least: Number.NEGATIVE_INFINITY };
}

/** Members that the kind of rule has no use for: silently ignored they would promise what does not happen. */
function idleMembers(rule: Checked): Objection[] {
  const { kind } = rule.when;
  if (kind !== 'nodata' && kind !== 'timer') return [];
  const given = {
    for: rule.for > 0,
    times: rule.times > 1,
    maxAge: rule.maxAge !== undefined,
    clear: rule.clear !== undefined,
    keepFiring: kind === 'timer' && rule.keepFiring > 0,
    trigger: rule.trigger === 'edge',
  };
  const instead = kind === 'nodata' ? 'when.after says how long' : 'when.cron says when, when.maxAge how old';
  return Object.entries(given)
    .filter(([, isGiven]) => isGiven)
    .map(([member]) => ({ path: [member], message: `has no use with the kind "${kind}": leave it out; ${instead}` }));
}

function checkRaise({ when, clear, severity, raise = [] }: Checked): Objection[] {
  const wanted =
    when.kind === 'condition' ? 'if' : when.kind === 'window' || when.kind === 'rate' ? 'value' : undefined;
  const watched = watchedOf({ when, clear });
  /** What holds while the severity before the step is the alert's. */
  let held: Condition[] = watched ? [watched.open] : [];
  let before = severity;
  return raise.flatMap((step, index): Objection[] => {
    const path = ['raise', index];
    if (wanted === undefined) return [{ path, message: `has no use with the kind "${when.kind}"` }];
    const other = wanted === 'if' ? 'value' : 'if';
    if (step[wanted] === undefined || step[other] !== undefined) {
      return [{ path, message: `must be {severity, ${wanted}} with the kind "${when.kind}"` }];
    }
    const worse = isWorse(step.severity, before);
    before = step.severity;
    if (!worse) {
      return [{ path: [...path, 'severity'], message: 'must be worse than the severity before it' }];
    }
    const alone = step.if ? checkAlone(step.if, ['raise', String(index), 'if']) : [];
    const risen = step.if ?? limitOf(when, watched?.window?.key, step.value);
    if (alone.length > 0 || !watched || !risen) return alone;
    const place = [...path, wanted];
    const underneath = held;
    held = [watched.open, risen];
    if (mixedTypes({ all: held }) !== undefined) return [];
    if (!canHold(held)) return [{ path: place, message: 'can never hold while the condition that opens does' }];
    if (canHold([...underneath, { not: risen }])) return [];
    return [{ path: place, message: 'holds whenever the severity before it does, which nobody would ever see' }];
  });
}

/** A limit of a window or a rate, as a condition. */
function limitOf(when: Checked['when'], key: string | undefined, value: AttributeReference | number | undefined) {
  if (key === undefined || value === undefined || (when.kind !== 'window' && when.kind !== 'rate')) return undefined;
  return { param: key, op: when.op, value } satisfies Condition;
}

function mixedTypes(part: Condition): string | undefined {
  const types = new Map<string, string>();
  for (const leaf of leavesOf(part)) {
    const type = typeOf(leaf);
    if (type === undefined) continue;
    if ((types.get(leaf.param) ?? type) !== type) return leaf.param;
    types.set(leaf.param, type);
  }
  return undefined;
}

function typeOf(leaf: Leaf): string | undefined {
  if (!('value' in leaf)) return undefined;
  const first = Array.isArray(leaf.value) ? leaf.value[0] : leaf.value;
  // What an attribute holds is not known here; ordering and ranges are of numbers anyway.
  if (typeof first === 'object') return leaf.op === 'eq' || leaf.op === 'neq' ? undefined : 'number';
  return typeof first;
}
