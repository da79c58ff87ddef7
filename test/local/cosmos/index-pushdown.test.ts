import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Container, JSONValue } from '@azure/cosmos';
import { indexTerm } from '../../../local/cosmos/items/index-term.ts';
import type { Value } from '../../../local/cosmos/json-value.ts';
import { canonicalText, compareValues, equalValues } from '../../../local/cosmos/sql/order.ts';
import { startCosmosUnderTest, type CosmosUnderTest } from '../../support/cosmos.ts';

const scalar = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    2,
    0.1,
    0.30000000000000004,
    5e-324,
    -5e-324,
    1e308,
    2 ** 53,
    '',
    'a',
    'ab',
    'b',
    '\u0000',
    '\uffff',
    '😀',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.string({ maxLength: 4 }),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 1, arbitrary: fc.constantFrom<Value[]>(undefined, [], [1], {}, { a: 1 }) },
);

describe('an index entry', () => {
  test('orders as its value does, over all types', () => {
    fc.assert(
      fc.property(value, value, (left, right) => {
        const order = Buffer.compare(indexTerm(left), indexTerm(right));
        expect(Math.sign(order)).toBe(Math.sign(compareValues(left, right)));
      }),
      { numRuns: 5000 },
    );
  });

  test('and the canonical text are equal for equal values only', () => {
    const any = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JSONValue>;
    fc.assert(
      fc.property(any, any, (left, right) => {
        const a = JSON.parse(JSON.stringify(left));
        const b = JSON.parse(JSON.stringify(right));
        expect(canonicalText(a) === canonicalText(b)).toBe(equalValues(a, b));
        expect(equalValues(a, structuredClone(a))).toBe(true);
      }),
    );
  });
});

describe('an index under a query', () => {
  let cosmos: CosmosUnderTest;
  let indexed: Container;
  let plain: Container;
  beforeAll(async () => {
    cosmos = await startCosmosUnderTest();
    indexed = await cosmos.container({
      indexingPolicy: { includedPaths: [{ path: '/v/?' }, { path: '/w/?' }], excludedPaths: [{ path: '/*' }] },
    });
    plain = await cosmos.container();
    const values = fc.sample(fc.tuple(value, value), { numRuns: 200, seed: 7 });
    for (let start = 0; start < values.length; start += 100)
      for (const container of [indexed, plain])
        await container.items.batch(
          values.slice(start, start + 100).map(([v, w], index) => ({
            operationType: 'Create' as const,
            resourceBody: {
              id: `i${start + index}`,
              pk: 'p',
              ...(v === undefined ? {} : { v }),
              ...(w === undefined ? {} : { w }),
            } as never,
          })),
          'p',
        );
  });
  afterAll(() => cosmos.close());

  const condition = fc.oneof(
    fc.record({
      kind: fc.constant('compare' as const),
      path: fc.constantFrom('v', 'w'),
      operator: fc.constantFrom('=', '!=', '<', '<=', '>', '>='),
      mirrored: fc.boolean(),
      value: scalar,
    }),
    fc.record({
      kind: fc.constant('in' as const),
      path: fc.constantFrom('v', 'w'),
      values: fc.array(scalar, { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('between' as const), path: fc.constantFrom('v', 'w'), low: scalar, high: scalar }),
    fc.record({
      kind: fc.constant('startsWith' as const),
      path: fc.constantFrom('v', 'w'),
      prefix: fc.constantFrom('', 'a', 'ab', '😀'),
    }),
  );

  test('never changes the answer, whatever the condition, the type or the order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(condition, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', ' ORDER BY c.v', ' ORDER BY c.w DESC'),
        async (conditions, order) => {
          const parameters: { name: string; value: JSONValue }[] = [];
          const parameter = (constant: JSONValue) => {
            parameters.push({ name: `@p${parameters.length}`, value: constant });
            return `@p${parameters.length - 1}`;
          };
          const texts = conditions.map((one) => {
            switch (one.kind) {
              case 'compare':
                return one.mirrored
                  ? `${parameter(one.value)} ${one.operator} c.${one.path}`
                  : `c.${one.path} ${one.operator} ${parameter(one.value)}`;
              case 'in':
                return `c.${one.path} IN (${one.values.map(parameter).join(', ')})`;
              case 'between':
                return `c.${one.path} BETWEEN ${parameter(one.low)} AND ${parameter(one.high)}`;
              case 'startsWith':
                return `STARTSWITH(c.${one.path}, ${parameter(one.prefix)})`;
            }
          });
          const query = `SELECT VALUE c.id FROM c WHERE ${texts.join(' AND ')}${order}`;
          const answers = await Promise.all(
            [indexed, plain].map(
              async (container) =>
                (
                  await container.items
                    .query<string>({ query, parameters }, { partitionKey: 'p', maxItemCount: -1 })
                    .fetchAll()
                ).resources,
            ),
          );
          expect(answers[0]).toEqual(answers[1]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('lets a query read only what it needs, page by page', async () => {
    const container = await cosmos.container({
      indexingPolicy: { includedPaths: [{ path: '/n/?' }, { path: '/kind/?' }], excludedPaths: [{ path: '/*' }] },
    });
    for (let start = 0; start < 1000; start += 100)
      await container.items.batch(
        Array.from({ length: 100 }, (_, index) => ({
          operationType: 'Create' as const,
          resourceBody: { id: `${start + index}`, pk: 'p', n: start + index, kind: index === 50 ? 'rare' : 'common' },
        })),
        'p',
      );
    /** Items looked at for a page of at most five rows: the charge tells. */
    const scanned = async (query: string) => {
      const page = await container.items.query(query, { partitionKey: 'p', maxItemCount: 5 }).fetchNext();
      const bytes = Buffer.byteLength(JSON.stringify(page.resources));
      return [
        page.resources.length,
        Math.round((page.requestCharge - 2.3 - page.resources.length * 0.2 - (bytes / 1024) * 0.1) / 0.03),
      ];
    };
    expect(await scanned('SELECT c.n FROM c ORDER BY c.n DESC')).toEqual([5, 6]);
    expect(await scanned("SELECT c.n FROM c WHERE c.kind = 'common' AND c.n > 500 ORDER BY c.n")).toEqual([5, 6]);
    expect(await scanned('SELECT c.n FROM c WHERE c.n >= 997')).toEqual([3, 3]);
    expect(await scanned("SELECT c.n FROM c WHERE c.kind = 'common' AND c.n >= 997")).toEqual([3, 3]);
    expect(await scanned("SELECT c.n FROM c WHERE c.kind = 'rare'")).toEqual([5, 6]);
    expect(await scanned("SELECT c.n FROM c WHERE c.kind IN ('rare', 'none')")).toEqual([5, 6]);
    expect(await scanned("SELECT c.n FROM c WHERE c.id = '7'")).toEqual([1, 1]);
    expect(await scanned('SELECT c.n FROM c')).toEqual([5, 6]);
  });
});
