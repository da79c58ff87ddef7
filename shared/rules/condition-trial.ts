/**
 * Whether conditions can hold together, decided by trial: between two neighbouring limits a condition cannot change, so
 * the limits, the points between them and one beyond each end stand for all values.
 */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import { compileCondition, emptyMemory, type Memory } from './compile-condition.ts';
import { isReference, leavesOf, parametersOf, plainCondition, referencesOf } from './condition.ts';
import type { Attributes, Condition, PlainCondition, PlainLeaf } from './condition.ts';
import { FALSE, TRUE, UNKNOWN, type Truth } from './truth.ts';

/** Combinations of values tried; a rule with more is accepted unchecked. */
const TRIALS_MAX = 4096;

/** What one parameter may be at a trial. */
interface Candidate {
  value: ReadingValue | undefined;
  changed: Truth;
}

/** A parameter at the point where two conditions meet. */
interface Meeting {
  param: string;
  /** Such as `= 8.5`, for people. */
  is: string;
}

/** Whether conditions can hold together; true as well where it cannot be tried, because attributes give the limits. */
export function canHold(parts: Condition[]): boolean {
  const attributes = attributesOf(parts, false);
  return attributes === undefined || holdsWith(parts, attributes) !== undefined;
}

/**
 * Where two conditions hold at once: one value per parameter; undefined where they never do, or that cannot be told.
 * Limits that attributes give are taken at their defaults.
 */
export function meetingPoint(one: Condition, other: Condition): Meeting[] | undefined {
  const parts = [one, other];
  const attributes = attributesOf(parts, true);
  const found = attributes && holdsWith(parts, attributes);
  if (!found || found === 'untried') return undefined;
  return parametersOf({ all: parts }).map((param, slot): Meeting => {
    const { value } = found[slot] ?? {};
    return { param, is: value === undefined ? 'missing' : `= ${JSON.stringify(value)}` };
  });
}

/**
 * The attributes of a device that stands for all; undefined where there is none, because devices differ. Where every
 * limit is the same attribute, any value of it will do.
 */
function attributesOf(parts: Condition[], byDefault: boolean): Attributes | undefined {
  const references = parts.flatMap(referencesOf);
  if (references.length === 0 || (byDefault && references.every((each) => each.default !== undefined))) return {};
  const [attribute, ...others] = new Set(references.map(({ attr }) => attr));
  const limits = parts
    .flatMap((part) => leavesOf(part))
    .flatMap((leaf) => ('value' in leaf ? [leaf.value].flat() : []));
  return attribute !== undefined && others.length === 0 && limits.every(isReference) ? { [attribute]: 0 } : undefined;
}

/** A candidate per parameter at which all parts hold; undefined where there are none. */
function holdsWith(parts: Condition[], attributes: Attributes): Candidate[] | 'untried' | undefined {
  const whole: PlainCondition = plainCondition({ all: parts }, attributes);
  const leaves = leavesOf(whole);
  const params = parametersOf(whole);
  const candidates = params.map((param) => candidatesOf(leaves.filter((leaf) => leaf.param === param)));
  if (candidates.reduce((product, each) => product * each.length, 1) > TRIALS_MAX) return 'untried';
  const compiled = compileCondition(whole, (param) => params.indexOf(param));
  const memory = emptyMemory(params.length);
  const at: Candidate[] = [];
  const found = (slot: number): boolean => {
    if (slot === params.length) return compiled.evaluate(memory) === TRUE;
    return (candidates[slot] ?? []).some((candidate) => {
      at[slot] = candidate;
      set(memory, slot, candidate);
      return found(slot + 1);
    });
  };
  return found(0) ? at : undefined;
}

function set(memory: Memory, slot: number, { value, changed }: Candidate): void {
  memory.values[slot] = value;
  memory.numbers[slot] = typeof value === 'number' ? value : Number.NaN;
  memory.changed[slot] = changed;
}

function candidatesOf(leaves: PlainLeaf[]): Candidate[] {
  const changes: Truth[] = leaves.some(({ op }) => op === 'changed') ? [TRUE, FALSE] : [UNKNOWN];
  const known = valuesOf(leaves).flatMap((value) => changes.map((changed): Candidate => ({ value, changed })));
  return leaves.some(({ op }) => op === 'exists') ? [...known, { value: undefined, changed: UNKNOWN }] : known;
}

function valuesOf(leaves: PlainLeaf[]): ReadingValue[] {
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
