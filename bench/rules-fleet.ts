/**
 * A fleet, windows and a month of history. Fleet: 1,000 devices with 30 rules each, conditions alone against an engine per device, and the whole step
 * with state. Windows: cost of a sample at rates from one to a hundred a pane, and bytes of state, against an array
 * that is shifted and summed anew. Backtest: 30 days of one device at one event every 10 s through 30 rules.
 */
import assert from 'node:assert/strict';
import { Backtest } from '../shared/rules/backtest.ts';
import { copyMemory } from '../shared/rules/compile-condition.ts';
import { compileForDevice, isRuledOut } from '../shared/rules/compile-rules.ts';
import { RuleBook } from '../shared/rules/rule-book.ts';
import { closeFold, openFold } from '../shared/rules/rule-fold.ts';
import { step } from '../shared/rules/step.ts';
import { TRUE } from '../shared/rules/truth.ts';
import { watchedOf } from '../shared/rules/watched.ts';
import { Window } from '../shared/rules/window.ts';
import { measure } from './measure.ts';
import { jsonRulesEngine } from './rules/peers.ts';
import { define, eventOf, Workload } from './rules/workload.ts';

const DEVICES = 1000;
const RULES = 30;
/** Devices of the fleet differ in their limits: so many sets of rules. */
const RULE_SETS = 100;
const ROUNDS = 5;
const BACKTEST_EVENTS = 30 * 24 * 360;

const workload = new Workload(20261124);
const book = new RuleBook();

// Fleet.
const conditionSets = Array.from({ length: RULE_SETS }, () =>
  Array.from({ length: RULES }, (_, index) => workload.condition(index * 3)),
);
const engines = conditionSets.map((conditions) => jsonRulesEngine(conditions));
const plainSets = conditionSets.map((conditions, set) =>
  conditions.map((part, index) =>
    define(`s${set}-${index}`, { kind: 'condition', if: part }, index % 3 ? {} : { for: '1m' }),
  ),
);
const mixedSets = Array.from({ length: RULE_SETS }, (_, set) => workload.mixedRules(`m${set}-`));
// Few enough to stay in the cache: a real event has just been parsed.
const readings = Array.from({ length: 500 }, () => workload.readings());

/** Every device in turn, each event a fold of its own over its own state: what ingest does with 1,000 devices. */
function fleetOf(sets: typeof plainSets): (count: number) => void {
  const devices = Array.from({ length: DEVICES }, (_, index) => {
    const compiled = book.compiledFor(sets[index % RULE_SETS] ?? [], { id: `d${index}`, groups: [] });
    return { compiled, closed: closeFold(openFold(compiled, undefined, undefined)), seq: 0, start: index * 17 };
  });
  let next = 0;
  return (count) => {
    for (let done = 0; done < count; done++) {
      const device = devices[next % DEVICES];
      if (!device) continue;
      const fold = openFold(device.compiled, device.closed.states, device.closed.last);
      // A stretch of the walk of its own: values that jump would have everything open and close all the time.
      step(fold, eventOf(readings[(device.start + device.seq) % readings.length] ?? {}, device.seq++));
      device.closed = closeFold(fold);
      next++;
    }
  };
}

/** Conditions alone, as the peer has them: each device remembers its values, and the rules that its readings drive are asked. */
function conditionsOf(sets: typeof plainSets): (count: number) => number {
  const devices = Array.from({ length: DEVICES }, (_, index) => {
    const compiled = book.compiledFor(sets[index % RULE_SETS] ?? [], { id: `d${index}`, groups: [] });
    return { compiled, memory: copyMemory(compiled.blank), start: index * 17, seq: 0 };
  });
  let next = 0;
  return (count) => {
    let fired = 0;
    for (let done = 0; done < count; done++) {
      const device = devices[next++ % DEVICES];
      if (!device) continue;
      const { compiled, memory } = device;
      const values = readings[(device.start + device.seq++) % readings.length] ?? {};
      for (const name in values) {
        const slot = compiled.slots.get(name);
        const value = values[name];
        if (slot === undefined || value === undefined) continue;
        memory.values[slot] = value;
        memory.numbers[slot] = typeof value === 'number' ? value : Number.NaN;
      }
      for (const rule of compiled.rules) {
        if (isRuledOut(compiled.guards, rule.index, memory.numbers)) continue;
        if (rule.open.evaluate(memory) === TRUE) fired++;
      }
    }
    return fired;
  };
}

/** One device in batches of 100. */
function oneDevice(): (count: number) => void {
  const compiled = compileForDevice(mixedSets[0] ?? [], { id: 'd', groups: [] });
  let closed = closeFold(openFold(compiled, undefined, undefined));
  let seq = 0;
  return (count) => {
    for (let done = 0; done < count; done += 100) {
      const fold = openFold(compiled, closed.states, closed.last);
      for (let at = 0; at < 100; at++) step(fold, eventOf(readings[seq % readings.length] ?? {}, seq++));
      closed = closeFold(fold);
    }
  };
}

// Windows: ten minutes, average, with so many samples in it.
const spec = watchedOf({
  when: define('w', { kind: 'window', param: 't', agg: 'avg', period: '10m', op: 'gt', value: 1 }).when,
  clear: undefined,
})?.window;
assert(spec);
const averages = spec;
const values = Array.from({ length: 10_000 }, () => Math.round(workload.random() * 10_000) / 100);
const SAMPLES = [60, 600, 6000] as const;
function paned(samples: number): { run: (count: number) => number; bytes: () => number } {
  const window = new Window(averages);
  const everyMs = 600_000 / samples;
  let ts = 1_795_514_400_000;
  const run = (count: number) => {
    let sum = 0;
    for (let at = 0; at < count; at++) {
      ts += everyMs;
      window.add(ts, values[at % values.length] ?? 0);
      sum += window.value(ts);
    }
    return sum;
  };
  return { run, bytes: () => JSON.stringify(window.store()).length };
}
function shifted(samples: number): (count: number) => number {
  const held: number[] = [];
  return (count) => {
    let sum = 0;
    for (let at = 0; at < count; at++) {
      held.push(values[at % values.length] ?? 0);
      if (held.length > samples) held.shift();
      let total = 0;
      for (const value of held) total += value;
      sum += total / held.length;
    }
    return sum;
  };
}
const windows = SAMPLES.map((samples) => ({ samples, paned: paned(samples), shifted: shifted(samples) }));

// A spike of 1e15 leaves nothing behind once it has left: a window that never saw it says the same.
const [spiked, clean] = [new Window(averages), new Window(averages)];
let ts = 1_795_514_400_000;
for (const value of [...values.slice(0, 700), 1e15, ...values.slice(0, 1300)]) {
  ts += 1000;
  spiked.add(ts, value);
  if (value !== 1e15) clean.add(ts, value);
}
assert.equal(spiked.value(ts), clean.value(ts), 'the spike has left something behind');

const conditionsFleet = conditionsOf(plainSets);
const plainFleet = fleetOf(plainSets);
const mixedFleet = fleetOf(mixedSets);
const single = oneDevice();
const times = await measure(
  [
    {
      name: 'fleet, json-rules-engine per device',
      operations: 200,
      run: async () => {
        for (let at = 0; at < 200; at++) await engines[at % RULE_SETS]?.evaluate(readings[at] ?? {});
      },
    },
    { name: 'fleet, ours, conditions', operations: 50_000, run: () => conditionsFleet(50_000) },
    { name: 'fleet, ours, whole step', operations: 20_000, run: () => plainFleet(20_000) },
    { name: 'fleet, ours, 30 mixed rules', operations: 20_000, run: () => mixedFleet(20_000) },
    { name: 'one device, ours, 30 mixed rules', operations: 50_000, run: () => single(50_000) },
    ...windows.flatMap((each) => [
      { name: `window of ${each.samples}, shifted array`, operations: 2000, run: () => each.shifted(2000) },
      { name: `window of ${each.samples}, ours`, operations: 100_000, run: () => each.paned.run(100_000) },
    ]),
  ],
  ROUNDS,
);

// Backtest: events are made beforehand, as they would come from the store.
const history = Array.from({ length: BACKTEST_EVENTS }, (_, index) => eventOf(workload.readings(), index));
const backtestSeconds: number[] = [];
let opened = 0;
for (let round = 0; round < 3; round++) {
  const start = process.cpuUsage();
  const backtest = new Backtest(mixedSets[0] ?? [], { id: 'd', groups: [] });
  for (const event of history) backtest.add(event);
  opened = [...backtest.finish(history.at(-1)?.ts ?? 0).values()].reduce((sum, each) => sum + each.opened, 0);
  const { user, system } = process.cpuUsage(start);
  backtestSeconds.push((user + system) / 1e6);
}
const backtestCpu = backtestSeconds.toSorted((a, b) => a - b)[1] ?? Number.NaN;

const ns = (name: string): number => times.get(name) ?? Number.NaN;
for (const name of times.keys()) console.log(`${name.padEnd(40)}${ns(name).toFixed(0).padStart(10)} ns/event`);
console.log(
  `backtest: ${BACKTEST_EVENTS} events, ${RULES} rules, ${opened} alerts: ${backtestCpu.toFixed(2)} s of processor time`,
);
console.log(
  JSON.stringify({
    bench: 'rules-fleet',
    fleetRatio: Math.round(ns('fleet, json-rules-engine per device') / ns('fleet, ours, conditions')),
    fleetStepRatio: Math.round(ns('fleet, json-rules-engine per device') / ns('fleet, ours, whole step')),
    mixedEventsPerSecond: Math.round(1e9 / ns('one device, ours, 30 mixed rules')),
    mixedFleetEventsPerSecond: Math.round(1e9 / ns('fleet, ours, 30 mixed rules')),
    windowNs: Object.fromEntries(SAMPLES.map((samples) => [samples, Math.round(ns(`window of ${samples}, ours`))])),
    windowBytes: Object.fromEntries(windows.map(({ samples, paned: { bytes } }) => [samples, bytes()])),
    backtestCpuSeconds: Number(backtestCpu.toFixed(2)),
    goals: { fleetRatio: 200, mixedEventsPerSecond: 500_000, windowNs: 100, windowBytes: 1400, backtestCpuSeconds: 1 },
  }),
);
