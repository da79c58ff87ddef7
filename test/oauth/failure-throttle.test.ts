import { expect, test } from '@jest/globals';
import { createFailureThrottle, FAILURES_MAX } from '../../shared/oauth/failure-throttle.ts';

test('after ten failures of a client from an address the next ones wait until the window ends', () => {
  let nowMs = 0;
  const throttle = createFailureThrottle(() => nowMs);
  for (let i = 0; i < FAILURES_MAX; i++) expect(throttle.fail('a', '1.1.1.1').throttled).toBe(false);
  nowMs = 15_000;
  expect(throttle.fail('a', '1.1.1.1')).toEqual({ throttled: true, first: true, retryAfterSeconds: 45 });
  expect(throttle.fail('a', '1.1.1.1')).toEqual({ throttled: true, first: false, retryAfterSeconds: 45 });
  expect(throttle.fail('a', '2.2.2.2').throttled).toBe(false);
  expect(throttle.fail('b', '1.1.1.1').throttled).toBe(false);
  nowMs = 60_000;
  expect(throttle.fail('a', '1.1.1.1').throttled).toBe(false);
});

test('a throttle of its own bound counts by address, whoever it fails for', () => {
  const throttle = createFailureThrottle(() => 0, 3);
  for (let i = 0; i < 3; i++) {
    expect(throttle.blockedSeconds('*', '1.1.1.1')).toBeUndefined();
    throttle.fail('*', '1.1.1.1');
  }
  expect(throttle.blockedSeconds('*', '1.1.1.1')).toBe(60);
  expect(throttle.blockedSeconds('*', '2.2.2.2')).toBeUndefined();
});
