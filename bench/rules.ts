/**
 * Rules against the peers, in one run: conditions alone (no state on either side), and our whole step with alert state,
 * holds and hysteresis against the same conditions-only peers. Equal results are asserted before anything is timed. Then
 * events with 3 of 10 parameters: what the peers make of what is missing.
 */
import assert from 'node:assert/strict';
import { emptyMemory } from '../shared/rules/compile-condition.ts';
import { compileForDevice, isRuledOut } from '../shared/rules/compile-rules.ts';
import type { Condition } from '../shared/rules/condition.ts';
import { closeFold, openFold } from '../shared/rules/rule-fold.ts';
import type { LastValues, RuleStates } from '../shared/rules/rule-states.ts';
import type { RuleTransition } from '../shared/rules/rule-transition.ts';
import { step } from '../shared/rules/step.ts';
import { TRUE } from '../shared/rules/truth.ts';
import type { Readings } from '../shared/telemetry/telemetry-event.ts';
import { measure } from './measure.ts';
import { peersOf, type Peer } from './rules/peers.ts';
import { define, eventOf, parameters, Workload } from './rules/workload.ts';

const RULES = 100;
const EVENTS = 1000;
/** The slowest peer is a thousand times slower: a tenth of the events keeps the run short. */
const PEER_EVENTS = 100;
const MISSING_EVENTS = 300;
const ROUNDS = 7;

const workload = new Workload(20261124);
const conditions = Array.from({ length: RULES }, (_, index) => workload.condition(index));
const events = Array.from({ length: EVENTS }, (_, index) => eventOf(workload.readings(), index));
const device = { id: 'dev', groups: [] };

const compiledOf = (of: readonly Condition[], more: (index: number) => object = () => ({})) =>
  compileForDevice(
    of.map((part, index) => define(`r${String(index).padStart(3, '0')}`, { kind: 'condition', if: part }, more(index))),
    device,
  );

// Ours, conditions alone.
const plain = compiledOf(conditions);
const memory = emptyMemory(plain.parameters.length);
function ours(readings: Readings, each: (index: number) => void): void {
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
}

// Ours, the whole step: a third of the rules hold, a third has a keep-firing, a third counts.
const stateful = compiledOf(
  conditions,
  (index) => [{ for: '30s' }, { keepFiring: '20s' }, { times: 2 }][index % 3] ?? {},
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
    const closed = closeFold(fold);
    ({ states, last } = viaJson ? (JSON.parse(JSON.stringify(closed)) as typeof closed) : closed);
  }
  return all;
}

const peers = peersOf(conditions);
const ZEN = 'zen-engine, expression node';
let firedPerEvent = 0;
for (const { readings } of events) {
  const fired: number[] = [];
  ours(readings, (index) => fired.push(index));
  firedPerEvent += fired.length / EVENTS;
  for (const peer of peers) assert.deepEqual(await peer.evaluate(readings), fired, `${peer.name} differs`);
}
const transitions = foldInBatches(EVENTS, false);
assert.deepEqual(foldInBatches(1, true), transitions, 'state that went through JSON gives other transitions');

const peerEvents = ({ atOnce }: Peer) => (atOnce ? EVENTS * 5 : PEER_EVENTS);
const runPeer = async (peer: Peer) => {
  const { atOnce } = peer;
  for (let index = 0; index < peerEvents(peer); index++) {
    const found = peer.evaluate(events[index % EVENTS]?.readings ?? {});
    if (!atOnce) await found;
  }
};
const runOurs = () => {
  for (let again = 0; again < 20; again++) for (const { readings } of events) ours(readings, () => undefined);
};
const repeat = (count: number, run: () => unknown) => () => {
  for (let index = 0; index < count; index++) run();
};
const times = await measure(
  [
    ...peers.map((peer) => ({ name: peer.name, operations: peerEvents(peer), run: () => runPeer(peer) })),
    { name: 'ours, conditions', operations: EVENTS * 20, run: runOurs },
    { name: 'ours, step, batches of 100', operations: EVENTS * 10, run: repeat(10, () => foldInBatches(100, false)) },
    { name: 'ours, step, batches of 1', operations: EVENTS * 5, run: repeat(5, () => foldInBatches(1, false)) },
  ],
  ROUNDS,
);

const ns = (name: string): number => times.get(name) ?? Number.NaN;
const ratio = (name: string, to = 'json-rules-engine'): number => Number((ns(to) / ns(name)).toPrecision(3));
console.log(`${RULES} rules x ${parameters.length} parameters, ${EVENTS} events; all results equal`);
console.log(
  `${firedPerEvent.toFixed(1)} rules true per event; ${(transitions.length / EVENTS).toFixed(2)} transitions per event`,
);
for (const name of times.keys()) {
  console.log(
    `${name.padEnd(30)}${(ns(name) / 1000).toFixed(2).padStart(10)} µs/event${(ns(name) / RULES).toFixed(1).padStart(9)} ns/rule${String(ratio(name)).padStart(7)}x`,
  );
}

// What is missing: 3 of 10 parameters per event, rules with negations; the truth is three-valued logic over what is there.
const negated = conditions.map((part, index): Condition => (index % 3 === 0 ? { not: part } : part));
const sparse = compiledOf(negated);
const missing = peersOf(negated);
const wrong = new Map<string, { falseAlerts: number; missed: number; threw: number }>();
for (let index = 0; index < MISSING_EVENTS; index++) {
  const all = workload.readings();
  const names = parameters.toSorted(() => workload.random() - 0.5).slice(0, 3);
  const readings = Object.fromEntries(names.map((name) => [name, all[name] ?? 0]));
  const fold = openFold(sparse, undefined, undefined);
  const told = new Set(step(fold, eventOf(readings, 0)).map(({ ruleId }) => Number(ruleId.slice(1))));
  const certain = new Set(negated.flatMap((part, at) => (certainly(part, readings) === true ? [at] : [])));
  assert.deepEqual(
    [...told].toSorted((a, b) => a - b),
    [...certain],
    'ours: an alert too many or too few',
  );
  for (const peer of missing) {
    const counts = wrong.get(peer.name) ?? { falseAlerts: 0, missed: 0, threw: 0 };
    wrong.set(peer.name, counts);
    try {
      const fired = new Set(await peer.evaluate(readings));
      if ([...fired].some((at) => !certain.has(at))) counts.falseAlerts++;
      if ([...certain].some((at) => !fired.has(at))) counts.missed++;
    } catch {
      counts.threw++;
    }
  }
}

/** Three-valued logic as on a blackboard; undefined is unknown. */
function certainly(part: Condition, readings: Readings): boolean | undefined {
  if ('not' in part) {
    const inner = certainly(part.not, readings);
    return inner === undefined ? undefined : !inner;
  }
  if ('all' in part || 'any' in part) {
    const decisive = 'any' in part;
    const truths = ('all' in part ? part.all : part.any).map((each) => certainly(each, readings));
    return truths.includes(decisive) ? decisive : truths.includes(undefined) ? undefined : !decisive;
  }
  const value = readings[part.param];
  if (typeof value !== 'number') return undefined;
  if (part.op === 'gt') return value > Number(part.value);
  if (part.op === 'lt') return value < Number(part.value);
  return part.op === 'between' && value >= Number(part.value[0]) && value <= Number(part.value[1]);
}

console.log(`events with 3 of ${parameters.length} parameters, a third of the rules negated (of ${MISSING_EVENTS}):`);
console.log(`${'ours'.padEnd(30)} 0 with false alerts, 0 with alerts missed, 0 threw`);
for (const [name, { falseAlerts, missed, threw }] of wrong) {
  console.log(`${name.padEnd(30)} ${falseAlerts} with false alerts, ${missed} with alerts missed, ${threw} threw`);
}
console.log(
  JSON.stringify({
    bench: 'rules',
    conditionsRatio: ratio('ours, conditions'),
    conditionsNsPerRule: Number((ns('ours, conditions') / RULES).toFixed(1)),
    againstJsonLogicEngine: ratio('ours, conditions', 'json-logic-engine, compiled'),
    againstCelJs: ratio('ours, conditions', 'cel-js'),
    ...(peers.some(({ name }) => name === ZEN)
      ? { againstZenEngine: ratio('ours, conditions', ZEN) }
      : { skipped: 'zen-engine is not installed: npm install --no-save @gorules/zen-engine@0.54.0' }),
    stepRatio: ratio('ours, step, batches of 100'),
    stepOneByOneRatio: ratio('ours, step, batches of 1'),
    stepEventsPerSecond: Math.round(1e9 / ns('ours, step, batches of 100')),
    missingParameters: { ours: { falseAlerts: 0, missed: 0, threw: 0 }, ...Object.fromEntries(wrong) },
    goals: { conditionsRatio: 500, conditionsNsPerRule: 20, stepRatio: 300 },
  }),
);
