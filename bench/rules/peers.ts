/** The engines that rules are measured against, told the same conditions. Each says which of them hold for an event. */
import { createRequire } from 'node:module';
import { parse } from '@marcbachmann/cel-js';
import { LogicEngine } from 'json-logic-engine';
import { Engine, type NestedCondition, type TopLevelCondition } from 'json-rules-engine';
import type { Condition, Leaf } from '../../shared/rules/condition.ts';
import type { Readings } from '../../shared/telemetry/telemetry-event.ts';

/** A peer at work: the indexes of the conditions that are true for the readings. */
export interface Peer {
  name: string;
  /** Answers at once: fast enough to be given more events. */
  atOnce: boolean;
  evaluate(readings: Readings): number[] | Promise<number[]>;
}

/** All peers, loaded with the conditions. */
export function peersOf(conditions: readonly Condition[]): Peer[] {
  const zen = zenEngine(conditions);
  return [jsonRulesEngine(conditions), jsonLogicEngine(conditions), celJs(conditions), ...(zen ? [zen] : [])];
}

/** The little of zen-engine that is used. */
interface ZenModule {
  ZenEngine: new () => { createDecision(content: object): { evaluate(context: object): Promise<{ result: unknown }> } };
}

/**
 * It is native code in a package per platform, not all of which every registry carries: as a dependency it would stop a
 * clean installation. Measured where it was put by hand: `npm install --no-save @gorules/zen-engine@0.54.0`.
 */
function loadZenEngine(): ZenModule | undefined {
  const name = '@gorules/zen-engine';
  try {
    return createRequire(import.meta.url)(name) as ZenModule;
  } catch {
    return undefined;
  }
}

const JRE_OPERATORS: Partial<Record<Leaf['op'], string>> = {
  gt: 'greaterThan',
  gte: 'greaterThanInclusive',
  lt: 'lessThan',
  lte: 'lessThanInclusive',
  eq: 'equal',
  neq: 'notEqual',
};
const SYMBOLS: Partial<Record<Leaf['op'], string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '==', neq: '!=' };

/** json-rules-engine, with the option that lets a missing fact be. */
export function jsonRulesEngine(conditions: readonly Condition[]): Peer {
  const engine = new Engine([], { allowUndefinedFacts: true });
  for (const [index, part] of conditions.entries()) {
    const nested = forJsonRulesEngine(part);
    const top = ('fact' in nested ? { all: [nested] } : nested) as TopLevelCondition;
    engine.addRule({ conditions: top, event: { type: String(index) } });
  }
  return {
    name: 'json-rules-engine',
    atOnce: false,
    evaluate: async (readings) => {
      const { events } = await engine.run({ ...readings });
      return events.map(({ type }) => Number(type)).toSorted((a, b) => a - b);
    },
  };
}

function forJsonRulesEngine(part: Condition): NestedCondition {
  if ('all' in part) return { all: part.all.map(forJsonRulesEngine) };
  if ('any' in part) return { any: part.any.map(forJsonRulesEngine) };
  if ('not' in part) return { not: forJsonRulesEngine(part.not) };
  if (part.op === 'between') {
    const [low, high] = part.value;
    return {
      all: [
        { fact: part.param, operator: 'greaterThanInclusive', value: low },
        { fact: part.param, operator: 'lessThanInclusive', value: high },
      ],
    };
  }
  return { fact: part.param, operator: JRE_OPERATORS[part.op] ?? part.op, value: valueOf(part) };
}

/** json-logic-engine, every rule compiled to a function. */
function jsonLogicEngine(conditions: readonly Condition[]): Peer {
  const engine = new LogicEngine();
  const rules = conditions.map((part) => engine.build(forJsonLogic(part)) as (data: Readings) => unknown);
  return { name: 'json-logic-engine, compiled', atOnce: true, evaluate: (readings) => trueOnes(rules, readings) };
}

function forJsonLogic(part: Condition): object {
  if ('all' in part) return { and: part.all.map(forJsonLogic) };
  if ('any' in part) return { or: part.any.map(forJsonLogic) };
  if ('not' in part) return { '!': forJsonLogic(part.not) };
  if (part.op === 'between') return { '<=': [part.value[0], { var: part.param }, part.value[1]] };
  return { [SYMBOLS[part.op] ?? part.op]: [{ var: part.param }, valueOf(part)] };
}

/** cel-js, every rule parsed once. */
function celJs(conditions: readonly Condition[]): Peer {
  const rules = conditions.map((part) => parse(forCel(part)) as (data: Readings) => unknown);
  return { name: 'cel-js', atOnce: true, evaluate: (readings) => trueOnes(rules, readings) };
}

function forCel(part: Condition): string {
  if ('all' in part) return `(${part.all.map(forCel).join(' && ')})`;
  if ('any' in part) return `(${part.any.map(forCel).join(' || ')})`;
  if ('not' in part) return `!(${forCel(part.not)})`;
  if (part.op === 'between') {
    return `(${part.param} >= ${double(part.value[0])} && ${part.param} <= ${double(part.value[1])})`;
  }
  return `${part.param} ${SYMBOLS[part.op]} ${double(valueOf(part))}`;
}

/** CEL tells integers from doubles, and readings are doubles. */
function double(value: unknown): string {
  return typeof value === 'number' && Number.isInteger(value) ? `${value}.0` : JSON.stringify(value);
}

/** zen-engine: all rules as the expressions of one node, which is faster than one decision per rule. */
function zenEngine(conditions: readonly Condition[]): Peer | undefined {
  const zen = loadZenEngine();
  if (zen === undefined) return undefined;
  const expressions = conditions.map((part, index) => ({ id: `e${index}`, key: `r${index}`, value: forZen(part) }));
  const decision = new zen.ZenEngine().createDecision({
    nodes: [
      { id: 'in', type: 'inputNode', name: 'in' },
      { id: 'rules', type: 'expressionNode', name: 'rules', content: { expressions } },
      { id: 'out', type: 'outputNode', name: 'out' },
    ],
    edges: [
      { id: 'a', sourceId: 'in', targetId: 'rules', type: 'edge' },
      { id: 'b', sourceId: 'rules', targetId: 'out', type: 'edge' },
    ],
  });
  return {
    name: 'zen-engine, expression node',
    atOnce: false,
    evaluate: async (readings) => {
      const { result } = (await decision.evaluate(readings)) as { result: Record<string, unknown> };
      return conditions.flatMap((_, index) => (result[`r${index}`] === true ? [index] : []));
    },
  };
}

function forZen(part: Condition): string {
  if ('all' in part) return `(${part.all.map(forZen).join(' and ')})`;
  if ('any' in part) return `(${part.any.map(forZen).join(' or ')})`;
  if ('not' in part) return `not(${forZen(part.not)})`;
  if (part.op === 'between')
    return `(${part.param} >= ${JSON.stringify(part.value[0])} and ${part.param} <= ${JSON.stringify(part.value[1])})`;
  return `${part.param} ${SYMBOLS[part.op]} ${JSON.stringify(valueOf(part))}`;
}

function valueOf(leaf: Leaf): unknown {
  return 'value' in leaf ? leaf.value : undefined;
}

function trueOnes(rules: ((data: Readings) => unknown)[], readings: Readings): number[] {
  const found: number[] = [];
  for (let index = 0; index < rules.length; index++) if (rules[index]?.(readings) === true) found.push(index);
  return found;
}
