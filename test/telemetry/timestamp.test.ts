import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseTimestamp } from '../../shared/telemetry/timestamp.ts';

test.each([
  ['2026-11-24T10:00:00Z', Date.UTC(2026, 10, 24, 10)],
  ['2026-11-24T10:00:00.5Z', Date.UTC(2026, 10, 24, 10, 0, 0, 500)],
  ['2026-11-24T10:00:00.123456789Z', Date.UTC(2026, 10, 24, 10, 0, 0, 123)],
  ['2026-11-24T10:00Z', Date.UTC(2026, 10, 24, 10)],
  ['2026-11-24T10:00:00+01:00', Date.UTC(2026, 10, 24, 9)],
  ['2026-11-24T10:00:00-0530', Date.UTC(2026, 10, 24, 15, 30)],
  ['2026-11-24t10:00:00z', Date.UTC(2026, 10, 24, 10)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['0050-01-01T00:00:00Z', -60_589_296_000_000],
])('%s is a moment', (text, ms) => {
  expect(parseTimestamp(text)).toBe(ms);
});

test.each([
  ['without a zone', '2026-11-24T10:00:00'],
  ['a date alone', '2026-11-24'],
  ['30 February', '2026-02-30T00:00:00Z'],
  ['29 February of no leap year', '2026-02-29T00:00:00Z'],
  ['month 13', '2026-13-01T00:00:00Z'],
  ['month 0', '2026-00-01T00:00:00Z'],
  ['hour 24', '2026-11-24T24:00:00Z'],
  ['second 60', '2026-11-24T10:00:60Z'],
  ['an offset of 25 hours', '2026-11-24T10:00:00+25:00'],
  ['a space', '2026-11-24 10:00:00Z'],
  ['words', 'Tue, 24 Nov 2026 10:00:00 GMT'],
  ['digits as text', '1795514400000'],
  ['an endless fraction', `2026-11-24T10:00:00.${'1'.repeat(1000)}Z`],
  ['no number', Number.NaN],
  ['infinity', Number.POSITIVE_INFINITY],
  ['a number beyond all dates', 8.65e15],
  ['null', null],
  ['an object', {}],
])('%s is none', (_, value) => {
  expect(parseTimestamp(value)).toBeUndefined();
});

test('every date survives its ISO form, and a number its fraction', () => {
  fc.assert(
    fc.property(
      fc.date({
        noInvalidDate: true,
        min: new Date('0000-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59.999Z'),
      }),
      (date) => {
        expect(parseTimestamp(date.toISOString())).toBe(date.getTime());
      },
    ),
  );
  expect(parseTimestamp(1_795_514_400_000.9)).toBe(1_795_514_400_000);
  expect(Object.is(parseTimestamp(-0.5), 0)).toBe(true);
});
