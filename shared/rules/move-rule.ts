/** How one rule moves: from rest to pending, open, recovering and back. Used by the step and by the tick. */
import type { CompiledRule } from './compile-rules.ts';
import { openedTransition, orphanTransition, raisedTransition, resolvedTransition } from './make-transition.ts';
import { dueOf, refreshWindow, setNumber, silentFrom, windowAt, type RuleFold } from './rule-fold.ts';
import type { RuleState } from './rule-states.ts';
import { alertIdOf, type RuleTransition } from './rule-transition.ts';
import { FALSE, not, TRUE, type Truth } from './truth.ts';

/**
 * Looks at a rule and moves it.
 * @param atMs the moment it is looked at, in the device's time
 * @param counts 1 where there is a reading of the rule, which `times` counts; 0 where only time has passed
 * @param told what opens is, where that is not for the rule's condition to say: a silence
 */
export function evaluate(
  fold: RuleFold,
  rule: CompiledRule,
  atMs: number,
  eventId: string | undefined,
  counts: 0 | 1,
  out: RuleTransition[],
  told?: Truth,
): void {
  const window = rule.window === undefined ? undefined : fold.compiled.windows[rule.window];
  if (window && counts === 0) refreshWindow(fold, window);
  const truth = told ?? rule.open.evaluate(fold.memory);
  const state = fold.states[rule.index];
  if (state === undefined && truth !== TRUE && !rule.edge) return;
  if (state?.n !== undefined) whileOpen(fold, rule, state, truth, atMs, eventId, out);
  else if (truth === TRUE) {
    if (rule.edge && state === undefined) return;
    whilePending(fold, rule, state, atMs, eventId, counts, out);
  } else if (truth === FALSE) put(fold, rule, rest(rule));
}

function whilePending(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState | undefined,
  atMs: number,
  eventId: string | undefined,
  counts: 0 | 1,
  out: RuleTransition[],
): void {
  const { times, for: holdMs } = rule.definition;
  const since = state?.s ?? atMs;
  const before = state?.s === undefined ? 0 : (state.c ?? 1);
  // A rule without readings of its own, a silence, has no count to wait for.
  const count = Math.min(before + (rule.silent ? 1 : counts), times);
  const heldAt = since + holdMs;
  const openedAt = before < times ? Math.max(heldAt, atMs) : heldAt;
  if (count === times && atMs >= openedAt) {
    const opened = open(fold, rule, openedAt, eventId);
    out.push(opened);
  } else if (state?.s === undefined || count !== before) {
    put(fold, rule, times === 1 ? { h: rule.hash, s: since } : { h: rule.hash, s: since, c: count });
  }
}

/** Opens an alert: the next number of the device, at the severity that is called for now. */
export function open(fold: RuleFold, rule: CompiledRule, openedAt: number, eventId: string | undefined, more?: object) {
  const n = ++fold.alertsOpened;
  const risen = rule.raise.find(({ condition }) => condition.evaluate(fold.memory) === TRUE);
  put(fold, rule, { h: rule.hash, n, o: openedAt, ...(risen ? { v: risen.rank } : undefined), ...more });
  const alertId = alertIdOf(rule.definition.id, fold.compiled.device.id, n);
  return openedTransition(fold, rule, alertId, openedAt, eventId, risen?.severity ?? rule.definition.severity);
}

function whileOpen(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState,
  truth: Truth,
  atMs: number,
  eventId: string | undefined,
  out: RuleTransition[],
): void {
  // While the condition holds nothing clears, whatever the clear condition says.
  const clear = truth === TRUE ? FALSE : rule.clear ? rule.clear.evaluate(fold.memory) : not(truth);
  if (clear === TRUE) {
    const resolvedAt = state.u ?? atMs + rule.definition.keepFiring;
    if (atMs >= resolvedAt) {
      put(fold, rule, rest(rule));
      out.push(resolvedTransition(fold, rule, state, Math.max(resolvedAt, state.o ?? 0), eventId, 'condition'));
    } else if (state.u === undefined) {
      put(fold, rule, { ...state, u: resolvedAt });
    }
    return;
  }
  if (clear === FALSE && state.u !== undefined) {
    const { u: _, ...active } = state;
    put(fold, rule, active);
  }
  if (truth === TRUE && rule.raise.length > 0) rise(fold, rule, atMs, eventId, out);
}

/** A severity only rises while an alert is open: how bad it was is what people are told. */
function rise(
  fold: RuleFold,
  rule: CompiledRule,
  atMs: number,
  eventId: string | undefined,
  out: RuleTransition[],
): void {
  const state = fold.states[rule.index];
  const risen = rule.raise.find(({ condition }) => condition.evaluate(fold.memory) === TRUE);
  if (!risen || !state || risen.rank <= (state.v ?? 0)) return;
  put(fold, rule, { ...state, v: risen.rank });
  out.push(raisedTransition(fold, rule, state, risen, atMs, eventId));
}

/** Ends the holds and off-delays whose time has come. One whose condition is unknown waits. */
export function endDelays(fold: RuleFold, nowMs: number, eventId: string | undefined, out: RuleTransition[]): void {
  fold.nextDue = Number.POSITIVE_INFINITY;
  for (const rule of fold.compiled.rules) {
    const state = fold.states[rule.index];
    if (state === undefined || rule.times) continue;
    if (dueOf(rule, state) <= nowMs) {
      const silence = silentFrom(fold, rule);
      evaluate(fold, rule, nowMs, eventId, 0, out, silence && (silence.at <= nowMs ? TRUE : FALSE));
    }
    const next = fold.states[rule.index];
    if (next) fold.nextDue = Math.min(fold.nextDue, dueOf(rule, next));
  }
}

/** Closes the tumbling windows that have ended, and looks at their rules as of that moment. */
export function rollWindows(fold: RuleFold, nowMs: number, eventId: string | undefined, out: RuleTransition[]): void {
  const { memory, compiled } = fold;
  for (const window of compiled.tumbling) {
    if (!fold.windows[window.index] && !fold.storedWindows[window.spec.key]) continue;
    for (const { at, value } of windowAt(fold, window).roll(nowMs)) {
      memory.now = at;
      setNumber(memory, window.slot, value);
      for (const rule of window.rules) evaluate(fold, rule, at, eventId, 1, out);
    }
  }
  memory.now = nowMs;
}

/** Alerts of rules that are gone, disabled, edited or no longer for this device end with the device's next event. */
export function resolveOrphans(fold: RuleFold, eventId: string | undefined, out: RuleTransition[]): void {
  for (const [ruleId, state] of fold.orphans) out.push(orphanTransition(fold, ruleId, state, eventId));
  fold.orphans = [];
  fold.unchanged = undefined;
}

/** Sets what is remembered of a rule. */
export function put(fold: RuleFold, rule: CompiledRule, state: RuleState | undefined): void {
  if (state === undefined && fold.states[rule.index] === undefined) return;
  fold.states[rule.index] = state;
  fold.unchanged = undefined;
  if (state) fold.nextDue = Math.min(fold.nextDue, dueOf(rule, state));
}

/** A rule that is neither pending nor open. */
function rest(rule: CompiledRule): RuleState | undefined {
  return rule.edge ? { h: rule.hash, e: 1 } : undefined;
}
