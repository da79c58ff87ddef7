/**
 * The step of rules: one event of one device moves its alerts. Pure but for the fold, which is the caller's private
 * copy; time is the event's, never the wall clock's.
 *
 * - A rule is evaluated when an event carries one of its parameters; the others keep their last value.
 * - Holds and off-delays end on any event of the device. Where that event brings a new value of the rule's own
 *   parameters, the value decides: what it denies was not held.
 * - A late event (earlier than the device's now) is telemetry only.
 * - Unknown keeps every state as it is.
 */
import type { TelemetryEvent } from '../telemetry/telemetry-event.ts';
import { isRuledOut, type CompiledRule } from './compile-rules.ts';
import { openedTransition, orphanTransition, resolvedTransition } from './make-transition.ts';
import { dueOf, remember, type RuleFold } from './rule-fold.ts';
import type { RuleState } from './rule-states.ts';
import { alertIdOf, type RuleTransition } from './rule-transition.ts';
import { FALSE, not, TRUE, type Truth } from './truth.ts';

/**
 * Steps a fold by one event.
 * @returns the alerts opened and resolved, in order; most often none
 */
export function step(fold: RuleFold, event: TelemetryEvent): RuleTransition[] {
  const transitions: RuleTransition[] = [];
  const late = event.ts < fold.now;
  if (!late) fold.now = event.ts;
  if (fold.orphans.length > 0) resolveOrphans(fold, event, transitions);
  if (late) return transitions;

  const { compiled, memory, evaluated, states } = fold;
  const { rules, guards } = compiled;
  const { numbers } = memory;
  memory.now = event.ts;
  const stepNumber = ++fold.stepNumber;
  const read = remember(fold, event.readings, event.ts);
  for (const slot of read) {
    for (const index of compiled.driven[slot] ?? []) {
      if (states[index] === undefined && isRuledOut(guards, index, numbers)) continue;
      if (evaluated[index] === stepNumber) continue;
      evaluated[index] = stepNumber;
      const rule = rules[index];
      if (rule) evaluate(fold, rule, event, 1, transitions);
    }
    for (const rule of compiled.clearing[slot] ?? []) {
      if (states[rule.index]?.n !== undefined) evaluate(fold, rule, event, 0, transitions);
    }
  }
  for (const rule of compiled.everyEvent) evaluate(fold, rule, event, 1, transitions);
  if (event.ts >= fold.nextDue) endDelays(fold, event, transitions);
  return transitions;
}

/** @param counts 1 where the event is a reading of the rule, which `times` counts; 0 where only time has passed */
function evaluate(
  fold: RuleFold,
  rule: CompiledRule,
  event: TelemetryEvent,
  counts: 0 | 1,
  out: RuleTransition[],
): void {
  const truth = rule.open.evaluate(fold.memory);
  const state = fold.states[rule.index];
  if (state === undefined && truth !== TRUE) return;
  if (state?.n !== undefined) whileOpen(fold, rule, state, truth, event, out);
  else if (truth === TRUE) whilePending(fold, rule, state, event, counts, out);
  else if (truth === FALSE) put(fold, rule, undefined);
}

function whilePending(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState | undefined,
  event: TelemetryEvent,
  counts: 0 | 1,
  out: RuleTransition[],
): void {
  const { times, for: holdMs } = rule.definition;
  const since = state?.s ?? event.ts;
  const before = state ? (state.c ?? 1) : 0;
  const count = Math.min(before + counts, times);
  const heldAt = since + holdMs;
  const openedAt = before < times ? Math.max(heldAt, event.ts) : heldAt;
  if (count === times && event.ts >= openedAt) {
    const n = ++fold.alertsOpened;
    put(fold, rule, { h: rule.hash, n, o: openedAt });
    out.push(openedTransition(fold, rule, alertIdOf(rule.definition.id, fold.compiled.device.id, n), openedAt, event));
  } else if (state === undefined || count !== before) {
    put(fold, rule, times === 1 ? { h: rule.hash, s: since } : { h: rule.hash, s: since, c: count });
  }
}

function whileOpen(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState,
  truth: Truth,
  event: TelemetryEvent,
  out: RuleTransition[],
): void {
  // While the condition holds nothing clears, whatever the clear condition says.
  const clear = truth === TRUE ? FALSE : rule.clear ? rule.clear.evaluate(fold.memory) : not(truth);
  if (clear === TRUE) {
    const resolvedAt = state.u ?? event.ts + rule.definition.keepFiring;
    if (event.ts >= resolvedAt) {
      put(fold, rule, undefined);
      out.push(resolvedTransition(fold, rule, state, resolvedAt, event));
    } else if (state.u === undefined) {
      put(fold, rule, { ...state, u: resolvedAt });
    }
  } else if (clear === FALSE && state.u !== undefined) {
    const { u: _, ...active } = state;
    put(fold, rule, active);
  }
}

/** Ends the holds and off-delays whose time has come. One whose condition is unknown waits. */
function endDelays(fold: RuleFold, event: TelemetryEvent, out: RuleTransition[]): void {
  fold.nextDue = Number.POSITIVE_INFINITY;
  for (const rule of fold.compiled.rules) {
    const state = fold.states[rule.index];
    if (state === undefined) continue;
    if (dueOf(rule, state) <= event.ts) evaluate(fold, rule, event, 0, out);
    const next = fold.states[rule.index];
    if (next) fold.nextDue = Math.min(fold.nextDue, dueOf(rule, next));
  }
}

/** Alerts of rules that are gone, disabled, edited or no longer for this device end with the device's next event. */
function resolveOrphans(fold: RuleFold, event: TelemetryEvent, out: RuleTransition[]): void {
  for (const [ruleId, state] of fold.orphans) out.push(orphanTransition(fold, ruleId, state, event));
  fold.orphans = [];
  fold.unchanged = undefined;
}

function put(fold: RuleFold, rule: CompiledRule, state: RuleState | undefined): void {
  fold.states[rule.index] = state;
  fold.unchanged = undefined;
  if (state) fold.nextDue = Math.min(fold.nextDue, dueOf(rule, state));
}
