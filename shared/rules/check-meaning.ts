/**
 * What a rule's shape cannot show: conditions that can never hold, one parameter taken for two types, and a clear
 * condition that overlaps the open one. Decided by trial: between two neighbouring limits a condition cannot change,
 * so the limits, the points between them and one beyond each end stand for all values.
 */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import { compileCondition, emptyMemory, type Memory } from './compile-condition.ts';
import { leavesOf, parametersOf, plainCondition, referencesOf } from './condition.ts';
import type { Condition, Leaf, PlainCondition, PlainLeaf } from './condition.ts';
import type { RuleContent } from './rule-definition.ts';
import { isWorse } from './severity.ts';
import { TRUE } from './truth.ts';
import { watchedOf } from './watched.ts';

/** Combinations of values tried; a rule with more is accepted unchecked. */
const TRIALS_MAX = 4096;

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
  const bound = (part: Condition): Condition =>
    fn && 'param' in part && fn.least > Number.NEGATIVE_INFINITY
      ? { all: [part, { param: part.param, op: 'gte', value: fn.least }] }
      : part;
  const objections: Objection[] = [];
  if (!canHold([bound(open)])) objections.push({ path: paths.open, message: 'can never be true' });
  if (!clear) return objections;
  if (!canHold([bound(clear)])) objections.push({ path: paths.clear, message: 'can never be true' });
  const [param, ...others] = parametersOf({ all: [open, clear] });
  const both = others.length === 0 && param !== undefined ? holdsWith([open, clear]) : undefined;
  if (both && both !== 'untried') {
    const message = `overlaps the condition that opens: both hold at ${fn?.name ?? param} = ${JSON.stringify(both[0])}`;
    objections.push({ path: paths.clear, message });
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

function checkRaise({ when, severity, raise = [] }: Checked): Objection[] {
  const wanted =
    when.kind === 'condition' ? 'if' : when.kind === 'window' || when.kind === 'rate' ? 'value' : undefined;
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
    return step.if ? checkAlone(step.if, ['raise', String(index), 'if']) : [];
  });
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

function canHold(parts: Condition[]): boolean {
  return holdsWith(parts) !== undefined;
}

/** Values, one per parameter, at which all parts hold; undefined where there are none. */
function holdsWith(parts: Condition[]): ReadingValue[] | 'untried' | undefined {
  // Limits that attributes give differ from device to device.
  if (parts.some((part) => referencesOf(part).length > 0)) return 'untried';
  const whole: PlainCondition = plainCondition({ all: parts }, {});
  const leaves = leavesOf(whole);
  if (leaves.some((leaf) => leaf.op === 'changed' || leaf.op === 'exists')) return 'untried';
  const params = parametersOf(whole);
  const candidates = params.map((param) => candidatesOf(leaves.filter((leaf) => leaf.param === param)));
  if (candidates.reduce((product, each) => product * each.length, 1) > TRIALS_MAX) return 'untried';
  const compiled = compileCondition(whole, (param) => params.indexOf(param));
  const memory = emptyMemory(params.length);
  const found = (slot: number): boolean => {
    if (slot === params.length) return compiled.evaluate(memory) === TRUE;
    return (candidates[slot] ?? []).some((value) => {
      set(memory, slot, value);
      return found(slot + 1);
    });
  };
  return found(0) ? memory.values.filter((value) => value !== undefined) : undefined;
}

function set(memory: Memory, slot: number, value: ReadingValue): void {
  memory.values[slot] = value;
  memory.numbers[slot] = typeof value === 'number' ? value : Number.NaN;
}

function candidatesOf(leaves: PlainLeaf[]): ReadingValue[] {
  const named = [...new Set(leaves.flatMap((leaf): ReadingValue[] => ('value' in leaf ? [leaf.value].flat() : [])))];
  const [first] = named;
  if (typeof first === 'boolean') return [true, false];
  if (typeof first === 'string') return [...named, `${named.join('')}…`];
  const limits = named.filter((value) => typeof value === 'number').toSorted((a, b) => a - b);
  const low = limits[0] ?? 0;
  const high = limits.at(-1) ?? 0;
  const between = limits.slice(1).map((limit, index) => (limits[index] ?? limit) / 2 + limit / 2);
  return [low - Math.max(1, Math.abs(low)), ...limits, ...between, high + Math.max(1, Math.abs(high))];
}
