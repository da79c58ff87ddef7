import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { partitionOfKey } from '../../../local/event-hubs/partition-hash.ts';

/** The SDK's own mapper, which its buffered producer places events with; not exported, so taken by its path. */
const mapper = (await import(
  new URL('impl/partitionKeyToIdMapper.js', import.meta.resolve('@azure/event-hubs')).href
)) as { mapPartitionKeyToId(key: string, count: number): number };

describe('partition keys are placed as the service places them', () => {
  test.each([1, 2, 4, 7, 32, 100])('on %i partitions, for keys of every length up to 40 and any text', (count) => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 40 })), (key) => {
        expect(partitionOfKey(key, count)).toBe(mapper.mapPartitionKeyToId(key, count));
      }),
      { numRuns: 2000 },
    );
  });

  test('every length around the hash’s block of 12 bytes agrees', () => {
    for (let length = 0; length <= 64; length += 1) {
      const key = 'device-0123456789-'.repeat(4).slice(0, length);
      expect([length, partitionOfKey(key, 1000)]).toEqual([length, mapper.mapPartitionKeyToId(key, 1000)]);
    }
  });
});
