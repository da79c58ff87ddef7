/**
 * Rules as a reader of the specification would write them on a blackboard: every rule looked at on every event, no
 * slots, no guards, no due times. Slow, and independent of the product's evaluator, which must agree with it.
 */
import {
  plainCondition,
  type PlainCondition as Condition,
  type PlainLeaf as Leaf,
} from '../../shared/rules/condition.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import type { ReadingValue, TelemetryEvent } from '../../shared/telemetry/telemetry-event.ts';

/** True, false, or undefined for unknown. */
type Ternary = boolean | undefined;

interface Known {
  value: ReadingValue;
  previous: ReadingValue | undefined;
  ts: number;
}

interface Progress {
  since?: number;
  run: number;
  enoughAt?: number;
  openedAt?: number;
  clearSince?: number;
}

/** What happened: rule, event, kind, and the moment it counts from. */
export type Happened = [ruleId: string, eventId: string, kind: 'opened' | 'resolved', atMs: number];

/** Everything that the rules make of a device's events. */
export function referenceTransitions(rules: readonly RuleDefinition[], events: readonly TelemetryEvent[]): Happened[] {
  const happened: Happened[] = [];
  const known = new Map<string, Known>();
  const progress = new Map<string, Progress>(rules.map(({ id }) => [id, { run: 0 }]));
  let now = 0;
  for (const event of events) {
    if (event.ts < now) continue;
    now = event.ts;
    for (const [name, value] of Object.entries(event.readings)) {
      known.set(name, { value, previous: known.get(name)?.value, ts: event.ts });
    }
    for (const rule of rules) {
      const truth = judge(openOf(rule), rule, known, event);
      const state = progress.get(rule.id) ?? { run: 0 };
      if (state.openedAt === undefined) {
        if (isAbout(rule, event)) {
          if (truth === true) {
            state.since ??= event.ts;
            state.run++;
            if (state.run === rule.times) state.enoughAt = event.ts;
          } else if (truth === false) {
            progress.set(rule.id, { run: 0 });
            continue;
          }
        }
        if (state.since === undefined || state.enoughAt === undefined || truth !== true) continue;
        const openedAt = Math.max(state.since + rule.for, state.enoughAt);
        if (event.ts < openedAt) continue;
        progress.set(rule.id, { run: 0, openedAt });
        happened.push([rule.id, event.eventId, 'opened', openedAt]);
        continue;
      }
      // A rule is looked at when the event carries one of its parameters; an off-delay ends on any event.
      if (!carriesAny(rule, event) && state.clearSince === undefined) continue;
      const clear =
        truth === true
          ? false
          : rule.clear
            ? judge(plainCondition(rule.clear, {}), rule, known, event)
            : opposite(truth);
      if (clear === false) delete state.clearSince;
      if (clear !== true) continue;
      state.clearSince ??= event.ts;
      const resolvedAt = state.clearSince + rule.keepFiring;
      if (event.ts < resolvedAt) continue;
      progress.set(rule.id, { run: 0 });
      happened.push([rule.id, event.eventId, 'resolved', resolvedAt]);
    }
  }
  return happened;
}

/** The event is a reading of the rule's condition; with `exists`, every event is. */
function isAbout(rule: RuleDefinition, event: TelemetryEvent): boolean {
  const own = leaves(openOf(rule));
  return usesExists(rule) || own.some((leaf) => Object.hasOwn(event.readings, leaf.param));
}

function carriesAny(rule: RuleDefinition, event: TelemetryEvent): boolean {
  return usesExists(rule) || allLeaves(rule).some((leaf) => Object.hasOwn(event.readings, leaf.param));
}

function openOf({ when }: RuleDefinition): Condition {
  if (when.kind !== 'condition') throw new Error('this specification is of conditions');
  return plainCondition(when.if, {});
}

function usesExists(rule: RuleDefinition): boolean {
  return allLeaves(rule).some((leaf) => leaf.op === 'exists');
}

function allLeaves(rule: RuleDefinition): Leaf[] {
  return leaves(rule.clear ? { all: [openOf(rule), plainCondition(rule.clear, {})] } : openOf(rule));
}

function leaves(part: Condition): Leaf[] {
  if ('all' in part) return part.all.flatMap(leaves);
  if ('any' in part) return part.any.flatMap(leaves);
  return 'not' in part ? leaves(part.not) : [part];
}

function opposite(truth: Ternary): Ternary {
  return truth === undefined ? undefined : !truth;
}

function judge(part: Condition, rule: RuleDefinition, known: Map<string, Known>, event: TelemetryEvent): Ternary {
  if ('not' in part) return opposite(judge(part.not, rule, known, event));
  if ('all' in part || 'any' in part) {
    const parts = 'all' in part ? part.all : part.any;
    const decisive = 'any' in part;
    const truths = parts.map((each) => judge(each, rule, known, event));
    if (truths.includes(decisive)) return decisive;
    return truths.includes(undefined) ? undefined : !decisive;
  }
  const entry = known.get(part.param);
  const stale = entry !== undefined && rule.maxAge !== undefined && event.ts - entry.ts > rule.maxAge;
  if (part.op === 'exists') return entry !== undefined && !stale;
  if (entry === undefined || stale) return undefined;
  return compare(part, entry, Object.hasOwn(event.readings, part.param));
}

function compare(leaf: Leaf, { value, previous }: Known, isInEvent: boolean): Ternary {
  switch (leaf.op) {
    case 'exists':
      return true;
    case 'unknown':
      return undefined;
    case 'changed':
      return isInEvent && previous !== undefined ? value !== previous : undefined;
    case 'eq':
      return typeof value === typeof leaf.value ? value === leaf.value : undefined;
    case 'neq':
      return typeof value === typeof leaf.value ? value !== leaf.value : undefined;
    case 'in':
      return typeof value === typeof leaf.value[0] ? leaf.value.includes(value) : undefined;
    case 'gt':
      return typeof value === 'number' ? value > leaf.value : undefined;
    case 'gte':
      return typeof value === 'number' ? value >= leaf.value : undefined;
    case 'lt':
      return typeof value === 'number' ? value < leaf.value : undefined;
    case 'lte':
      return typeof value === 'number' ? value <= leaf.value : undefined;
    case 'between':
      return typeof value === 'number' ? value >= leaf.value[0] && value <= leaf.value[1] : undefined;
    case 'outside':
      return typeof value === 'number' ? value < leaf.value[0] || value > leaf.value[1] : undefined;
  }
}
