/**
 * A tenant's rules, compiled for one device: closures over slots, indexed by the parameters that drive them. Cheap
 * (a few microseconds a rule), and meant to be kept per device until the rules or the device's groups change.
 */
import { compileCondition, emptyMemory, type CompiledCondition, type Memory } from './compile-condition.ts';
import { leavesOf, parametersOf, plainCondition } from './condition.ts';
import type { Attributes, Condition, PlainCondition, PlainLeaf } from './condition.ts';
import { cronTimes, type CronTimes } from './cron.ts';
import { guardOf } from './guard.ts';
import { parseTemplate, type Template } from './message-template.ts';
import type { RuleDefinition } from './rule-definition.ts';
import { ruleHash } from './rule-hash.ts';
import type { When } from './rule-kinds.ts';
import type { Severity } from './severity.ts';
import { ownParameters, watchedOf, type WindowSpec } from './watched.ts';

/** What rules need to know of a device. */
export interface RuleDevice {
  id: string;
  groups: readonly string[];
  name?: string;
  profile?: string | undefined;
  /** Its own attributes and those it inherits: what `{attr}` in a rule stands for. */
  attributes?: Attributes | undefined;
}

/** One rule, ready to be stepped. */
export interface CompiledRule {
  /** Position among the device's rules. */
  index: number;
  hash: string;
  definition: RuleDefinition;
  /** What opens. Never true for `nodata` and for a timer without a condition: time drives those. */
  open: CompiledCondition;
  /** Absent: clear is the opposite of open. */
  clear: CompiledCondition | undefined;
  /** Severities it rises to, the worst first. */
  raise: { severity: Severity; rank: number; condition: CompiledCondition }[];
  /** Names of the parameters it looks at. */
  parameters: string[];
  /** Its window, by index. */
  window: number | undefined;
  /** Its condition must be false once before it opens. */
  edge: boolean;
  /** Of a timer. */
  times: CronTimes | undefined;
  /** The slots of a `nodata`; none: any event. */
  silent: readonly number[] | undefined;
  message: Template;
}

/** A window that some rules of the device look through. */
export interface CompiledWindow {
  index: number;
  spec: WindowSpec;
  /** Where its value stands, like a parameter's. */
  slot: number;
  /** The rules that look through it. */
  rules: CompiledRule[];
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
  windows: CompiledWindow[];
  /** Windows that take a parameter's values as samples. */
  sampled: CompiledWindow[];
  /** Windows that count anomalous readings. */
  scored: CompiledWindow[];
  /** Tumbling windows: they close as time passes, whatever an event carries. */
  tumbling: CompiledWindow[];
  /** The `nodata` rules. */
  silences: CompiledRule[];
  /** The timers. */
  timers: CompiledRule[];
  /** What every fold begins with: a memory of nothing, and no rule state. Copied, never written. */
  blank: Memory;
  atRest: readonly undefined[];
  unevaluated: readonly number[];
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
  const windows = new Map<string, CompiledWindow>();
  const windowOf = (spec: WindowSpec): CompiledWindow => {
    const window = windows.get(spec.key) ?? { index: windows.size, spec, slot: slotOf(spec.key), rules: [] };
    windows.set(spec.key, window);
    return window;
  };
  const compiler: Compiler = { slotOf, windowOf, attributes: device.attributes ?? {} };
  const parts: RuleParts[] = [];
  // Sorted: the numbers of alerts must not hang on the order in which a query answered.
  for (const definition of rules.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (!definition.enabled) continue;
    if (appliesTo(definition, device)) parts.push(compileRule(definition, parts.length, compiler));
    else elsewhere.add(definition.id);
  }
  const compiled = parts.map(({ rule }) => rule);
  for (const { spec } of windows.values()) for (const name of spec.params) slotOf(name);

  const driven = Array.from(slots, (): number[] => []);
  const clearing = Array.from(slots, (): CompiledRule[] => []);
  const everyEvent: CompiledRule[] = [];
  const watched = new Set<number>();
  for (const { rule, open, others } of parts) {
    const leaves = leavesOf<PlainLeaf>({ all: open ? [open, ...others] : others });
    for (const leaf of leaves) if (leaf.op === 'changed') watched.add(slotOf(leaf.param));
    if (rule.times || rule.silent) continue;
    if (leaves.some((leaf) => leaf.op === 'exists')) {
      everyEvent.push(rule);
      continue;
    }
    const window = rule.window === undefined ? undefined : [...windows.values()][rule.window];
    const opening = new Set(window ? window.spec.params : open ? parametersOf(open) : []);
    // A tumbling window is looked at when it ends, a count of anomalies when there is a score.
    const onReading = !window || (window.spec.mode === 'sliding' && window.spec.fn !== 'anomalies');
    if (onReading) for (const name of opening) driven[slotOf(name)]?.push(rule.index);
    for (const name of new Set(others.flatMap(parametersOf))) {
      if (!(onReading && opening.has(name)) && name !== window?.spec.key) clearing[slotOf(name)]?.push(rule);
    }
  }
  const all = [...windows.values()];
  return {
    device,
    rules: compiled,
    byId: new Map(compiled.map((rule) => [rule.definition.id, rule])),
    slots,
    parameters: [...slots.keys()],
    driven,
    guards: guardsOf(parts, slots),
    clearing,
    everyEvent,
    watched: [...watched],
    windows: all,
    sampled: all.filter(({ spec }) => spec.fn !== 'anomalies'),
    scored: all.filter(({ spec }) => spec.fn === 'anomalies'),
    tumbling: all.filter(({ spec }) => spec.mode === 'tumbling'),
    silences: compiled.filter(({ silent }) => silent),
    timers: compiled.filter(({ times }) => times),
    blank: emptyMemory(slots.size),
    atRest: Array.from<undefined>({ length: compiled.length }),
    unevaluated: compiled.map(() => 0),
    elsewhere,
  };
}

/** Whether a look at one number already shows that a rule's condition is not true. */
export function isRuledOut({ slot, low, high }: Guards, index: number, numbers: readonly number[]): boolean {
  // A number that is not known (NaN) is neither below nor above: the condition itself must say.
  const value = numbers[slot[index] ?? 0] ?? Number.NaN;
  return value < (low[index] ?? Number.NaN) || value > (high[index] ?? Number.NaN);
}

/**
 * Whether a rule is for a device: named, or in one of its groups, or of one of its profiles, or none of the three named
 * at all; and not excluded.
 */
export function appliesTo(rule: Pick<RuleDefinition, 'scope'>, device: RuleDevice): boolean {
  const { devices, groups, profiles = [], exclude } = rule.scope;
  if (exclude.includes(device.id)) return false;
  if (devices.length === 0 && groups.length === 0 && profiles.length === 0) return true;
  if (devices.includes(device.id) || groups.some((group) => device.groups.includes(group))) return true;
  return device.profile !== undefined && profiles.includes(device.profile);
}

/** A compiled rule with the conditions it was made of. */
interface RuleParts {
  rule: CompiledRule;
  open: PlainCondition | undefined;
  /** What clears, and what raises. */
  others: PlainCondition[];
}

interface Compiler {
  slotOf(name: string): number;
  windowOf(spec: WindowSpec): CompiledWindow;
  attributes: Attributes;
}

/** Never true: what opens a rule that time alone drives. */
const NEVER: CompiledCondition = { evaluate: () => 0, leaf: undefined, join: 'any', parts: [] };

function guardsOf(parts: RuleParts[], slots: ReadonlyMap<string, number>): Guards {
  const guards: Guards = {
    slot: new Uint32Array(parts.length),
    low: new Float64Array(parts.length).fill(Number.NEGATIVE_INFINITY),
    high: new Float64Array(parts.length).fill(Number.POSITIVE_INFINITY),
  };
  for (const { rule, open } of parts) {
    // One that waits for an edge must see its condition end.
    const guard = open && !rule.edge ? guardOf(open) : undefined;
    if (!guard) continue;
    guards.slot[rule.index] = slots.get(guard.param) ?? 0;
    guards.low[rule.index] = guard.low;
    guards.high[rule.index] = guard.high;
  }
  return guards;
}

function compileRule(definition: RuleDefinition, index: number, compiler: Compiler): RuleParts {
  const { when, maxAge } = definition;
  const { attributes } = compiler;
  const slotOf = (name: string) => compiler.slotOf(name);
  const watched = when.kind === 'timer' && when.if ? { open: when.if, clear: undefined } : watchedOf(definition);
  const window = watched && 'window' in watched && watched.window ? compiler.windowOf(watched.window) : undefined;
  const plain = (part: Condition) => plainCondition(part, attributes);
  const age = when.kind === 'timer' ? when.maxAge : maxAge;
  const compile = (part: PlainCondition) => compileCondition(part, slotOf, age);
  const open = watched && plain(watched.open);
  const clear = watched?.clear && plain(watched.clear);
  const raise = raiseOf(definition, window?.spec.key).map((step) => ({ ...step, plain: plain(step.condition) }));
  const others = [...(clear ? [clear] : []), ...raise.map((step) => step.plain)];
  const named = [...(open ? [open] : []), ...others].flatMap(parametersOf).filter((name) => name !== window?.spec.key);
  const rule: CompiledRule = {
    index,
    hash: ruleHash(definition),
    definition,
    open: open ? compile(open) : NEVER,
    clear: clear && compile(clear),
    raise: raise
      .map((step, at) => ({ severity: step.severity, rank: at + 1, condition: compile(step.plain) }))
      .toReversed(),
    parameters: [...new Set([...named, ...ownParameters(when)])],
    window: window?.index,
    edge: definition.trigger === 'edge',
    times: when.kind === 'timer' ? timesOf(when) : undefined,
    silent: when.kind === 'nodata' ? when.params.map(slotOf) : undefined,
    message: parseTemplate(definition.message),
  };
  window?.rules.push(rule);
  return { rule, open, others };
}

function raiseOf({ when, raise = [] }: RuleDefinition, key: string | undefined) {
  return raise.flatMap(({ severity, if: condition, value }): { severity: Severity; condition: Condition }[] => {
    if (condition) return [{ severity, condition }];
    if (key === undefined || value === undefined || !('op' in when)) return [];
    return [{ severity, condition: { param: key, op: when.op, value } }];
  });
}

/** Times are dear to find and the same for all devices. */
const knownTimes = new WeakMap<object, CronTimes>();

function timesOf(when: Extract<When, { kind: 'timer' }>): CronTimes {
  const times = knownTimes.get(when) ?? cronTimes(when.cron, when.tz, when.dayMatch);
  knownTimes.set(when, times);
  return times;
}
