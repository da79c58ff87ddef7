import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyMemory } from '../../shared/rules/compile-condition.ts';
import { appliesTo, compileForDevice, isRuledOut } from '../../shared/rules/compile-rules.ts';
import type { Condition } from '../../shared/rules/condition.ts';
import { ruleHash } from '../../shared/rules/rule-hash.ts';
import { TRUE } from '../../shared/rules/truth.ts';
import { DEVICE, rule } from '../support/rules.ts';

const warm: Condition = { param: 't', op: 'gt', value: 8 };

describe('scope', () => {
  test.each([
    ['nobody named is everybody', {}, true],
    ['by device', { devices: ['freezer-1'] }, true],
    ['by another device', { devices: ['freezer-2'] }, false],
    ['by group', { groups: ['ovens', 'freezers'] }, true],
    ['by another group', { groups: ['ovens'] }, false],
    ['by device or group', { devices: ['x'], groups: ['freezers'] }, true],
    ['excluded', { groups: ['freezers'], exclude: ['freezer-1'] }, false],
    ['everybody but', { exclude: ['freezer-1'] }, false],
  ])('%s', (_, scope, applies) => {
    const scoped = rule(warm, { scope });
    expect(appliesTo(scoped, DEVICE)).toBe(applies);
    expect(compileForDevice([scoped], DEVICE).rules).toHaveLength(applies ? 1 : 0);
  });
});

test('the order of the rules does not matter', () => {
  const rules = ['b', 'a', 'c'].map((id) => rule(warm, { id }));
  const ids = (list: typeof rules) => compileForDevice(list, DEVICE).rules.map(({ definition }) => definition.id);
  expect(ids(rules)).toEqual(['a', 'b', 'c']);
  expect(ids(rules.toReversed())).toEqual(['a', 'b', 'c']);
});

describe('the hash of the meaning', () => {
  const base = rule(warm, { clear: { param: 't', op: 'lt', value: 6 } });

  test('survives the store, whatever order members come back in', () => {
    const shuffled = Object.fromEntries(Object.entries(structuredClone(base)).toReversed()) as typeof base;
    shuffled.when = { if: { value: 8, op: 'gt', param: 't' }, kind: 'condition' };
    expect(ruleHash(shuffled)).toBe(ruleHash(base));
  });

  test.each([
    { name: 'x' },
    { severity: 'info' },
    { message: 'x' },
    { category: 'x' },
    { enabled: false },
    { scope: { devices: ['a'] } },
  ])('is kept by %j', (change) => {
    expect(ruleHash(rule(warm, { clear: base.clear, ...change }))).toBe(ruleHash(base));
  });

  test.each([
    { for: '1s' },
    { times: 2 },
    { keepFiring: '1s' },
    { maxAge: '1h' },
    { clear: undefined },
    { clear: { param: 't', op: 'lt', value: 5 } },
  ])('is changed by %j', (change) => {
    expect(ruleHash(rule(warm, { clear: base.clear, ...change }))).not.toBe(ruleHash(base));
  });
});

test('a guard never rules out what is true', () => {
  const number = fc.integer({ min: -3, max: 3 });
  const param = fc.constantFrom('a', 'b');
  const leaf: fc.Arbitrary<Condition> = fc.oneof(
    fc.record({ param, op: fc.constantFrom('gt', 'gte', 'lt', 'lte', 'eq', 'neq'), value: number }),
    fc.record({ param, op: fc.constantFrom('between', 'outside'), value: fc.tuple(number, number) }),
    fc.record({ param, op: fc.constant('in' as const), value: fc.array(number, { minLength: 1, maxLength: 3 }) }),
  );
  const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.record({ all: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ any: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ not: tie('condition') }),
    ),
  }));
  const value = fc.option(number, { nil: Number.NaN });
  fc.assert(
    fc.property(condition, value, value, (part, a, b) => {
      const compiled = compileForDevice([{ ...rule(warm), when: { kind: 'condition', if: part } }], DEVICE);
      const memory = emptyMemory(2);
      for (const [name, known] of Object.entries({ a, b })) {
        const slot = compiled.slots.get(name);
        if (slot === undefined || Number.isNaN(known)) continue;
        memory.numbers[slot] = known;
        memory.values[slot] = known;
      }
      const holds = compiled.rules[0]?.open.evaluate(memory) === TRUE;
      expect(holds && isRuledOut(compiled.guards, 0, memory.numbers)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});
