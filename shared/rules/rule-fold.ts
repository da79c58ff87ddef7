/**
 * A fold over one device's events: a private working copy of what is remembered, opened from the stored state and
 * closed into the next one. The stored state is never touched, so a commit that fails leaves nothing to undo; and a
 * batch pays for the copy once, not per event.
 *
 * ```ts
 * const fold = openFold(compiled, document.rules, document.last);
 * const transitions = events.flatMap((event) => step(fold, event));
 * const { states, last } = closeFold(fold);
 * ```
 */
import type { ReadingValue, Readings } from '../telemetry/telemetry-event.ts';
import { copyMemory, type Memory } from './compile-condition.ts';
import type { CompiledRule, CompiledRules, CompiledWindow } from './compile-rules.ts';
import { PARAMETERS_PER_DEVICE_MAX, type LastValues, type RuleState, type RuleStates } from './rule-states.ts';
import { FALSE, TRUE, UNKNOWN } from './truth.ts';
import { Window, type StoredWindow } from './window.ts';

/** The working copy. */
export interface RuleFold {
  compiled: CompiledRules;
  memory: Memory;
  /** By rule; undefined is a rule at rest. Entries are shared with the stored state and replaced, never changed. */
  states: (RuleState | undefined)[];
  /** By rule: the step that evaluated it last, so that one event with several of its parameters counts once. */
  evaluated: number[];
  stepNumber: number;
  /** The device's now; 0 before its first event. */
  now: number;
  alertsOpened: number;
  /** No hold or off-delay ends before this, epoch milliseconds. */
  nextDue: number;
  last: LastValues;
  /** The last values as they came in or were handed out. Entries that `last` shares with it are never written. */
  stored: LastValues;
  /** `last` is `stored` itself and must be copied before it is written. */
  lastIsStored: boolean;
  parametersKnown: number;
  /** Open alerts whose rule has gone or changed its meaning: resolved by the next event. */
  orphans: [ruleId: string, state: RuleState][];
  /** Rule states as stored, while none has been replaced. */
  unchanged: Record<string, RuleState> | undefined;
  /** How far time has been looked at: the last event's, or the last tick's as the device's clock would say. */
  clock: number;
  /** How far `now` was behind the hub's clock, milliseconds. */
  skew: number;
  /** By window: those this fold has opened. */
  windows: (Window | undefined)[];
  /** All windows as stored. */
  storedWindows: Record<string, StoredWindow>;
}

/**
 * Opens a fold.
 * @param states as stored, or undefined for a device that was never seen
 * @param last as stored beside them
 */
export function openFold(
  compiled: CompiledRules,
  states: RuleStates | undefined,
  last: LastValues | undefined,
): RuleFold {
  const fold: RuleFold = {
    compiled,
    memory: copyMemory(compiled.blank),
    states: compiled.atRest.slice(),
    evaluated: compiled.unevaluated.slice(),
    stepNumber: 0,
    now: states?.t ?? 0,
    alertsOpened: states?.n ?? 0,
    nextDue: Number.POSITIVE_INFINITY,
    last: last ?? {},
    stored: last ?? {},
    lastIsStored: true,
    parametersKnown: last ? Object.keys(last).length : 0,
    orphans: [],
    unchanged: states?.r ?? {},
    clock: states?.t ?? 0,
    skew: states?.k ?? 0,
    windows: [],
    storedWindows: states?.w ?? {},
  };
  let slot = 0;
  for (const parameter of compiled.parameters) {
    const known = fold.last[parameter];
    if (known) setSlot(fold.memory, slot, known[1], known[0]);
    slot++;
  }
  for (const ruleId in states?.r) {
    const state = states.r[ruleId];
    if (!state) continue;
    const rule = compiled.byId.get(ruleId);
    if (rule && rule.hash === state.h) {
      fold.states[rule.index] = state;
      fold.nextDue = Math.min(fold.nextDue, dueOf(rule, state));
    } else {
      if (state.n !== undefined) fold.orphans.push([ruleId, state]);
      fold.unchanged = undefined;
    }
  }
  return fold;
}

/**
 * Closes a fold: what to store, and when time alone will move a rule (see {@link dueAt}). The fold can go on afterwards;
 * what was handed out stays as it is.
 */
export function closeFold(fold: RuleFold): { states: RuleStates; last: LastValues; due: number | undefined } {
  let rules = fold.unchanged;
  if (!rules) {
    rules = Object.fromEntries(fold.orphans);
    for (const { index, definition } of fold.compiled.rules) {
      const state = fold.states[index];
      if (state) rules[definition.id] = state;
    }
    fold.unchanged = rules;
  }
  fold.stored = fold.last;
  fold.lastIsStored = true;
  const states: RuleStates = { t: fold.now, n: fold.alertsOpened, r: rules };
  if (fold.skew !== 0) states.k = fold.skew;
  const due = dueAt(fold);
  if (fold.compiled.windows.length > 0) states.w = storeWindows(fold);
  return { states, last: fold.last, due };
}

/**
 * When time alone may next move a rule of the device: a hold or an off-delay ends, a window closes or turns, a silence
 * has lasted, a timer fires. In the hub's time, epoch milliseconds; undefined where nothing waits. What waits for data
 * only is not due.
 */
export function dueAt(fold: RuleFold): number | undefined {
  const { compiled, states, clock } = fold;
  let device = Number.POSITIVE_INFINITY;
  let wall = Number.POSITIVE_INFINITY;
  const at = (time: number | undefined): void => {
    if (time !== undefined && time > clock && time < device) device = time;
  };
  if (fold.nextDue < Number.POSITIVE_INFINITY) {
    for (const rule of compiled.rules) {
      const state = states[rule.index];
      if (state) at(dueOf(rule, state));
    }
  }
  for (const rule of compiled.silences) if (states[rule.index]?.n === undefined) at(silentFrom(fold, rule)?.at);
  for (const window of compiled.windows) at(windowTurn(fold, window));
  for (const rule of compiled.timers) {
    const from = states[rule.index]?.f;
    if (from !== undefined) wall = Math.min(wall, rule.times?.next(from) ?? Number.POSITIVE_INFINITY);
  }
  const due = Math.min(device + fold.skew, wall);
  return due === Number.POSITIVE_INFINITY ? undefined : due;
}

/**
 * When a `nodata` rule has waited long enough, in the device's time, and for which parameter; undefined while nothing
 * has come yet.
 */
export function silentFrom(fold: RuleFold, rule: CompiledRule): { at: number; slot: number | undefined } | undefined {
  const { when } = rule.definition;
  if (when.kind !== 'nodata' || rule.silent === undefined) return undefined;
  if (rule.silent.length === 0) return fold.now === 0 ? undefined : { at: fold.now + when.after, slot: undefined };
  let first: { at: number; slot: number } | undefined;
  for (const slot of rule.silent) {
    if (fold.memory.values[slot] === undefined) continue;
    const at = (fold.memory.times[slot] ?? 0) + when.after;
    if (!first || at < first.at) first = { at, slot };
  }
  return first;
}

/** A window, opened at its first use. */
export function windowAt(fold: RuleFold, { index, spec }: CompiledWindow): Window {
  let window = fold.windows[index];
  if (!window) {
    window = Window.open(spec, fold.storedWindows[spec.key]);
    fold.windows[index] = window;
  }
  return window;
}

/** Brings a window's value up to a moment, for the rules that look through it. */
export function refreshWindow(fold: RuleFold, window: CompiledWindow): void {
  const { memory } = fold;
  const known = fold.windows[window.index] ?? fold.storedWindows[window.spec.key];
  setNumber(memory, window.slot, known ? windowAt(fold, window).value(memory.now) : Number.NaN);
}

/** Sets what a window comes to, as if it were a reading; NaN is unknown. */
export function setNumber(memory: Memory, slot: number, value: number): void {
  memory.numbers[slot] = value;
  memory.values[slot] = Number.isNaN(value) ? undefined : value;
  memory.times[slot] = memory.now;
}

/** Counts, sums and anomalies fall as time passes; the rest of a window says nothing new without a reading. */
function windowTurn(fold: RuleFold, window: CompiledWindow): number | undefined {
  const { spec, slot, rules } = window;
  const falls = spec.fn === 'count' || spec.fn === 'sum' || spec.fn === 'anomalies';
  if (spec.mode === 'sliding' && !falls) return undefined;
  if (!fold.windows[window.index] && !fold.storedWindows[spec.key]) return undefined;
  const open = windowAt(fold, window);
  if (spec.mode === 'tumbling') return open.end();
  const { memory } = fold;
  const before = [memory.numbers[slot] ?? Number.NaN, memory.now] as const;
  memory.now = fold.clock;
  const turn = open.turn(fold.clock, (value) => {
    setNumber(memory, slot, value);
    let answer = 0;
    for (const rule of rules)
      answer = answer * 9 + rule.open.evaluate(memory) * 3 + (rule.clear?.evaluate(memory) ?? 0);
    return answer;
  });
  setNumber(memory, slot, before[0]);
  memory.now = before[1];
  return turn;
}

function storeWindows(fold: RuleFold): Record<string, StoredWindow> {
  const stored: Record<string, StoredWindow> = {};
  for (const { index, spec } of fold.compiled.windows) {
    const before = fold.storedWindows[spec.key];
    const window = fold.windows[index]?.close(before) ?? before;
    if (window && !Number.isNaN(window.f)) stored[spec.key] = window;
  }
  fold.windows = [];
  fold.storedWindows = stored;
  return stored;
}

/**
 * Takes the readings of an event as the device's current values.
 * @returns the slots that were read: the parameters of the event that rules look at
 */
export function remember(fold: RuleFold, readings: Readings, ts: number): number[] {
  if (fold.lastIsStored) {
    fold.last = { ...fold.stored };
    fold.lastIsStored = false;
  }
  const { compiled, memory, last, stored } = fold;
  const read: number[] = [];
  for (const slot of compiled.watched) memory.changed[slot] = UNKNOWN;
  for (const parameter in readings) {
    const value = readings[parameter];
    if (value === undefined) continue;
    const known = last[parameter];
    if (known !== undefined && known !== stored[parameter]) {
      known[0] = ts; // made by this fold: not yet anybody else's
      known[1] = value;
    } else {
      if (known === undefined) makeRoom(fold);
      last[parameter] = [ts, value];
    }
    const slot = compiled.slots.get(parameter);
    if (slot === undefined) continue;
    const before = memory.values[slot];
    memory.changed[slot] = before === undefined ? UNKNOWN : before === value ? FALSE : TRUE;
    setSlot(memory, slot, value, ts);
    read.push(slot);
  }
  return read;
}

/** When the passing of time alone may move a rule: its hold ends, or its off-delay. */
export function dueOf(rule: CompiledRule, state: RuleState): number {
  if (rule.times) return Number.POSITIVE_INFINITY;
  if (state.n !== undefined) return state.u ?? Number.POSITIVE_INFINITY;
  const counted = (state.c ?? 1) >= rule.definition.times;
  return counted && state.s !== undefined ? state.s + rule.definition.for : Number.POSITIVE_INFINITY;
}

function makeRoom(fold: RuleFold): void {
  if (fold.parametersKnown < PARAMETERS_PER_DEVICE_MAX) {
    fold.parametersKnown++;
    return;
  }
  let oldest = '';
  let oldestTs = Number.POSITIVE_INFINITY;
  for (const parameter in fold.last) {
    const [ts] = fold.last[parameter] ?? [oldestTs];
    if (ts < oldestTs) [oldest, oldestTs] = [parameter, ts];
  }
  delete fold.last[oldest];
  const slot = fold.compiled.slots.get(oldest);
  if (slot !== undefined) setSlot(fold.memory, slot, undefined, 0);
}

function setSlot(memory: Memory, slot: number, value: ReadingValue | undefined, ts: number): void {
  memory.values[slot] = value;
  memory.numbers[slot] = typeof value === 'number' ? value : Number.NaN;
  memory.times[slot] = ts;
}
