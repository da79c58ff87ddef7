/** RFC 9068, JWT access tokens; numbers in brackets are sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSecretKey, randomUUID } from 'node:crypto';
import {
  base64url,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  type JWTPayload,
} from 'jose';
import { ACCESS_TOKEN_SECONDS } from '../../shared/applications/token-lifetime.ts';
import { createAccessTokens } from '../../shared/oauth/access-token.ts';
import { registrationId } from '../../shared/devices/devices.ts';
import { tenantId } from '../../shared/identity/ids.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';

let api: Living;
let app: TestApplication;
let token: string;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
  });
  app = await api.application();
  token = await api.accessToken(app);
});
afterAll(() => api.close());

const info = (bearer: string) => api.call('GET', '/oauth/token/info', { token: bearer });

describe('the token [2]', () => {
  test('is typed at+jwt, signed asymmetrically, and names its key', () => {
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
  });

  test('carries what the specification requires, and what the product adds', () => {
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({
      iss: api.url,
      aud: api.url,
      sub: app.clientId,
      client_id: app.clientId,
      scope: 'app',
      tid: 'default',
      ep: 1,
      pv: 1,
      dev: [],
      grp: [],
      anom: false,
    });
    expect(claims.exp).toBe((claims.iat ?? 0) + ACCESS_TOKEN_SECONDS);
    expect(claims.jti).toMatch(/./);
  });

  test('verifies with the published key set, which holds nothing private', async () => {
    const keys = createRemoteJWKSet(new URL(`${api.url}/.well-known/jwks.json`));
    await jwtVerify(token, keys, { issuer: api.url, audience: api.url, typ: 'at+jwt' });
    const { body, headers } = await api.call('GET', '/.well-known/jwks.json');
    expect(headers.get('cache-control')).toContain('max-age=300');
    for (const key of body.keys) expect(Object.keys(key)).not.toContain('d');
  });

  test('expires_in is exp - iat, and both end with the application', async () => {
    const expiresAt = new Date(Date.now() + 120_000).toISOString();
    const short = await api.application({ expiresAt });
    const { body } = await api.token({
      grant_type: 'client_credentials',
      client_id: short.clientId,
      client_secret: short.clientSecret,
    });
    const { exp = 0, iat = 0 } = decodeJwt(body.access_token);
    expect(body.expires_in).toBe(exp - iat);
    expect(body.expires_in).toBeLessThanOrEqual(120);
    expect(exp * 1000).toBeLessThanOrEqual(Date.parse(expiresAt));
  });

  test('names devices and groups while they are few, and refers to them when they are many: at most 4 KB', async () => {
    const ids = Array.from({ length: 300 }, (_, i) => `device-${i}-${'x'.repeat(40)}`);
    for (const deviceId of ids.slice(0, 3)) await api.manage('POST', '/v1/devices', { deviceId });
    const few = decodeJwt(await api.accessToken(await api.application({ devices: ids.slice(0, 3) })));
    expect(few).toMatchObject({ dev: ids.slice(0, 3) });
    await Promise.all(ids.slice(3).map((deviceId) => api.manage('POST', '/v1/devices', { deviceId })));
    const large = await api.accessToken(await api.application({ devices: ids }));
    expect(large.length).toBeLessThanOrEqual(4096);
    const claims = decodeJwt(large);
    expect(claims).toMatchObject({ dref: '1', dcount: 300 });
    expect(claims).not.toHaveProperty('dev');
    const page = await api.call('GET', '/v1/me/devices?limit=200', { token: large });
    const rest = await api.call('GET', `/v1/me/devices?limit=200&cursor=${page.body.nextCursor}`, { token: large });
    const listed = [...page.body.items, ...rest.body.items].map(({ deviceId }) => deviceId);
    expect(listed).toEqual(ids.toSorted());
    expect([page.body.total, rest.body.nextCursor]).toEqual([300, null]);
  });
});

describe('five thousand devices', () => {
  const ids = Array.from({ length: 5_000 }, (_, index) => `${randomUUID()}-${index}`);

  test('the token stays below 4 KB, says how many there are, and /v1/me/devices pages all of them', async () => {
    const { devices } = await api.instance();
    const at = new Date().toISOString();
    const common = { source: 'direct', tenantId: tenantId.parse('default'), enabled: true } as const;
    for (let start = 0; start < ids.length; start += 250) {
      await Promise.all(
        ids.slice(start, start + 250).map((deviceId) =>
          devices.create({
            ...common,
            id: registrationId('direct', deviceId),
            deviceId,
            name: deviceId,
            groups: [],
            createdAt: at,
            updatedAt: at,
          }),
        ),
      );
    }
    const large = await api.accessToken(await api.application({ devices: ids }));
    expect(large.length).toBeLessThanOrEqual(4096);
    expect(decodeJwt(large)).toMatchObject({ dcount: 5_000, dref: '1' });
    const listed: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await api.call('GET', `/v1/me/devices?limit=200${query}`, { token: large });
      expect(body.total).toBe(5_000);
      listed.push(...body.items.map(({ deviceId }: { deviceId: string }) => deviceId));
      cursor = body.nextCursor;
    }
    expect(listed).toEqual(ids.toSorted());
  }, 120_000);
});

describe('validation [4]', () => {
  /** A token that differs from a good one in the ways given. */
  async function forged(claims: JWTPayload, header: Record<string, string> = {}): Promise<string> {
    const { keys } = await api.instance();
    const { kid, algorithm, privateKey } = await keys.signer();
    return new SignJWT({ ...decodeJwt(token), ...claims })
      .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid, ...header })
      .sign(privateKey);
  }

  test('a token that is only copied is let in: the forger of these tests works', async () => {
    expect(await info(await forged({}))).toMatchObject({ status: 200 });
  });

  test.each<[string, JWTPayload, Record<string, string>]>([
    ['another type', {}, { typ: 'JWT' }],
    ['another issuer', { iss: 'https://other.example' }, {}],
    ['another audience', { aud: 'https://other.example' }, {}],
    ['one that has expired', { exp: 1000 }, {}],
    ['another tenant', { tid: 'other' }, {}],
    ['an old epoch', { ep: 0 }, {}],
    ['an unknown key', {}, { kid: 'unknown' }],
    ['a deleted client', { client_id: `slca_${'0'.repeat(22)}` }, {}],
    ['a claim of the wrong type', { ep: '1' }, {}],
    ['roles that a client gave itself', { roles: ['admin'] }, {}],
  ])('%s is refused', async (_, claims, header) => {
    expect(await info(await forged(claims, header))).toMatchObject({ status: 401 });
  });

  test('no algorithm, a symmetric one keyed with the public key, and another key are refused [8725]', async () => {
    const { kid = '' } = decodeProtectedHeader(token);
    const payload = decodeJwt(token);
    const none = `${base64url.encode(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid }))}.${token.split('.')[1]}.`;
    const { body } = await api.call('GET', '/.well-known/jwks.json');
    const secret = createSecretKey(Buffer.from(JSON.stringify(body.keys[0])));
    const symmetric = await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid }).sign(secret);
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const embedded = await new SignJWT(payload)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    for (const bad of [none, symmetric, embedded]) expect(await info(bad)).toMatchObject({ status: 401 });
  });

  test('a changed character is refused', async () => {
    const [head, payload, signature = ''] = token.split('.');
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    expect(await info(`${head}.${payload}.${flipped}`)).toMatchObject({ status: 401 });
  });

  test('a token has one spelling: neither padding nor bits that no byte needs are ignored [7515 2]', async () => {
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = (text: string) => text.slice(0, -1) + digits[digits.indexOf(text.at(-1) ?? '') + 1];
    const [head, payload, signature = ''] = token.split('.');
    // ES256: 64 bytes leave four bits of the last character unused, so its neighbour decodes to the same signature.
    expect(Buffer.from(twin(signature), 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
    for (const spelling of [`${head}.${payload}.${twin(signature)}`, `${token}==`, `${token}.`]) {
      expect(await info(spelling)).toMatchObject({ status: 401 });
    }
  });

  test('clocks may differ by 5 s, not more', async () => {
    const clock = { now: Date.now() };
    const { keys } = await api.instance();
    const tokens = createAccessTokens(keys, api.url, () => clock.now);
    const { exp = 0 } = decodeJwt(token);
    clock.now = (exp + 4) * 1000;
    expect(await tokens.verify(token)).toBeDefined();
    clock.now = (exp + 6) * 1000;
    expect(await tokens.verify(token)).toBeUndefined();
  });
});
