import { expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { deriveKeys } from '../../shared/identity/master-key.ts';
import { nextLife } from '../../shared/oauth/key-schedule.ts';
import { makeSigningKey, unwrapSigningKey } from '../../shared/oauth/signing-key.ts';

const [masterKey, otherKey] = [randomBytes(32), randomBytes(32)];

test.each(['ES256', 'RS256', 'EdDSA'] as const)(
  'a %s key is stored without its private half in the clear',
  async (alg) => {
    const [wrapKey] = deriveKeys([masterKey], 'key-wrap');
    const document = await makeSigningKey(alg, 1, nextLife(undefined, 0), wrapKey);
    const jwk = unwrapSigningKey(document, deriveKeys([otherKey, masterKey], 'key-wrap'));
    expect(jwk?.d).toBeDefined();
    expect(JSON.stringify(document)).not.toContain(jwk?.d);
    expect(document.publicJwk).not.toHaveProperty('d');
  },
);

test('another master key does not open it, and an altered one is refused', async () => {
  const wrapKeys = deriveKeys([masterKey], 'key-wrap');
  const document = await makeSigningKey('ES256', 1, nextLife(undefined, 0), wrapKeys[0]);
  expect(unwrapSigningKey(document, deriveKeys([otherKey], 'key-wrap'))).toBeUndefined();
  expect(() => unwrapSigningKey({ ...document, kid: 'another' }, wrapKeys)).toThrow(/authenticate/);
});
