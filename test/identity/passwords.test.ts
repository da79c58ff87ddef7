import crypto from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createPasswords, newPassword } from '../../shared/identity/passwords.ts';

const passwords = createPasswords();

test('a password is its own hash and no other, and no two hashes are alike', async () => {
  const [one, other] = [await passwords.hash('correct horse battery'), await passwords.hash('correct horse battery')];
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(one).not.toBe(other);
  expect(await passwords.matches('correct horse battery', one)).toBe(true);
  expect(await passwords.matches('correct horse batterx', one)).toBe(false);
});

test('the hash of another implementation is understood, with its own parameters', async () => {
  // The reference implementation: echo -n "correct horse battery" | argon2 somesalt -id -t 2 -m 10 -p 1 -l 32
  const { argon2Sync } = await import('node:crypto');
  const parameters = { nonce: Buffer.from('somesalt'), memory: 1024, passes: 2, parallelism: 1, tagLength: 32 };
  const hash = argon2Sync('argon2id', { message: 'correct horse battery', ...parameters });
  const text = `$argon2id$v=19$m=1024,t=2,p=1$${Buffer.from('somesalt').toString('base64').replaceAll('=', '')}$${hash.toString('base64').replaceAll('=', '')}`;
  expect(await passwords.matches('correct horse battery', text)).toBe(true);
});

test('without a stored hash, or with a damaged one, nothing matches', async () => {
  for (const stored of [undefined, '', '$argon2id$', '$argon2i$v=19$m=1024,t=2,p=1$c29tZXNhbHQ$AAAA']) {
    expect(await passwords.matches('correct horse battery', stored)).toBe(false);
  }
});

test('how an accent was typed makes no difference', async () => {
  const stored = await passwords.hash('caf\u00e9 caf\u00e9 caf\u00e9');
  expect(await passwords.matches('cafe\u0301 cafe\u0301 cafe\u0301', stored)).toBe(true);
});

test('many at once wait their turn, too many are asked to come again', async () => {
  const crowd = createPasswords();
  const all = await Promise.allSettled(Array.from({ length: 80 }, () => crowd.matches('x', undefined)));
  const refused = all.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(80 - 66);
  expect(await crowd.matches('x', undefined)).toBe(false);
});

test('every text of 12 to 256 characters that are not all alike is a password', () => {
  const holds = () =>
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 256 }), (text) => {
        return newPassword.safeParse(text).success === new Set(text).size >= 5;
      }),
    );
  expect(holds).not.toThrow();
});

test('without argon2id a password is refused with a sentence, never by a missing function', async () => {
  const { argon2 } = crypto;
  Object.assign(crypto, { argon2: undefined });
  try {
    const old = createPasswords();
    for (const asked of [old.hash('correct horse battery'), old.matches('correct horse battery', undefined)]) {
      await expect(asked).rejects.toMatchObject({ kind: 'passwords-unavailable', status: 501 });
    }
  } finally {
    Object.assign(crypto, { argon2 });
  }
});
