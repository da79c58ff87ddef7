/**
 * What a rule's shape cannot show: conditions that can never hold, one parameter taken for two types, and a clear
 * condition that overlaps the open one. Decided by trial: between two neighbouring limits a condition cannot change,
 * so the limits, the points between them and one beyond each end stand for all values.
 */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import { compileCondition, emptyMemory, type Memory } from './compile-condition.ts';
import { leavesOf, parametersOf, type Condition, type Leaf } from './condition.ts';
import { TRUE } from './truth.ts';

/** Combinations of values tried; a rule with more is accepted unchecked. */
const TRIALS_MAX = 4096;

/** Something wrong with a rule, at a path of its definition. */
export interface Objection {
  path: (string | number)[];
  message: string;
}

/** Finds what makes no sense in a rule whose shape is right. */
export function checkMeaning(when: { kind: 'condition'; if: Condition }, clear: Condition | undefined): Objection[] {
  const open = when.if;
  const openPath = ['when', 'if'];
  const mixed = mixedTypes(clear ? { all: [open, clear] } : open);
  if (mixed !== undefined) {
    return [{ path: openPath, message: `compares ${mixed} with values of different types; one type per parameter` }];
  }
  const objections: Objection[] = [];
  if (!canHold([open])) objections.push({ path: openPath, message: 'can never be true' });
  if (!clear) return objections;
  if (!canHold([clear])) objections.push({ path: ['clear'], message: 'can never be true' });
  const [param, ...others] = parametersOf({ all: [open, clear] });
  const both = others.length === 0 && param !== undefined ? holdsWith([open, clear]) : undefined;
  if (both && both !== 'untried') {
    const message = `overlaps the condition that opens: both hold at ${param} = ${JSON.stringify(both[0])}`;
    objections.push({ path: ['clear'], message });
  }
  return objections;
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
  return typeof (Array.isArray(leaf.value) ? leaf.value[0] : leaf.value);
}

function canHold(parts: Condition[]): boolean {
  return holdsWith(parts) !== undefined;
}

/** Values, one per parameter, at which all parts hold; undefined where there are none. */
function holdsWith(parts: Condition[]): ReadingValue[] | 'untried' | undefined {
  const whole: Condition = { all: parts };
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

function candidatesOf(leaves: Leaf[]): ReadingValue[] {
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
