/**
 * A tenant's rules, compiled for one device: closures over slots, indexed by the parameters that drive them. Cheap
 * (a few microseconds a rule), and meant to be kept per device until the rules or the device's groups change.
 */
import { compileCondition, emptyMemory, type CompiledCondition, type Memory } from './compile-condition.ts';
import { leavesOf, parametersOf } from './condition.ts';
import { guardOf } from './guard.ts';
import { parseTemplate, type Template } from './message-template.ts';
import type { RuleDefinition } from './rule-definition.ts';
import { ruleHash } from './rule-hash.ts';

/** What rules need to know of a device. */
export interface RuleDevice {
  id: string;
  groups: readonly string[];
  name?: string;
}

/** One rule, ready to be stepped. */
export interface CompiledRule {
  /** Position among the device's rules. */
  index: number;
  hash: string;
  definition: RuleDefinition;
  open: CompiledCondition;
  /** Absent: clear is the opposite of open. */
  clear: CompiledCondition | undefined;
  /** Names of the parameters it looks at. */
  parameters: string[];
  message: Template;
}

/** The guards of a device's rules, by rule index. Without a guard nothing is below `low` or above `high`. */
export interface Guards {
  slot: Uint32Array;
  low: Float64Array;
  high: Float64Array;
}

/** The rules of one device. */
export interface CompiledRules {
  device: RuleDevice;
  rules: CompiledRule[];
  byId: ReadonlyMap<string, CompiledRule>;
  /** Slot of each parameter that a rule looks at. */
  slots: ReadonlyMap<string, number>;
  /** Parameter of each slot. */
  parameters: string[];
  /** By slot: indexes of the rules whose condition a reading of that parameter drives. */
  driven: number[][];
  guards: Guards;
  /** By slot: the rules that look at that parameter only to clear. */
  clearing: CompiledRule[][];
  /** Rules with `exists`, for which every event is a reading: what it lacks counts too. */
  everyEvent: CompiledRule[];
  /** Slots that some `changed` looks at. */
  watched: number[];
  /** What every fold begins with: a memory of nothing, and no rule state. Copied, never written. */
  blank: Memory;
  atRest: readonly undefined[];
  /** Ids of rules that are enabled, but not for this device. */
  elsewhere: ReadonlySet<string>;
}

/**
 * Compiles the rules that apply to a device.
 * @param rules all approved rules of the tenant; disabled ones and those for other devices are left out
 */
export function compileForDevice(rules: readonly RuleDefinition[], device: RuleDevice): CompiledRules {
  const slots = new Map<string, number>();
  const slotOf = (parameter: string): number => {
    const slot = slots.get(parameter) ?? slots.size;
    slots.set(parameter, slot);
    return slot;
  };
  const elsewhere = new Set<string>();
  const compiled: CompiledRule[] = [];
  // Sorted: the numbers of alerts must not hang on the order in which a query answered.
  for (const definition of rules.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (!definition.enabled) continue;
    if (appliesTo(definition, device)) compiled.push(compileRule(definition, compiled.length, slotOf));
    else elsewhere.add(definition.id);
  }

  const driven = Array.from(slots, (): number[] => []);
  const clearing = Array.from(slots, (): CompiledRule[] => []);
  const everyEvent: CompiledRule[] = [];
  const watched = new Set<number>();
  for (const rule of compiled) {
    const { when, clear } = rule.definition;
    const leaves = clear ? [...leavesOf(when.if), ...leavesOf(clear)] : leavesOf(when.if);
    for (const leaf of leaves) if (leaf.op === 'changed') watched.add(slotOf(leaf.param));
    if (leaves.some((leaf) => leaf.op === 'exists')) {
      everyEvent.push(rule);
      continue;
    }
    const opening = parametersOf(when.if);
    for (const parameter of rule.parameters) {
      if (opening.includes(parameter)) driven[slotOf(parameter)]?.push(rule.index);
      else clearing[slotOf(parameter)]?.push(rule);
    }
  }
  return {
    device,
    rules: compiled,
    byId: new Map(compiled.map((rule) => [rule.definition.id, rule])),
    slots,
    parameters: [...slots.keys()],
    driven,
    guards: guardsOf(compiled, slots),
    clearing,
    everyEvent,
    watched: [...watched],
    blank: emptyMemory(slots.size),
    atRest: Array.from<undefined>({ length: compiled.length }),
    elsewhere,
  };
}

/** Whether a look at one number already shows that a rule's condition is not true. */
export function isRuledOut({ slot, low, high }: Guards, index: number, numbers: Float64Array): boolean {
  // A number that is not known (NaN) is neither below nor above: the condition itself must say.
  const value = numbers[slot[index] ?? 0] ?? Number.NaN;
  return value < (low[index] ?? Number.NaN) || value > (high[index] ?? Number.NaN);
}

/** Whether a rule is for a device: named or in one of its groups, or no one named at all; and not excluded. */
export function appliesTo(rule: RuleDefinition, device: RuleDevice): boolean {
  const { devices, groups, exclude } = rule.scope;
  if (exclude.includes(device.id)) return false;
  if (devices.length === 0 && groups.length === 0) return true;
  return devices.includes(device.id) || groups.some((group) => device.groups.includes(group));
}

function guardsOf(rules: CompiledRule[], slots: ReadonlyMap<string, number>): Guards {
  const guards: Guards = {
    slot: new Uint32Array(rules.length),
    low: new Float64Array(rules.length).fill(Number.NEGATIVE_INFINITY),
    high: new Float64Array(rules.length).fill(Number.POSITIVE_INFINITY),
  };
  for (const { index, definition } of rules) {
    const guard = guardOf(definition.when.if);
    if (!guard) continue;
    guards.slot[index] = slots.get(guard.param) ?? 0;
    guards.low[index] = guard.low;
    guards.high[index] = guard.high;
  }
  return guards;
}

function compileRule(definition: RuleDefinition, index: number, slotOf: (name: string) => number): CompiledRule {
  const { when, clear, maxAge } = definition;
  return {
    index,
    hash: ruleHash(definition),
    definition,
    open: compileCondition(when.if, slotOf, maxAge),
    clear: clear && compileCondition(clear, slotOf, maxAge),
    parameters: parametersOf(clear ? { all: [when.if, clear] } : when.if),
    message: parseTemplate(definition.message),
  };
}
