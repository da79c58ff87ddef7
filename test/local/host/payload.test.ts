import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { listenOnLoopbackOnly } from '../../../local/host/http/proxy-address.ts';
import { parseTimeSpan } from '../../../local/host/config/time-span.ts';
import { bytesCollection, textCollection, toDateTime, toLong } from '../../../local/host/rpc/typed-data.ts';
import { retryPolicy } from '../../../local/host/retry.ts';

test('a 64-bit number is two halves, for every number that JavaScript holds exactly', () => {
  expect(toLong(2 ** 32 + 5)).toEqual({ low: 5, high: 1, unsigned: false });
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const { low, high } = toLong(value);
      expect(high * 2 ** 32 + (low >>> 0)).toBe(value);
    }),
  );
});

test.each([
  ['2026-01-02T03:04:05.120Z', '2026-01-02T03:04:05.12'],
  ['2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05'],
  ['2026-01-02T03:04:00.000Z', '2026-01-02T03:04:00'],
  ['2026-10-20T10:20:30.007Z', '2026-10-20T10:20:30.007'],
])('the time %s travels as %s, without a zone', (at, text) => {
  expect(toDateTime(new Date(at))).toBe(text);
});

test('empty entries are left out, unless the app asked for them', () => {
  expect(textCollection(['a', '', undefined], false)).toEqual({ collectionString: { string: ['a'] } });
  expect(textCollection(['a', '', undefined], true)).toEqual({ collectionString: { string: ['a', '', ''] } });
  expect(bytesCollection([Buffer.from('a'), Buffer.alloc(0)], false).collectionBytes?.bytes).toHaveLength(1);
  expect(bytesCollection([Buffer.from('a'), Buffer.alloc(0)], true).collectionBytes?.bytes).toHaveLength(2);
});

test.each([
  ['00:00:30', 30_000],
  ['1.02:03:04.5', 93_784_500],
  ['02:03', 7_380_000],
  ['-00:00:01', -1000],
  ['24:00:00', undefined],
  ['00:60:00', undefined],
  ['soon', undefined],
])('the TimeSpan %s is %s ms', (text, milliseconds) => {
  expect(parseTimeSpan(text)).toBe(milliseconds);
});

test('exponential back-off: the minimum, then a jittered doubling on top, never above the maximum', () => {
  const policy = retryPolicy(
    'f',
    {
      maxRetryCount: -1,
      retryStrategy: 'exponentialBackoff',
      minimumInterval: { seconds: 2 },
      maximumInterval: { seconds: 60 },
    },
    () => 0.5,
  );
  expect([1, 2, 3, 4, 5, 9].map((retry) => policy.delayMs(retry))).toEqual([2000, 4000, 6000, 10_000, 18_000, 60_000]);
});

test.each([
  [{ maxRetryCount: -2 }, 'maxRetryCount'],
  [{ maxRetryCount: 1, retryStrategy: 'fixedDelay' as const }, 'delayInterval is missing'],
  [
    { maxRetryCount: 1, retryStrategy: 'exponentialBackoff' as const, minimumInterval: { seconds: 1 } },
    'minimumInterval and maximumInterval',
  ],
  [
    {
      maxRetryCount: 1,
      retryStrategy: 'exponentialBackoff' as const,
      minimumInterval: { seconds: 9 },
      maximumInterval: { seconds: 1 },
    },
    'above maximumInterval',
  ],
])('a retry policy %j is refused: %s', (options, message) => {
  expect(() => retryPolicy('f', options)).toThrow(message);
});

test('a server that the library opens listens on loopback only', async () => {
  const server = createServer();
  const proxy = listenOnLoopbackOnly(() => once(server.listen(), 'listening'));
  await proxy.result;
  expect(server.address()).toMatchObject({ address: '127.0.0.1' });
  expect(proxy.address()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  await proxy.close();
  expect(server.listening).toBe(false);
  // Others, opened later, are left alone.
  const other = createServer();
  await once(other.listen(0), 'listening');
  expect(other.address()).not.toMatchObject({ address: '127.0.0.1' });
  other.close();
});
