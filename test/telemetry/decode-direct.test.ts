import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Decoded, RawEvent } from '../../shared/telemetry/decoded.ts';
import { decodeDirect } from '../../shared/telemetry/decode-direct.ts';
import { directBody } from '../../shared/telemetry/direct-body.ts';
import { DETAIL_CHARS_MAX } from '../../shared/telemetry/explain.ts';
import {
  AHEAD_MAX_MS,
  EVENT_BYTES_MAX,
  LATE_MAX_MS,
  PARAMETERS_PER_READING_MAX,
  READING_SETS_MAX,
} from '../../shared/telemetry/telemetry-event.ts';

const NOW = Date.UTC(2026, 10, 24, 10);

function decode(body: unknown, more: Partial<RawEvent> = {}): Decoded {
  return decodeDirect({ body, properties: {}, lane: 'direct-3', seq: 42, enqueuedMs: NOW, ...more });
}

/** The events of a body that must be accepted. */
function events(body: unknown, more: Partial<RawEvent> = {}) {
  const decoded = decode(body, more);
  if (!decoded.ok) throw new Error(`refused: ${decoded.reason} ${decoded.detail}`);
  return decoded.events;
}

describe('one reading set', () => {
  test('becomes one event, named after its position', () => {
    const readings = { temperature: 21.5, door: 'closed', power: true };
    expect(decode({ deviceId: 'd-1', ts: '2026-11-24T10:59:58+01:00', readings, unit: 'ignored' })).toEqual({
      ok: true,
      deviceId: 'd-1',
      events: [
        {
          eventId: `direct-3:42:${NOW.toString(36)}`,
          deviceId: 'd-1',
          ts: NOW - 2000,
          receivedTs: NOW,
          lane: 'direct-3',
          seq: 42,
          readings,
        },
      ],
    });
  });

  test.each<[string, unknown]>([
    ['parsed', { deviceId: 'd', readings: { t: 1 } }],
    ['as text', '{"deviceId":"d","readings":{"t":1}}'],
    ['as bytes', Buffer.from('{"deviceId":"d","readings":{"t":1}}')],
    ['as a text that was encoded again', JSON.stringify('{"deviceId":"d","readings":{"t":1}}')],
    ['the same as bytes', Buffer.from(JSON.stringify(' {"deviceId":"d","readings":{"t":1}}'))],
    ['as bytes with a byte order mark', Buffer.from('\uFEFF{"deviceId":"d","readings":{"t":1}}')],
    [
      'as a view into a larger buffer',
      new Uint8Array(Buffer.from('xx{"deviceId":"d","readings":{"t":1}}')).subarray(2),
    ],
  ])('%s it is the same', (_, body) => {
    expect(events(body)).toEqual(events({ deviceId: 'd', readings: { t: 1 } }));
  });

  test('message id and claimed tenant come from the body or the properties', () => {
    const body = { deviceId: 'd', readings: { t: 1 } };
    expect(decode({ ...body, messageId: 'm1', tenantId: 'acme' })).toMatchObject({
      messageId: 'm1',
      claimedTenantId: 'acme',
    });
    expect(decode({ ...body, tenant: 'acme' })).toMatchObject({ claimedTenantId: 'acme' });
    expect(decode(body, { properties: { Tenant: 'acme' } })).toMatchObject({ claimedTenantId: 'acme' });
    expect(decode(body, { messageId: 'amqp' })).toMatchObject({ messageId: 'amqp' });
    expect(decode({ ...body, messageId: 'm1' }, { messageId: 'amqp' })).toMatchObject({ messageId: 'm1' });
    expect(decode(body, { messageId: 'x'.repeat(5000) })).not.toHaveProperty('messageId');
    expect(decode(body, { properties: { MessageId: 'm2', tenantId: 'acme' } })).toMatchObject({
      messageId: 'm2',
      claimedTenantId: 'acme',
    });
    expect(decode({ ...body, tenantId: 'acme' }, { properties: { tenantId: 'rival' } })).toMatchObject({
      ok: false,
      reason: 'invalid-event',
      detail: 'tenantId: must be one throughout the event; got several',
    });
  });
});

test('a re-created hub numbers from 0 again, and its events are not taken for the old ones', () => {
  const body = { deviceId: 'd', readings: { t: 1 } };
  const [before, after] = [NOW, NOW + 86_400_000].map((enqueuedMs) => events(body, { enqueuedMs })[0]?.eventId);
  expect(before).not.toBe(after);
  expect(events(body)[0]?.eventId).toBe(before);
});

describe('an array of reading sets', () => {
  const ID = `direct-3:42:${NOW.toString(36)}`;

  test('becomes events in the order sent, of one device, each with its index', () => {
    const all = events([
      { deviceId: 'd', ts: NOW - 3000, readings: { t: 1 } },
      { ts: NOW - 9000, readings: { t: 2 } },
      { deviceId: 'd', readings: { t: 3 } },
    ]);
    expect(all.map(({ eventId, deviceId, ts }) => [eventId, deviceId, ts])).toEqual([
      [`${ID}.0`, 'd', NOW - 3000],
      [`${ID}.1`, 'd', NOW - 9000],
      [`${ID}.2`, 'd', NOW],
    ]);
    expect(events([{ deviceId: 'd', readings: { t: 1 } }])[0]?.eventId).toBe(`${ID}.0`);
  });

  test('of several devices, of several tenants, or with one bad set it is refused whole', () => {
    const set = { deviceId: 'd', readings: { t: 1 } };
    expect(decode([set, { ...set, deviceId: 'e' }])).toMatchObject({
      reason: 'invalid-event',
      detail: 'deviceId: all reading sets of one event must be of one device; got several',
    });
    expect(
      decode([
        { ...set, tenantId: 'a' },
        { ...set, tenantId: 'b' },
      ]),
    ).toMatchObject({ reason: 'invalid-event' });
    expect(decode([set, set, { ...set, readings: { t: null } }])).toEqual({
      ok: false,
      reason: 'invalid-event',
      detail: '[2].readings.t: must be a finite number, a string or true/false; got null',
    });
  });

  test('one message id names the event, several name none of it', () => {
    const set = { deviceId: 'd', readings: { t: 1 } };
    expect(decode([{ ...set, messageId: 'm' }, set])).toMatchObject({ messageId: 'm' });
    expect(
      decode([
        { ...set, messageId: 'm' },
        { ...set, messageId: 'n' },
      ]),
    ).not.toHaveProperty('messageId');
  });
});

describe('who sent it', () => {
  const body = { readings: { t: 1 } };

  test.each<[string, unknown, Partial<RawEvent>]>([
    ['the body', { ...body, deviceId: 'right' }, { properties: { deviceId: 'wrong' }, partitionKey: 'wrong' }],
    ['the property', body, { properties: { deviceId: 'right' }, partitionKey: 'wrong' }],
    ['the property as sent', body, { properties: { DeviceId: 'right' } }],
    ['the partition key', body, { partitionKey: 'right' }],
  ])('is said by %s', (_, given, more) => {
    expect(decode(given, more)).toMatchObject({ ok: true, deviceId: 'right' });
  });

  test('marks of other sources mean nothing here', () => {
    const properties = { 'iothub-connection-device-id': 'evil', 'aeg-subscription-name': 's' };
    expect(decode({ ...body, deviceId: 'd' }, { properties })).toMatchObject({ deviceId: 'd' });
    expect(decode(body, { properties })).toMatchObject({ ok: false, reason: 'invalid-event' });
  });

  test.each<[unknown, Partial<RawEvent>, string]>([
    [body, {}, 'deviceId: must be in the body, in the application property deviceId or be the partition key; got none'],
    [
      { ...body, deviceId: 7 },
      { partitionKey: 'd' },
      'deviceId: must be 1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ -; got a number',
    ],
    [
      body,
      { properties: { deviceId: 'a/b' } },
      'application property deviceId: must be 1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ -; got a string of 3 characters',
    ],
    [
      body,
      { partitionKey: 'x'.repeat(129) },
      'partition key: must be 1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ -; got a string of 129 characters',
    ],
    [
      { ...body, deviceId: '..' },
      {},
      'deviceId: must be 1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ -; got a string of 2 characters',
    ],
  ])('%j with %j is refused', (given, more, detail) => {
    expect(decode(given, more)).toEqual({ ok: false, reason: 'invalid-event', detail });
  });
});

describe('the clock', () => {
  test.each([
    ['within a day', NOW - LATE_MAX_MS, NOW - LATE_MAX_MS],
    ['a day and more late', NOW - LATE_MAX_MS - 1, NOW - LATE_MAX_MS],
    ['five minutes ahead', NOW + AHEAD_MAX_MS, NOW + AHEAD_MAX_MS],
    ['further ahead', NOW + AHEAD_MAX_MS + 1, NOW + AHEAD_MAX_MS],
    ['at the epoch', 0, NOW - LATE_MAX_MS],
  ])('%s', (_, ts, expected) => {
    const [event] = events({ deviceId: 'd', ts, readings: { t: 1 } });
    expect(event?.ts).toBe(expected);
    expect(event?.rawTs).toBe(ts === expected ? undefined : ts);
  });
});

describe('refusals', () => {
  test.each<[string, unknown]>([
    ['text that is no JSON', 'temperature=21'],
    ['cut JSON', '{"deviceId":"d","readings":{"t":1'],
    ['nothing', ''],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['JSON in Latin-1', Buffer.from('{"deviceId":"d","readings":{"s":"é"}}', 'latin1')],
    ['no bytes', Buffer.alloc(0)],
  ])('%s is malformed JSON', (_, body) => {
    expect(decode(body)).toMatchObject({ ok: false, reason: 'malformed-json' });
  });

  test.each<[string, unknown, string]>([
    ['a number', 123, 'body: must be an object {deviceId?, ts?, readings, messageId?, tenantId?}; got a number'],
    [
      'nothing at all',
      undefined,
      'body: must be an object {deviceId?, ts?, readings, messageId?, tenantId?}; got nothing',
    ],
    ['an empty array', [], 'body: must hold at least one reading set; got an empty array'],
    [
      'an array in an array',
      [[]],
      '[0]: must be an object {deviceId?, ts?, readings, messageId?, tenantId?}; got an array of 0',
    ],
    ['no readings', { deviceId: 'd' }, 'readings: must be an object of values by parameter; got nothing'],
    [
      'empty readings',
      { deviceId: 'd', readings: {} },
      'readings: must hold at least one parameter; got an object of 0 members',
    ],
    [
      'a nested value',
      { deviceId: 'd', readings: { t: { v: 1 } } },
      'readings.t: must be a finite number, a string or true/false; got an object of 1 members',
    ],
    [
      'infinity',
      JSON.parse('{"deviceId":"d","readings":{"t":1e999}}'),
      'readings.t: must be a finite number, a string or true/false; got a number that is not finite',
    ],
    [
      'a long text',
      { deviceId: 'd', readings: { t: 'x'.repeat(257) } },
      'readings.t: must be at most 256 characters of well-formed Unicode; got a string of 257 characters',
    ],
    [
      'a bad time',
      { deviceId: 'd', ts: '2026-11-24', readings: { t: 1 } },
      'ts: must be ISO 8601 with a zone, or epoch milliseconds; got a string of 10 characters',
    ],
  ])('%s is invalid', (_, body, detail) => {
    expect(decode(body)).toEqual({ ok: false, reason: 'invalid-event', detail });
  });

  test.each(['__proto__', 'constructor', 'toString', 'prototype', '1st', 'a b', 'é', '', 'p'.repeat(65)])(
    'the parameter name %j is refused, and nothing is polluted',
    (name) => {
      const body = `{"deviceId":"d","readings":{"ok":1,${JSON.stringify(name)}:2}}`;
      expect(decode(body)).toMatchObject({ ok: false, reason: 'invalid-event' });
      expect(Object.prototype).not.toHaveProperty('ok');
    },
  );

  test('each limit holds at its edge', () => {
    const wide = (count: number) => ({
      deviceId: 'd',
      readings: Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, 1])),
    });
    expect(events(wide(PARAMETERS_PER_READING_MAX))).toHaveLength(1);
    expect(decode(wide(PARAMETERS_PER_READING_MAX + 1))).toEqual({
      ok: false,
      reason: 'too-large',
      detail: 'readings: must hold at most 64 parameters; got 65',
    });
    const long = (count: number) => Array.from({ length: count }, () => ({ deviceId: 'd', readings: { t: 1 } }));
    expect(events(long(READING_SETS_MAX))).toHaveLength(READING_SETS_MAX);
    expect(decode(long(READING_SETS_MAX + 1))).toEqual({
      ok: false,
      reason: 'too-large',
      detail: 'body: must hold at most 500 reading sets; got 501',
    });
    const padded = (bytes: number) => '{"deviceId":"d","readings":{"t":1}}'.padEnd(bytes, ' ');
    expect(events(padded(EVENT_BYTES_MAX))).toHaveLength(1);
    expect(decode(padded(EVENT_BYTES_MAX + 1))).toMatchObject({ reason: 'too-large' });
    expect(decode(Buffer.from(padded(EVENT_BYTES_MAX + 1)))).toMatchObject({ reason: 'too-large' });
    expect(decode({ deviceId: 'd', readings: { t: 1 } }, { eventBytes: EVENT_BYTES_MAX + 1 })).toMatchObject({
      reason: 'too-large',
    });
  });

  test('a parsed body whose size nobody told is measured by what it carries', () => {
    const set = {
      deviceId: 'd',
      readings: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`p${index}`, 'x'.repeat(200)])),
    };
    expect(events(Array.from({ length: 20 }, () => set))).toHaveLength(20);
    expect(decode(Array.from({ length: 30 }, () => set))).toMatchObject({ ok: false, reason: 'too-large' });
  });

  test('a refusal echoes no value and stays short and printable', () => {
    const secret = 'hunter2'.repeat(5000);
    for (const body of [
      secret,
      { deviceId: secret, readings: { t: 1 } },
      { deviceId: 'd', readings: { t: [secret] } },
      { deviceId: 'd', readings: { t: secret } },
      { deviceId: 'd', ts: secret, readings: { t: 1 } },
    ]) {
      const decoded = decode(body);
      expect(decoded.ok ? '' : decoded.detail).not.toContain('hunter2');
    }
    const named = decode({ deviceId: 'd', readings: { [`\u0000\n\u001b${'n'.repeat(100_000)}`]: 1 } });
    expect(named).toMatchObject({ ok: false, reason: 'invalid-event' });
    const detail = named.ok ? '' : named.detail;
    expect(detail.length).toBeLessThanOrEqual(DETAIL_CHARS_MAX);
    expect(detail).toMatch(/^readings\.\?\?\?n/);
  });

  test('a hundred thousand bad names are refused without a hundred thousand complaints', () => {
    const readings = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`${index} `, null]));
    expect(decode({ deviceId: 'd', readings })).toMatchObject({
      reason: 'too-large',
      detail: 'readings: must hold at most 64 parameters; got 100000',
    });
  });
});

test('whatever comes, it answers and does not throw; what it accepts the schema accepts', () => {
  const anything = fc.oneof(
    fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withTypedArray: true,
      maxDepth: 3,
    }),
    fc.jsonValue(),
    fc.json(),
    fc.string(),
    fc.uint8Array(),
    fc.record({ deviceId: fc.jsonValue(), readings: fc.jsonValue(), ts: fc.jsonValue() }, { requiredKeys: [] }),
    fc.array(fc.record({ deviceId: fc.constantFrom('a', 'b'), readings: fc.dictionary(fc.string(), fc.jsonValue()) })),
  );
  fc.assert(
    fc.property(
      anything,
      fc.dictionary(fc.constantFrom('deviceId', 'DeviceId', 'tenantId', 'messageId'), fc.jsonValue()),
      (body, properties) => {
        const decoded = decode(body, { properties });
        const detail = decoded.ok ? 'accepted' : decoded.detail;
        expect(detail.length).toBeGreaterThan(0);
        expect(detail.length).toBeLessThanOrEqual(DETAIL_CHARS_MAX);
        const isParsed = typeof body === 'object' && !ArrayBuffer.isView(body);
        expect(!(decoded.ok && isParsed) || directBody.safeParse(body).success).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
});
