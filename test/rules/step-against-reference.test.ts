import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileForDevice } from '../../shared/rules/compile-rules.ts';
import type { Condition } from '../../shared/rules/condition.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { closeFold, openFold } from '../../shared/rules/rule-fold.ts';
import type { LastValues, RuleStates } from '../../shared/rules/rule-states.ts';
import type { RuleTransition } from '../../shared/rules/rule-transition.ts';
import { step } from '../../shared/rules/step.ts';
import type { Readings, ReadingValue, TelemetryEvent } from '../../shared/telemetry/telemetry-event.ts';
import { referenceTransitions, type Happened } from '../support/reference-rules.ts';
import { DEVICE, START_MS } from '../support/rules.ts';

const number = fc.integer({ min: 0, max: 6 });
const text = fc.constantFrom('open', 'closed');
/** What `n1`, `n2`, `s`, `b` mostly carry. One value in ten is of another type: broken firmware. */
const valueOf: Record<string, fc.Arbitrary<ReadingValue>> = {
  n1: fc.oneof({ weight: 9, arbitrary: number }, { weight: 1, arbitrary: text }),
  n2: fc.oneof({ weight: 9, arbitrary: number }, { weight: 1, arbitrary: fc.boolean() }),
  s: fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: number }),
  b: fc.oneof({ weight: 9, arbitrary: fc.boolean() }, { weight: 1, arbitrary: text }),
};

const numeric = fc.constantFrom('n1', 'n2');
const range = fc.tuple(number, number).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
const leaf: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ param: numeric, op: fc.constantFrom('gt', 'gte', 'lt', 'lte'), value: number }),
  fc.record({ param: numeric, op: fc.constantFrom('between', 'outside'), value: range }),
  fc.record({ param: numeric, op: fc.constantFrom('eq', 'neq'), value: number }),
  fc.record({
    param: numeric,
    op: fc.constant('in' as const),
    value: fc.array(number, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ param: fc.constant('s'), op: fc.constantFrom('eq', 'neq'), value: text }),
  fc.record({ param: fc.constant('b'), op: fc.constantFrom('eq', 'neq'), value: fc.boolean() }),
  fc.record({ param: fc.constantFrom('n1', 's'), op: fc.constant('changed' as const) }),
  fc.record({ param: fc.constantFrom('n2', 'b'), op: fc.constant('exists' as const) }),
);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: leaf },
    { weight: 2, arbitrary: fc.record({ all: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ any: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ not: tie('condition') }) },
  ),
}));

/** Not through the schema: what it would refuse (a clear that overlaps) must still be evaluated as specified. */
const rules = fc
  .array(
    fc.record({
      if: condition,
      clear: fc.option(condition, { nil: undefined }),
      for: fc.constantFrom(0, 0, 60_000, 150_000),
      times: fc.constantFrom(1, 1, 2, 3),
      keepFiring: fc.constantFrom(0, 0, 60_000),
      maxAge: fc.option(fc.constantFrom(60_000, 120_000), { nil: undefined, freq: 3 }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) =>
    parts.map(({ if: open, ...part }, index): RuleDefinition => ({
      id: `r${index}`,
      name: `rule ${index}`,
      severity: 'warning',
      scope: { devices: [], groups: [], exclude: [] },
      when: { kind: 'condition', if: open },
      message: '{{param}} {{value}}',
      enabled: true,
      ...part,
    })),
  );

const readings: fc.Arbitrary<Readings> = fc
  .subarray(Object.keys(valueOf), { minLength: 1 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, valueOf[name] ?? number]))));

/** Events that carry some of the parameters, mostly in order, some late, some at the same moment. */
const events = fc
  .array(
    fc.record({
      gapMs: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(0, 10_000, 30_000, 70_000) },
        { weight: 1, arbitrary: fc.constant(-40_000) },
      ),
      readings,
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((parts) => {
    let ts = START_MS;
    return parts.map(({ gapMs, readings: carried }, seq): TelemetryEvent => {
      ts += gapMs;
      return { eventId: `l:${seq}`, deviceId: DEVICE.id, ts, receivedTs: ts, lane: 'l', seq, readings: carried };
    });
  });

/** Folds in batches of a size; between batches the state goes through JSON and is frozen, so that a write throws. */
function folded(definitions: RuleDefinition[], all: readonly TelemetryEvent[], size: number): RuleTransition[] {
  const compiled = compileForDevice(definitions, DEVICE);
  const out: RuleTransition[] = [];
  let states: RuleStates | undefined;
  let last: LastValues | undefined;
  for (let from = 0; from < all.length; from += size) {
    const fold = openFold(compiled, states, last);
    for (const each of all.slice(from, from + size)) out.push(...step(fold, each));
    const text = JSON.stringify(closeFold(fold));
    ({ states, last } = freeze(JSON.parse(text) as ReturnType<typeof closeFold>));
  }
  return out;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}

function happened(transitions: readonly RuleTransition[]): Happened[] {
  return transitions.flatMap((each): Happened[] =>
    each.kind === 'raised'
      ? []
      : [[each.ruleId, each.eventId ?? '', each.kind, each.kind === 'opened' ? each.openedAt : each.resolvedAt]],
  );
}

/** Within one event the order is the evaluator's own affair. */
function sorted(all: Happened[]): string[] {
  return all.map((each) => JSON.stringify(each)).toSorted();
}

test('the step opens and resolves exactly what the specification, written naively, does', () => {
  fc.assert(
    fc.property(rules, events, (definitions, all) => {
      const transitions = folded(definitions, all, all.length);
      expect(sorted(happened(transitions))).toEqual(sorted(referenceTransitions(definitions, all)));
    }),
    { numRuns: 2000 },
  );
});

test('state that goes through JSON between any two events gives the same transitions, ids and messages', () => {
  fc.assert(
    fc.property(rules, events, fc.integer({ min: 1, max: 7 }), (definitions, all, size) => {
      const whole = folded(definitions, all, all.length);
      expect(folded(definitions, all, 1)).toEqual(whole);
      expect(folded(definitions, all, size)).toEqual(whole);
    }),
    { numRuns: 400 },
  );
});

test('a rule has at most one open alert, opened and resolved in turn, and no alert id is used twice', () => {
  fc.assert(
    fc.property(rules, events, (definitions, all) => {
      const transitions = folded(definitions, all, 3);
      const open = new Map<string, string>();
      const used = new Set<string>();
      for (const { kind, ruleId, alertId, id } of transitions) {
        expect(used).not.toContain(id);
        used.add(id);
        expect(open.get(ruleId)).toBe(kind === 'opened' ? undefined : alertId);
        if (kind === 'opened') open.set(ruleId, alertId);
        else open.delete(ruleId);
      }
    }),
    { numRuns: 400 },
  );
});

test('with 3 of 10 parameters per event there is no false open and no false clear', () => {
  const parameters = Array.from({ length: 10 }, (_, index) => `p${index}`);
  const sparse = fc.array(
    fc.record({
      names: fc.shuffledSubarray(parameters, { minLength: 3, maxLength: 3 }),
      values: fc.tuple(number, number, number),
    }),
    { minLength: 20, maxLength: 60 },
  );
  const pairs = fc.array(
    fc.record({
      names: fc.shuffledSubarray(parameters, { minLength: 2, maxLength: 2 }),
      limit: number,
      negated: fc.boolean(),
    }),
    { minLength: 10, maxLength: 20 },
  );
  fc.assert(
    fc.property(sparse, pairs, (sets, wanted) => {
      const definitions = wanted.map(({ names: [first = '', second = ''], limit, negated }, index): RuleDefinition => {
        const other: Condition = { param: second, op: 'neq', value: 0 };
        const open: Condition = { all: [{ param: first, op: 'gt', value: limit }, negated ? { not: other } : other] };
        return {
          id: `r${index}`,
          name: 'n',
          severity: 'warning',
          scope: { devices: [], groups: [], exclude: [] },
          when: { kind: 'condition', if: open },
          for: 0,
          times: 1,
          keepFiring: 0,
          message: 'm',
          enabled: true,
        };
      });
      const all = sets.map(({ names, values }, seq): TelemetryEvent => {
        const readings = Object.fromEntries(names.map((name, index) => [name, values[index] ?? 0]));
        const ts = START_MS + seq * 1000;
        return { eventId: `l:${seq}`, deviceId: DEVICE.id, ts, receivedTs: ts, lane: 'l', seq, readings };
      });
      const transitions = folded(definitions, all, 1);
      expect(sorted(happened(transitions))).toEqual(sorted(referenceTransitions(definitions, all)));
      // An alert opens only with every one of its parameters seen.
      const opened = transitions.filter((each) => each.kind === 'opened');
      expect(opened.every(({ readings: seen }) => Object.keys(seen).length === 2)).toBe(true);
    }),
    { numRuns: 200 },
  );
});
