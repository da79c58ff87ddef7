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
import type { CompiledRule, CompiledRules } from './compile-rules.ts';
import { PARAMETERS_PER_DEVICE_MAX, type LastValues, type RuleState, type RuleStates } from './rule-states.ts';
import { FALSE, TRUE, UNKNOWN } from './truth.ts';

/** The working copy. */
export interface RuleFold {
  compiled: CompiledRules;
  memory: Memory;
  /** By rule; undefined is a rule at rest. Entries are shared with the stored state and replaced, never changed. */
  states: (RuleState | undefined)[];
  /** By rule: the step that evaluated it last, so that one event with several of its parameters counts once. */
  evaluated: Uint32Array;
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
    evaluated: new Uint32Array(compiled.rules.length),
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

/** Closes a fold: what to store. The fold can go on afterwards; what was handed out stays as it is. */
export function closeFold(fold: RuleFold): { states: RuleStates; last: LastValues } {
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
  return { states: { t: fold.now, n: fold.alertsOpened, r: rules }, last: fold.last };
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
