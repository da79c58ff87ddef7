import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import {
  createSecretHasher,
  isClientId,
  isClientSecret,
  newClientId,
  newClientSecret,
} from '../../shared/applications/client-credentials.ts';

test('ids and secrets have the documented form', () => {
  expect(newClientId()).toMatch(/^slca_[0-9A-Za-z]{22}$/);
  expect(newClientSecret()).toMatch(/^slc_[0-9A-Za-z]{49}$/);
  expect(isClientId(newClientId())).toBe(true);
});

test('any one changed character breaks the checksum, so that typing errors cost no read', () => {
  const holds = () =>
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 52 }), fc.constantFrom('0', 'a', 'Z', '9', 'k'), (at, char) => {
        const secret = newClientSecret();
        const changed = secret.slice(0, at) + char + secret.slice(at + 1);
        return isClientSecret(secret) && isClientSecret(changed) === (changed === secret);
      }),
    );
  expect(holds).not.toThrow();
});

test.each(['', 'slc_', 'slca_short', '\0', 'x'.repeat(10_000), 'slc_' + 'é'.repeat(49)])('%j is neither', (text) => {
  expect(isClientId(text) || isClientSecret(text)).toBe(false);
});

test('characters of secrets are spread evenly over base 62', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    for (const char of newClientSecret().slice(4, 47)) counts.set(char, (counts.get(char) ?? 0) + 1);
  }
  const expected = (2000 * 43) / 62;
  // Biased sampling (byte % 62) would lift eight characters by a quarter; six sigma of an even choice is 16 %.
  const worst = Math.max(...[...counts.values()].map((count) => Math.abs(count / expected - 1)));
  expect(counts.size).toBe(62);
  expect(worst).toBeLessThan(0.18);
});

test('a hash holds under the current and the previous master key, and under no other', () => {
  const [old, current, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const secret = newClientSecret();
  const stored = createSecretHasher([old]).hash(secret);
  expect(JSON.stringify(stored)).not.toContain(secret);
  const rotated = createSecretHasher([current, old]);
  expect(rotated.matches(secret, stored)).toBe(true);
  expect(rotated.matches(newClientSecret(), stored)).toBe(false);
  expect(rotated.hash(secret).keyId).not.toBe(stored.keyId);
  expect(createSecretHasher([other]).matches(secret, stored)).toBe(false);
});
