import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { needsNext, nextLife, publishedNow, signingNow, type KeyLife } from '../../shared/oauth/key-schedule.ts';

const DAY = 86_400_000;

test('the first key signs at once', () => {
  const life = nextLife(undefined, 1000);
  expect(life.publishAt).toBe(1000);
  expect(signingNow([life], 1000)).toBe(life);
});

test('over a year of a daily timer with missed days there is always one signer, published a day before', () => {
  const holds = () =>
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 200, maxLength: 400 }), (runs) => {
        let keys: KeyLife[] = [nextLife(undefined, 0)];
        let missed = 0;
        for (const [day, mayRun] of runs.entries()) {
          const now = day * DAY + 3_600_000;
          // The timer may fail three days in a row, never four.
          missed = mayRun || missed >= 3 ? 0 : missed + 1;
          if (missed === 0 && needsNext(keys, now)) keys = [...keys, nextLife(keys.at(-1), now)];
          const signer = signingNow(keys, now);
          if (!signer || !publishedNow(keys, now).includes(signer)) return false;
          if (signer !== keys[0] && signer.signFrom - signer.publishAt < DAY) return false;
          // Whatever was signed up to now for 14 days at most still verifies.
          const before = keys.filter(({ signUntil }) => signUntil > now - 14 * DAY);
          if (!before.every((key) => key.publishAt > now || publishedNow(keys, now).includes(key))) return false;
        }
        return true;
      }),
      { numRuns: 50 },
    );
  expect(holds).not.toThrow();
});

test('a deployment that slept for months signs again at once', () => {
  const old = nextLife(undefined, 0);
  const now = 200 * DAY;
  expect(signingNow([old], now)).toBeUndefined();
  expect(needsNext([old], now)).toBe(true);
  expect(nextLife(old, now).signFrom).toBe(now);
});
