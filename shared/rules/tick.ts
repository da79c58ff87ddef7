/**
 * The tick of rules: time passes for one device without an event. Holds, off-delays, windows and silences end; timers
 * fire. The same reducer as the step, so whoever commits its outcome needs the same etag loop.
 *
 * `nowMs` is the hub's time as far as the device's partition has been processed, never ahead of it: then silence is
 * silence of the device and not of a consumer that lags. A device's own clock may differ; the fold knows by how much.
 *
 * ```ts
 * const fold = openFold(compiled, document.rules, document.last);
 * const transitions = tick(fold, effectiveNowMs);
 * const { states, last, due } = closeFold(fold);   // due: when to tick next, in the same time
 * ```
 * A device whose rules changed asks for no tick by itself: tick it once, at any moment, and `due` says the rest.
 */
import type { CompiledRule } from './compile-rules.ts';
import { resolvedTransition } from './make-transition.ts';
import { endDelays, evaluate, open, put, resolveOrphans, rollWindows } from './move-rule.ts';
import { refreshWindow, silentFrom, type RuleFold } from './rule-fold.ts';
import type { RuleTransition } from './rule-transition.ts';
import { FALSE, TRUE, UNKNOWN } from './truth.ts';

/**
 * Lets time pass for a device.
 * @param nowMs processed time, epoch milliseconds; going back does nothing
 * @returns the alerts opened, raised and resolved; their `eventId` is absent
 */
export function tick(fold: RuleFold, nowMs: number): RuleTransition[] {
  const out: RuleTransition[] = [];
  const { compiled, memory, states } = fold;
  const deviceMs = fold.now === 0 ? nowMs : Math.max(fold.clock, nowMs - fold.skew);
  fold.clock = deviceMs;
  memory.now = deviceMs;
  for (const slot of compiled.watched) memory.changed[slot] = UNKNOWN;
  if (fold.orphans.length > 0) resolveOrphans(fold, undefined, out);
  if (compiled.tumbling.length > 0) rollWindows(fold, deviceMs, undefined, out);
  for (const window of compiled.windows) {
    const falls = window.spec.fn === 'count' || window.spec.fn === 'sum' || window.spec.fn === 'anomalies';
    if (!falls || window.spec.mode === 'tumbling') continue;
    if (!fold.windows[window.index] && !fold.storedWindows[window.spec.key]) continue;
    refreshWindow(fold, window);
    for (const rule of window.rules) evaluate(fold, rule, deviceMs, undefined, 0, out);
  }
  for (const rule of compiled.silences) {
    const from = silentFrom(fold, rule);
    if (states[rule.index]?.n !== undefined || !from || from.at > deviceMs) continue;
    memory.now = from.at;
    evaluate(fold, rule, from.at, undefined, 0, out, TRUE);
    memory.now = deviceMs;
  }
  if (deviceMs >= fold.nextDue) endDelays(fold, deviceMs, undefined, out);
  for (const rule of compiled.timers) fire(fold, rule, nowMs, out);
  return out;
}

/**
 * Fires a timer whose time has come: of several that were missed the last one. Each firing that finds its condition true
 * is an alert of its own. A plain timer's is over at once; a conditional one's when a later firing finds the condition
 * false, or opens the next.
 */
function fire(fold: RuleFold, rule: CompiledRule, nowMs: number, out: RuleTransition[]): void {
  const state = fold.states[rule.index];
  if (state?.f === undefined) return put(fold, rule, { h: rule.hash, f: nowMs });
  const firedAt = rule.times?.lastWithin(state.f, nowMs);
  if (firedAt === undefined) return;
  const isPlain = rule.open.leaf === undefined && rule.open.parts.length === 0;
  const truth = isPlain ? TRUE : rule.open.evaluate(fold.memory);
  const isOpen = state.n !== undefined;
  if (truth !== UNKNOWN && isOpen) {
    const reason = truth === FALSE ? 'condition' : 'fired';
    out.push(resolvedTransition(fold, rule, state, firedAt, undefined, reason));
  }
  const armed = { h: rule.hash, f: firedAt };
  if (truth !== TRUE) return put(fold, rule, truth === UNKNOWN ? { ...state, f: firedAt } : armed);
  out.push(open(fold, rule, firedAt, undefined, { f: firedAt }));
  const opened = fold.states[rule.index];
  if (!isPlain || !opened) return;
  out.push(resolvedTransition(fold, rule, opened, firedAt, undefined, 'fired'));
  put(fold, rule, armed);
}
