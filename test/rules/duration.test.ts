import { expect, test } from '@jest/globals';
import { duration, parseDuration } from '../../shared/rules/duration.ts';

test.each([
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['90s', 90_000],
  ['1w2d', 777_600_000],
  ['250ms', 250],
  ['PT10M', 600_000],
  ['P1DT12H', 129_600_000],
  ['PT0.5S', 500],
  ['PT1,25S', 1250],
  ['P2W', 1_209_600_000],
  ['0s', 0],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  '',
  'P',
  'PT',
  '10',
  'm',
  '10 m',
  '-5m',
  'P1M',
  'P1Y',
  'PT1H30',
  '1m1h',
  '1.5h',
  '10M',
  `${'9'.repeat(30)}d`,
  '9'.repeat(100),
])('%j is none', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test('the schema takes milliseconds as well, within its bounds', () => {
  const schema = duration(1000, 60_000);
  expect(schema.parse('1m')).toBe(60_000);
  expect(schema.parse(1500)).toBe(1500);
  for (const bad of ['2m', '1ms', 999, 1000.5, Number.NaN, null, {}, true]) {
    expect(schema.safeParse(bad).error?.issues).toMatchObject([
      { message: 'must be a duration such as 10m, 1h30m or PT10M, from 1000 to 60000 ms' },
    ]);
  }
});
