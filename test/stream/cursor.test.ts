import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CURSOR_CHARS_MAX, formatCursor, parseCursor } from '../../shared/stream/cursor.ts';

const lane = fc.oneof(
  fc
    .tuple(fc.constantFrom('direct', 'iot-hub', 'event_grid', 'a'), fc.nat(9_999))
    .map(([source, part]) => `${source}-${part}`),
  fc.constantFrom('ops', 'direct-03', 'direct', 'x-y'),
);
const position = fc
  .array(fc.tuple(lane, fc.record({ n: fc.maxSafeNat(), i: fc.nat(5_000) })), { maxLength: 40 })
  .map((entries) => new Map(entries));

describe('cursor', () => {
  test('what is formatted is read back, and equal positions have equal texts', () => {
    fc.assert(
      fc.property(position, (places) => {
        const text = formatCursor(places);
        expect(parseCursor(text)).toEqual(places);
        expect(formatCursor(new Map([...places].toReversed()))).toBe(text);
        // Fit for a URL, a header and an SSE id as it is.
        expect(text).toMatch(/^[A-Za-z0-9._~-]+$/);
      }),
    );
  });

  test('32 partitions after a year at 1,000 entries a second fit', () => {
    const places = new Map(Array.from({ length: 32 }, (_, p) => [`direct-${p}`, { n: 1e9 + p, i: 0 }]));
    expect(formatCursor(places).length).toBeLessThan(CURSOR_CHARS_MAX / 4);
  });

  test('whatever the text, it is read in bounded time into a bounded position, or refused', () => {
    const alphabet = fc.constantFrom('~', '.', '-', '0', '1', 'z', 'a', 'ops', 'direct', '%', '\u0000', 'Z', '\n', 'é');
    const text = fc.oneof(
      fc.string({ maxLength: 3_000 }),
      fc.array(alphabet, { maxLength: 400 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (hostile) => {
        const places = parseCursor(hostile);
        if (places === undefined) return;
        expect(places.size).toBeLessThanOrEqual(256);
        for (const { n, i } of places.values())
          expect(Number.isSafeInteger(n) && n >= 0 && i >= 0 && i <= 100_000).toBe(true);
        expect(parseCursor(formatCursor(places))).toEqual(places);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['', 'no lane'],
    ['direct', 'no entry'],
    ['direct.', 'an empty entry'],
    ['direct.0-1.0-2', 'a lane twice'],
    ['direct.0-01', 'a number with a leading zero'],
    ['direct.0-zzzzzzzzzzzz', 'a number beyond 2^53'],
    ['direct.0-1-0', 'an index that says nothing'],
    ['__proto__.-1', 'a name no source has'],
    [`direct.${'0-1.'.repeat(600)}`, 'too long'],
    ['direct.0-1~', 'an empty group'],
    ['direct.0-1\n', 'a line break'],
  ])('%j is refused: %s', (text) => {
    expect(parseCursor(text)).toBeUndefined();
  });
});
