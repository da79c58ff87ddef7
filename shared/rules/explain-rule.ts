/** Why a rule says what it says: its condition taken apart, leaf by leaf, with values, limits and reasons. */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import type { CompiledCondition } from './compile-condition.ts';
import type { CompiledRule } from './compile-rules.ts';
import { refreshWindow, silentFrom, type RuleFold } from './rule-fold.ts';
import { FALSE, TRUE, UNKNOWN, type Truth } from './truth.ts';

/** Three-valued, as people read it. */
type TruthName = 'true' | 'false' | 'unknown';

/** A comparison: what was compared, and what came of it. */
interface ExplainedLeaf {
  param: string;
  /** What a window makes of the parameter's readings. */
  function?: string;
  op: string;
  threshold?: ReadingValue | ReadingValue[];
  value?: ReadingValue;
  truth: TruthName;
  /** Why it is unknown. */
  why?: string;
}

/** A condition: a comparison, or parts joined. */
type Explained = ExplainedLeaf | { join: 'all' | 'any' | 'not'; truth: TruthName; parts: Explained[] };

/** A rule at the fold's moment. */
export interface ExplainedRule {
  truth: TruthName;
  /** Absent for a plain timer and for `nodata`, which compare nothing. */
  open?: Explained;
  clear?: Explained;
  /** `nodata`: when the silence will have lasted, ISO 8601; null before the first data. */
  silentAt?: string | null;
  /** `timer`: when it fires next, ISO 8601. */
  firesAt?: string;
  state: 'rest' | 'pending' | 'open' | 'recovering';
}

/** Explains a rule of a fold as it is after the last event. */
export function explainRule(fold: RuleFold, rule: CompiledRule): ExplainedRule {
  const { compiled, memory, states } = fold;
  const window = rule.window === undefined ? undefined : compiled.windows[rule.window];
  if (window) refreshWindow(fold, window);
  const { when } = rule.definition;
  const state = states[rule.index];
  const stateName =
    state?.n === undefined
      ? state?.s === undefined
        ? 'rest'
        : 'pending'
      : state.u === undefined
        ? 'open'
        : 'recovering';
  const comparesNothing = rule.open.join !== 'leaf' && rule.open.parts.length === 0;
  if (when.kind === 'nodata') {
    const from = silentFrom(fold, rule);
    const silent = from === undefined ? UNKNOWN : from.at <= fold.clock ? TRUE : FALSE;
    const silentAt = from ? new Date(from.at).toISOString() : null;
    return { truth: nameOf(silent), silentAt, state: stateName };
  }
  const firesMs = rule.times?.next(fold.clock);
  return {
    truth: comparesNothing ? 'true' : nameOf(rule.open.evaluate(memory)),
    ...(comparesNothing ? {} : { open: explain(fold, rule, rule.open) }),
    ...(rule.clear ? { clear: explain(fold, rule, rule.clear) } : {}),
    ...(firesMs === undefined ? {} : { firesAt: new Date(firesMs).toISOString() }),
    state: stateName,
  };
}

function explain(fold: RuleFold, rule: CompiledRule, condition: CompiledCondition): Explained {
  const truth = nameOf(condition.evaluate(fold.memory));
  const { leaf, join } = condition;
  if (join !== 'leaf' || !leaf) {
    const joined = join === 'leaf' ? 'all' : join;
    return { join: joined, truth, parts: condition.parts.map((part) => explain(fold, rule, part)) };
  }
  const slot = fold.compiled.slots.get(leaf.param) ?? -1;
  const value = fold.memory.values[slot];
  const window = rule.window === undefined ? undefined : fold.compiled.windows[rule.window];
  const isWindow = window?.spec.key === leaf.param;
  return {
    param: isWindow ? window.spec.params.join(', ') : leaf.param,
    ...(isWindow ? { function: window.spec.fn } : {}),
    op: leaf.op,
    ...('value' in leaf ? { threshold: leaf.value } : {}),
    ...(value === undefined ? {} : { value }),
    truth,
    ...(truth === 'unknown' ? { why: whyUnknown(fold, rule, leaf, value, isWindow) } : {}),
  };
}

function whyUnknown(
  fold: RuleFold,
  rule: CompiledRule,
  leaf: NonNullable<CompiledCondition['leaf']>,
  value: ReadingValue | undefined,
  isWindow: boolean,
): string {
  if (leaf.op === 'unknown') return 'the device has no such attribute, and there is no default';
  if (isWindow) return 'the window does not hold enough yet';
  if (value === undefined) return 'the device has not sent it';
  if (leaf.op === 'changed') return 'not in this event, or its first value';
  const { when, maxAge } = rule.definition;
  const age = fold.memory.now - (fold.memory.times[fold.compiled.slots.get(leaf.param) ?? -1] ?? 0);
  const oldest = when.kind === 'timer' ? when.maxAge : maxAge;
  if (oldest !== undefined && age > oldest)
    return `its value is ${Math.round(age / 1000)} s old, at most ${oldest / 1000} s`;
  return `a ${typeof value} cannot be compared so`;
}

function nameOf(truth: Truth): TruthName {
  return truth === TRUE ? 'true' : truth === FALSE ? 'false' : 'unknown';
}
