/**
 * The step of rules: one event of one device moves its alerts. Pure but for the fold, which is the caller's private
 * copy; time is the event's, never the wall clock's. What time does without an event is `tick.ts`.
 *
 * - A rule is evaluated when an event carries one of its parameters; the others keep their last value.
 * - Holds and off-delays end on any event of the device. Where that event brings a new value of the rule's own
 *   parameters, the value decides: what it denies was not held.
 * - A late event (earlier than the device's now) is telemetry, and a sample of the windows that still reach there; it
 *   moves no alert.
 * - Unknown keeps every state as it is.
 */
import type { TelemetryEvent } from '../telemetry/telemetry-event.ts';
import { isRuledOut } from './compile-rules.ts';
import { evaluate, put, resolveOrphans, rollWindows, endDelays } from './move-rule.ts';
import { setNumber, silentFrom, windowAt, remember, type RuleFold } from './rule-fold.ts';
import type { RuleTransition } from './rule-transition.ts';
import { FALSE, TRUE } from './truth.ts';

/** How anomalous each number of an event is, by parameter: what a detector said. Without it `anomaly` rules rest. */
export type Scores = Readonly<Record<string, number>>;

/**
 * Steps a fold by one event.
 * @returns the alerts opened, raised and resolved, in order; most often none
 */
export function step(fold: RuleFold, event: TelemetryEvent, scores?: Scores): RuleTransition[] {
  const transitions: RuleTransition[] = [];
  const { compiled, memory, evaluated, states } = fold;
  const late = event.ts < fold.now;
  if (!late) {
    fold.clock = Math.max(fold.clock, event.ts);
    if (compiled.silences.length > 0 && fold.now !== 0) endSilences(fold, event, transitions);
    fold.now = event.ts;
  }
  // A late event shows that the device lives when it was accepted after the newest one; from a partition that lagged it may
  // have been accepted long before, and then says nothing about the device's clock.
  const skew = event.receivedTs - fold.now;
  fold.skew = late ? Math.max(fold.skew, skew) : skew;
  memory.now = fold.now;
  if (fold.orphans.length > 0) resolveOrphans(fold, event.eventId, transitions);
  for (const rule of compiled.timers) {
    // A timer begins when the device is first seen under it: what it missed before then it does not make up for.
    if (states[rule.index] === undefined) put(fold, rule, { h: rule.hash, f: event.receivedTs });
  }
  if (late) {
    if (compiled.windows.length > 0) sample(fold, event);
    return transitions;
  }

  if (compiled.tumbling.length > 0) rollWindows(fold, event.ts, event.eventId, transitions);
  const stepNumber = ++fold.stepNumber;
  const read = remember(fold, event.readings, event.ts);
  if (compiled.windows.length > 0) sample(fold, event, scores);
  for (const slot of read) {
    for (const index of compiled.driven[slot] ?? []) {
      if (states[index] === undefined && isRuledOut(compiled.guards, index, memory.numbers)) continue;
      if (evaluated[index] === stepNumber) continue;
      evaluated[index] = stepNumber;
      const rule = compiled.rules[index];
      if (rule) evaluate(fold, rule, event.ts, event.eventId, 1, transitions);
    }
    for (const rule of compiled.clearing[slot] ?? []) {
      if (states[rule.index]?.n !== undefined) evaluate(fold, rule, event.ts, event.eventId, 0, transitions);
    }
  }
  for (const rule of compiled.everyEvent) evaluate(fold, rule, event.ts, event.eventId, 1, transitions);
  if (scores && compiled.scored.length > 0) {
    for (const { spec, rules } of compiled.scored) {
      if (!hasScore(spec.params, scores)) continue;
      for (const rule of rules) evaluate(fold, rule, event.ts, event.eventId, 1, transitions);
    }
  }
  if (event.ts >= fold.nextDue) endDelays(fold, event.ts, event.eventId, transitions);
  return transitions;
}

/** Takes an event's numbers as samples, and sets what the windows come to. */
function sample(fold: RuleFold, event: TelemetryEvent, scores?: Scores): void {
  const { compiled, memory } = fold;
  for (const compiledWindow of compiled.sampled) {
    const { fn, params } = compiledWindow.spec;
    const value = event.readings[params[0] ?? ''];
    // A count counts readings of any type; everything else needs numbers.
    if (value === undefined || (typeof value !== 'number' && fn !== 'count')) continue;
    const window = windowAt(fold, compiledWindow);
    window.add(event.ts, typeof value === 'number' ? value : 0);
    setNumber(memory, compiledWindow.slot, window.value(memory.now));
  }
  if (!scores) return;
  for (const compiledWindow of compiled.scored) {
    const { params, minScore } = compiledWindow.spec;
    if (!hasScore(params, scores)) continue;
    const window = windowAt(fold, compiledWindow);
    for (const name of params.length > 0 ? params : Object.keys(scores)) {
      if ((scores[name] ?? 0) >= minScore) window.add(event.ts, 1);
    }
    setNumber(memory, compiledWindow.slot, window.value(memory.now));
  }
}

function hasScore(params: readonly string[], scores: Scores): boolean {
  if (params.length > 0) return params.some((name) => scores[name] !== undefined);
  for (const _ in scores) return true;
  return false;
}

/**
 * Data has come: ends the silences that were told, and tells and ends those that nobody noticed, because the sweep did
 * not run or what it waits for was behind.
 */
function endSilences(fold: RuleFold, event: TelemetryEvent, out: RuleTransition[]): void {
  for (const rule of fold.compiled.silences) {
    const state = fold.states[rule.index];
    const { silent = [] } = rule;
    const isData =
      silent.length === 0 || silent.some((slot) => Object.hasOwn(event.readings, fold.compiled.parameters[slot] ?? ''));
    const from = silentFrom(fold, rule);
    if (!isData || !from) continue;
    if (state?.n === undefined && event.ts >= from.at) {
      fold.memory.now = from.at;
      evaluate(fold, rule, from.at, event.eventId, 0, out, TRUE);
    }
    if (fold.states[rule.index]?.n === undefined) continue;
    // One parameter of several that came back leaves the others silent.
    const missing = silent.some((slot) => {
      const name = fold.compiled.parameters[slot] ?? '';
      if (Object.hasOwn(event.readings, name) || fold.memory.values[slot] === undefined) return false;
      return (fold.memory.times[slot] ?? 0) + afterOf(rule.definition.when) <= event.ts;
    });
    if (missing) continue;
    fold.memory.now = event.ts;
    evaluate(fold, rule, event.ts, event.eventId, 0, out, FALSE);
  }
}

function afterOf(when: { kind: string; after?: number }): number {
  return when.after ?? Number.POSITIVE_INFINITY;
}
