/**
 * Rules against json-rules-engine, in one run: conditions alone (no state in either), and our whole step with alert
 * state, holds and hysteresis against the same conditions-only peer. Equal results are asserted before anything is
 * timed. Run: `npx node bench/rules.ts`
 */
import assert from 'node:assert/strict';
import { Engine, type NestedCondition, type TopLevelCondition } from 'json-rules-engine';
import { emptyMemory } from '../shared/rules/compile-condition.ts';
import { compileForDevice, isRuledOut } from '../shared/rules/compile-rules.ts';
import type { Condition } from '../shared/rules/condition.ts';
import { ruleDefinition, type RuleDefinition } from '../shared/rules/rule-definition.ts';
import { closeFold, openFold } from '../shared/rules/rule-fold.ts';
import type { LastValues, RuleStates } from '../shared/rules/rule-states.ts';
import type { RuleTransition } from '../shared/rules/rule-transition.ts';
import { step } from '../shared/rules/step.ts';
import { TRUE } from '../shared/rules/truth.ts';
import type { TelemetryEvent } from '../shared/telemetry/telemetry-event.ts';
import { measure, seeded } from './measure.ts';

const RULES = 100;
const PARAMETERS = 10;
const EVENTS = 1000;
/** The peer is a thousand times slower: a tenth of the events keeps the run short. */
const PEER_EVENTS = 100;
const ROUNDS = 7;

const random = seeded(20261124);
const parameters = Array.from({ length: PARAMETERS }, (_, index) => `p${index}`);

/** Values wander between 0 and 100; a limit in the outer tenth is crossed now and then, as in the field. */
function leaf(param: string): Condition {
  const high = 88 + Math.round(random() * 10);
  return random() < 0.5 ? { param, op: 'gt', value: high } : { param, op: 'lt', value: 100 - high };
}

/** 60 limits, 25 pairs, 15 nested: the mix of the study behind the goal. */
function conditionOf(index: number): Condition {
  const [first = 'p0', second = 'p1', third = 'p2'] = parameters.toSorted(() => random() - 0.5);
  if (index < 60) return leaf(first);
  const other: Condition = { param: second, op: 'between', value: [20, 80] };
  return index < 85 ? { all: [leaf(first), other] } : { all: [{ any: [leaf(first), leaf(third)] }, other] };
}

const conditions = Array.from({ length: RULES }, (_, index) => conditionOf(index));
const definitions = (extra: (index: number) => Record<string, unknown>): RuleDefinition[] =>
  conditions.map((part, index) => ({
    ...ruleDefinition.parse({ name: `rule ${index}`, when: { kind: 'condition', if: part }, ...extra(index) }),
    id: `r${String(index).padStart(3, '0')}`,
  }));

const levels = parameters.map(() => random() * 100);
const events = Array.from({ length: EVENTS }, (_, index): TelemetryEvent => {
  const readings: Record<string, number> = {};
  for (const [at, name] of parameters.entries()) {
    const next = (levels[at] ?? 50) + (random() - 0.5) * 2;
    levels[at] = next < 0 ? -next : next > 100 ? 200 - next : next;
    readings[name] = Math.round((levels[at] ?? 0) * 100) / 100;
  }
  const ts = 1_795_514_400_000 + index * 10_000;
  return { eventId: `direct-0:${index}`, deviceId: 'dev', ts, receivedTs: ts, lane: 'direct-0', seq: index, readings };
});

// The peer, told the same.
const OPERATORS: Record<string, string> = { gt: 'greaterThan', lt: 'lessThan' };
function forPeer(part: Condition): NestedCondition {
  if ('all' in part) return { all: part.all.map(forPeer) };
  if ('any' in part) return { any: part.any.map(forPeer) };
  if ('not' in part) return { not: forPeer(part.not) };
  if (part.op === 'between') {
    const [low, high] = part.value;
    return {
      all: [
        { fact: part.param, operator: 'greaterThanInclusive', value: low },
        { fact: part.param, operator: 'lessThanInclusive', value: high },
      ],
    };
  }
  return { fact: part.param, operator: OPERATORS[part.op] ?? part.op, value: 'value' in part ? part.value : undefined };
}
const engine = new Engine([], { allowUndefinedFacts: true });
for (const [index, part] of conditions.entries()) {
  const nested = forPeer(part);
  const top = ('fact' in nested ? { all: [nested] } : nested) as TopLevelCondition;
  engine.addRule({ conditions: top, event: { type: String(index) } });
}
async function peer(count: number): Promise<number[][]> {
  const fired: number[][] = [];
  for (const event of events.slice(0, count)) {
    const result = await engine.run({ ...event.readings });
    fired.push(result.events.map(({ type }) => Number(type)).toSorted((a, b) => a - b));
  }
  return fired;
}

// Ours, conditions alone.
const device = { id: 'dev', groups: [] };
const plain = compileForDevice(
  definitions(() => ({})),
  device,
);
const memory = emptyMemory(plain.parameters.length);
function ours(each: (index: number) => void): void {
  for (const { readings } of events) {
    for (const name in readings) {
      const slot = plain.slots.get(name);
      const value = readings[name];
      if (slot === undefined || value === undefined) continue;
      memory.values[slot] = value;
      memory.numbers[slot] = typeof value === 'number' ? value : Number.NaN;
    }
    for (let index = 0; index < RULES; index++) {
      if (isRuledOut(plain.guards, index, memory.numbers)) continue;
      if (plain.rules[index]?.open.evaluate(memory) === TRUE) each(index);
    }
    each(-1);
  }
}
function firedByOurs(): number[][] {
  const all: number[][] = [];
  let now: number[] = [];
  ours((index) => {
    if (index >= 0) return void now.push(index);
    all.push(now);
    now = [];
  });
  return all;
}

// Ours, the whole step: a third of the rules hold, a third has a keep-firing, a third counts.
const stateful = compileForDevice(
  definitions((index) => [{ for: '30s' }, { keepFiring: '20s' }, { times: 2 }][index % 3] ?? {}),
  device,
);
function foldInBatches(size: number, viaJson: boolean): RuleTransition[] {
  const all: RuleTransition[] = [];
  let states: RuleStates | undefined;
  let last: LastValues | undefined;
  for (let from = 0; from < EVENTS; from += size) {
    const fold = openFold(stateful, states, last);
    for (let at = from; at < from + size; at++) {
      const event = events[at];
      if (event) for (const transition of step(fold, event)) all.push(transition);
    }
    ({ states, last } = closeFold(fold));
    if (viaJson)
      ({ states, last } = JSON.parse(JSON.stringify({ states, last })) as typeof fold & { states: RuleStates });
  }
  return all;
}

const expected = await peer(EVENTS);
assert.deepEqual(firedByOurs(), expected, 'conditions differ from json-rules-engine');
const transitions = foldInBatches(EVENTS, false);
assert.deepEqual(foldInBatches(1, true), transitions, 'state that went through JSON gives other transitions');

const times = await measure(
  [
    { name: 'json-rules-engine', operations: PEER_EVENTS, run: () => peer(PEER_EVENTS) },
    { name: 'conditions', operations: EVENTS * 20, run: () => repeat(20, () => ours(() => undefined)) },
    { name: 'step, batches of 100', operations: EVENTS * 10, run: () => repeat(10, () => foldInBatches(100, false)) },
    { name: 'step, batches of 1', operations: EVENTS * 5, run: () => repeat(5, () => foldInBatches(1, false)) },
  ],
  ROUNDS,
);

function repeat(count: number, run: () => unknown): void {
  for (let index = 0; index < count; index++) run();
}

const peerNs = times.get('json-rules-engine') ?? Number.NaN;
const ratio = (name: string): number => Math.round(peerNs / (times.get(name) ?? Number.NaN));
console.log(`${RULES} rules x ${PARAMETERS} parameters, ${EVENTS} events; results equal`);
const firedPerEvent = expected.flat().length / EVENTS;
console.log(
  `${firedPerEvent.toFixed(1)} rules true per event; ${(transitions.length / EVENTS).toFixed(2)} transitions per event`,
);
for (const [name, ns] of times) {
  console.log(
    `${name.padEnd(24)}${(ns / 1000).toFixed(2).padStart(10)} µs/event${(ns / RULES).toFixed(1).padStart(9)} ns/rule${String(ratio(name)).padStart(7)}x`,
  );
}
console.log(
  JSON.stringify({
    bench: 'rules',
    conditionsRatio: ratio('conditions'),
    conditionsNsPerRule: Number(((times.get('conditions') ?? Number.NaN) / RULES).toFixed(1)),
    stepRatio: ratio('step, batches of 100'),
    stepOneByOneRatio: ratio('step, batches of 1'),
    stepEventsPerSecond: Math.round(1e9 / (times.get('step, batches of 100') ?? Number.NaN)),
    goals: { conditionsRatio: 500, conditionsNsPerRule: 20, stepRatio: 300 },
  }),
);
