import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { effectivePartitionKey } from '../../../local/cosmos/items/partition-hash.ts';
import { keyText, keyOfHeader, hashOfKeyText, prefixRange } from '../../../local/cosmos/items/partition-key.ts';

// The SDK exports neither; its own files are the reference.
const sdk = new URL('../../../node_modules/@azure/cosmos/dist/esm/utils/hashing/', import.meta.url);
const { hashPartitionKey } = (await import(new URL('hash.js', sdk).href)) as {
  hashPartitionKey: (key: unknown[], definition: { kind: string; version: number; paths: string[] }) => string;
};

const component = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc.string({ maxLength: 40 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
);

describe('the hash of a partition key', () => {
  test("equals the SDK's own for every key of one path", () => {
    fc.assert(
      fc.property(component, (value) => {
        expect(effectivePartitionKey([value])).toBe(
          hashPartitionKey([value], { kind: 'Hash', version: 2, paths: ['/a'] }),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("equals the SDK's own for hierarchical keys", () => {
    fc.assert(
      fc.property(fc.array(component, { minLength: 1, maxLength: 3 }), (values) => {
        const definition = { kind: 'MultiHash', version: 2, paths: ['/a', '/b', '/c'] };
        expect(effectivePartitionKey(values)).toBe(hashPartitionKey(values, definition));
      }),
      { numRuns: 500 },
    );
  });

  test('of the stored text is the hash of the key, and no two keys share a text', () => {
    const wellFormed = component.filter((value) => typeof value !== 'string' || value.isWellFormed());
    fc.assert(
      fc.property(fc.array(wellFormed, { minLength: 1, maxLength: 3 }), (values) => {
        const text = keyText(values);
        expect(hashOfKeyText(text)).toBe(
          effectivePartitionKey(values.map((value) => (Object.is(value, -0) ? 0 : value))),
        );
        expect(keyOfHeader(text, 3)).toEqual(values.map((value) => (Object.is(value, -0) ? 0 : value)));
      }),
    );
    expect(new Set([[null], [undefined], [''], ['null'], [0], [false]].map(keyText)).size).toBe(6);
  });

  test('keys that begin with a prefix, and no others, lie in its range of texts', () => {
    fc.assert(
      fc.property(component, component, component, (first, second, third) => {
        const { from, to } = prefixRange([first]);
        const inRange = (text: string) =>
          Buffer.compare(Buffer.from(text), Buffer.from(from)) >= 0 &&
          Buffer.compare(Buffer.from(text), Buffer.from(to)) < 0;
        expect(inRange(keyText([first, second]))).toBe(true);
        expect(inRange(keyText([third, second]))).toBe(keyText([third]) === keyText([first]));
      }),
    );
    const { from, to } = prefixRange([1]);
    for (const other of [10, 1.5, 1e21, '1']) {
      const text = keyText([other, 'x']);
      expect(text < from || text >= to).toBe(true);
    }
  });
});
