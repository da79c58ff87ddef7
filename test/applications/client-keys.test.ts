import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { clientKey, thumbprint } from '../../shared/applications/client-keys.ts';

describe('public keys of applications', () => {
  test.each(['ES256', 'EdDSA', 'RS256'])(
    '%s: the kid is the thumbprint of RFC 7638 unless one is given',
    async (alg) => {
      for (let round = 0; round < 5; round++) {
        const jwk = await exportJWK((await generateKeyPair(alg, { extractable: true })).publicKey);
        const key = clientKey.parse(jwk);
        expect(key.kid).toBe(await calculateJwkThumbprint(jwk));
        expect(thumbprint(key)).toBe(key.kid);
        expect(clientKey.parse({ ...jwk, kid: 'mine' }).kid).toBe('mine');
      }
    },
  );

  test.each([
    [1024, false],
    [2048, true],
    [4096, true],
    [4104, false],
  ])(
    'an RSA key of %i bits: %s',
    (modulusLength, sound) => {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength });
      expect(clientKey.safeParse(publicKey.export({ format: 'jwk' }) as JWK).success).toBe(sound);
    },
    60_000,
  );

  test('what a key holds beside its public members is left out', async () => {
    const jwk = await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey);
    expect(clientKey.parse({ ...jwk, x5u: 'https://evil.example', use: 'sig' })).not.toHaveProperty('x5u');
  });
});
