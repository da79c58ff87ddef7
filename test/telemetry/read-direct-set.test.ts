import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { directReadingSet } from '../../shared/telemetry/direct-body.ts';
import { readDirectSet } from '../../shared/telemetry/read-direct-set.ts';

/** An object as JSON text from pairs, so that `__proto__` and repeated members come through as a sender can send them. */
function json(pairs: [key: string, text: string][]): string {
  return `{${pairs.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
}

const asJson = (arbitrary: fc.Arbitrary<unknown>) => arbitrary.map((value) => JSON.stringify(value) ?? 'null');
const name = fc.oneof(
  { weight: 60, arbitrary: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'prototype', 'hasOwnProperty', '') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60, max: 70 }).map((length) => 'p'.repeat(length)) },
);
const value = fc.oneof(
  { weight: 60, arbitrary: asJson(fc.double({ noNaN: true, noDefaultInfinity: true })) },
  { weight: 20, arbitrary: asJson(fc.string({ unit: 'grapheme' })) },
  { weight: 20, arbitrary: asJson(fc.boolean()) },
  { weight: 1, arbitrary: asJson(fc.jsonValue({ maxDepth: 2 })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('null', '1e999', '-0', '"\\ud800"', `"${'x'.repeat(256)}"`, `"${'x'.repeat(257)}"`),
  },
);
const readings = fc.oneof(
  { weight: 9, arbitrary: fc.array(fc.tuple(name, value), { minLength: 0, maxLength: 6 }).map(json) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 62, max: 66 })
      .map((count) => json(Array.from({ length: count }, (_, index) => [`p${index}`, '1']))),
  },
  { weight: 1, arbitrary: asJson(fc.jsonValue({ maxDepth: 1 })) },
);
const timestamp = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => JSON.stringify(date)),
  fc.constantFrom(
    '0',
    '1795514400000',
    '-1',
    '1.5',
    '8.64e15',
    '8.65e15',
    '1e999',
    'null',
    '"2026-11-24"',
    '"2026-11-24T10:00"',
  ),
  fc.constantFrom(
    '"2026-02-30T00:00:00Z"',
    '"2026-11-24T10:00:00+01:00"',
    '"2026-11-24t10:00:00.123456789z"',
    '"now"',
    'true',
  ),
);
const mark = fc.oneof(
  asJson(fc.string({ maxLength: 8 })),
  fc.constantFrom(`"${'m'.repeat(129)}"`, '7', 'null', '"\\udc00"'),
);
const deviceId = fc.oneof(
  { weight: 6, arbitrary: asJson(fc.stringMatching(/^[A-Za-z0-9._:@=+~-]{1,10}$/)) },
  fc.constantFrom(
    '""',
    '"."',
    '".."',
    '"a b"',
    '"a/b"',
    '"__proto__"',
    `"${'d'.repeat(128)}"`,
    `"${'d'.repeat(129)}"`,
    '5',
    'null',
  ),
);
const members = fc.tuple(
  fc.option(deviceId.map((text): [string, string] => ['deviceId', text])),
  fc.option(timestamp.map((text): [string, string] => ['ts', text])),
  fc.option(
    mark.map((text): [string, string] => ['messageId', text]),
    { freq: 1 },
  ),
  fc.option(
    mark.map((text): [string, string] => ['tenantId', text]),
    { freq: 1 },
  ),
  fc.option(asJson(fc.jsonValue({ maxDepth: 1 })).map((text): [string, string] => ['extra', text])),
  fc.option(
    readings.map((text): [string, string] => ['readings', text]),
    { freq: 12 },
  ),
);
const set = fc.oneof(
  { weight: 15, arbitrary: members.map((pairs) => json(pairs.filter((pair) => pair !== null))) },
  { weight: 1, arbitrary: asJson(fc.jsonValue({ maxDepth: 2 })) },
);

test('the hand-written guard and the schema accept the same, and read the same values', () => {
  let accepted = 0;
  fc.assert(
    fc.property(set, (text) => {
      const byHand = readDirectSet(JSON.parse(text));
      const bySchema = directReadingSet.safeParse(JSON.parse(text));
      expect([text, byHand !== undefined]).toEqual([text, bySchema.success]);
      if (byHand) accepted++;
      const { deviceId: id, messageId, tenantId, readings: map } = bySchema.data ?? {};
      const { deviceId: id2, messageId: message2, tenantId: tenant2, readings: map2 } = byHand ?? {};
      expect([id2, message2, tenant2, JSON.stringify(map2)]).toEqual([id, messageId, tenantId, JSON.stringify(map)]);
    }),
    { numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(1000);
});

test('a negative zero becomes zero, as JSON would make it on the way to the store', () => {
  const input = { deviceId: 'd', readings: { a: -0, t: 1, s: 'x', b: true, z: -0 } };
  const set = readDirectSet(input);
  expect(set?.readings).toEqual({ a: 0, t: 1, s: 'x', b: true, z: 0 });
  expect(Object.is(set?.readings['z'], 0)).toBe(true);
  expect(Object.is(input.readings.a, -0)).toBe(true);
});
