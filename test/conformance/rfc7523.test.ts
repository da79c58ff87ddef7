/** RFC 7521 and RFC 7523, clients that prove themselves by a key (private_key_jwt); numbers in brackets are sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { exportJWK, SignJWT, type JWTHeaderParameters } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { proofKey, type ProofKey } from '../support/dpop.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const PATH = '/v1/external-applications';
let api: Living;
let app: TestApplication;
let key: ProofKey;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
  });
  key = await proofKey();
  app = await api.application({ clientAuthentication: 'private_key_jwt', jwks: { keys: [{ ...key.jwk, kid: 'k1' }] } });
});
afterAll(() => api.close());

interface Change {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  by?: ProofKey;
  of?: TestApplication;
}

const seconds = () => Math.floor(Date.now() / 1000);
function assertion({ claims = {}, header = {}, by = key, of = app }: Change = {}): Promise<string> {
  const own = {
    iss: of.clientId,
    sub: of.clientId,
    aud: api.url,
    jti: randomUUID(),
    iat: seconds(),
    exp: seconds() + 60,
  };
  return new SignJWT({ ...own, ...claims })
    .setProtectedHeader({ alg: by.alg, kid: 'k1', ...header } as JWTHeaderParameters)
    .sign(by.privateKey);
}
const send = (text: string, more: Record<string, string> = {}, path = '/connect/token') =>
  api.call('POST', path, {
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: TYPE,
      client_assertion: text,
      ...more,
    }),
  });

describe('a right assertion [3]', () => {
  test('gives a token; the application has no secret at all', async () => {
    expect(app).not.toHaveProperty('clientSecret');
    const { status, body } = await send(await assertion());
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
    expect(await api.call('GET', '/v1/me/devices', { token: body.access_token })).toMatchObject({ status: 200 });
  });

  test.each(['', '/', '/connect/token', '/oauth/token'])('the audience may be the issuer with %j', async (path) => {
    expect(await send(await assertion({ claims: { aud: `${api.url}${path}` } }))).toMatchObject({ status: 200 });
    expect(await send(await assertion({ claims: { aud: [`${api.url}${path}`] } }))).toMatchObject({ status: 200 });
  });

  test('the same client_id may stand beside it [7521 4.2]', async () => {
    expect(await send(await assertion(), { client_id: app.clientId })).toMatchObject({ status: 200 });
  });

  test.each(['ES256', 'EdDSA', 'RS256', 'PS256'])('%s', async (alg) => {
    const own = await proofKey(alg);
    const other = await api.application({ jwks: { keys: [{ ...own.jwk, kid: 'k1' }] } });
    expect(await send(await assertion({ by: own, of: other }))).toMatchObject({ status: 200 });
  });

  test('a key is found without its kid', async () => {
    expect(await send(await assertion({ header: { kid: undefined } }))).toMatchObject({ status: 200 });
  });

  test('revocation and introspection take it too', async () => {
    const token = (await send(await assertion())).body.access_token as string;
    expect(await send(await assertion(), { token }, '/oauth/introspect')).toMatchObject({ body: { active: true } });
    expect(await send(await assertion(), { token }, '/oauth/revoke')).toMatchObject({ status: 200 });
    expect(await send(await assertion(), { token }, '/oauth/introspect')).toMatchObject({ body: { active: false } });
  });

  test('the use of a key is noted', async () => {
    await send(await assertion());
    const { body } = await api.manage('GET', `${PATH}/${app.id}`);
    expect(body.keys).toEqual([{ kid: 'k1', lastUsedAt: expect.stringMatching(/^20/) }]);
    expect(body.lastUsedAt).toMatch(/^20/);
  });
});

describe('a wrong assertion is 401 invalid_client, with the reason in the audit only', () => {
  test.each<[string, () => Promise<Change> | Change, string]>([
    ['of another issuer [3 1]', () => ({ claims: { iss: 'other' } }), ''],
    ['of another subject [3 2]', () => ({ claims: { sub: 'other' } }), ''],
    ['for another audience [3 3]', () => ({ claims: { aud: 'https://other.example' } }), 'another audience'],
    ['for others beside us [3 3]', () => ({ claims: { aud: [api.url, 'https://other.example'] } }), 'another audience'],
    ['without an audience', () => ({ claims: { aud: undefined } }), 'wrong aud'],
    ['that has expired [3 4]', () => ({ claims: { exp: seconds() - 120 } }), 'expired'],
    ['without an end', () => ({ claims: { exp: undefined } }), 'wrong exp'],
    ['that lives an hour', () => ({ claims: { exp: seconds() + 3600 } }), 'lives too long'],
    ['of the future [3 6]', () => ({ claims: { iat: seconds() + 600, exp: seconds() + 300 } }), 'future'],
    ['that is not valid yet [3 5]', () => ({ claims: { nbf: seconds() + 600 } }), 'wrong nbf'],
    ['without an id [3 7]', () => ({ claims: { jti: undefined } }), 'wrong jti'],
    ['with an id that is no text', () => ({ claims: { jti: '' } }), 'sound jti'],
    ['by another key', async () => ({ by: await proofKey() }), 'no key'],
    ['by an unknown kid', () => ({ header: { kid: 'k2' } }), 'no key'],
  ])('%s', async (_: string, change: () => Promise<Change> | Change, reason: string) => {
    // One of its own each: after ten failures the answer would be to wait.
    const of = await api.application({ jwks: { keys: [{ ...key.jwk, kid: 'k1' }] } });
    const { status, body, headers } = await send(await assertion({ of, ...(await change()) }));
    expect([status, body.error, body.error_description]).toEqual([
      401,
      'invalid_client',
      'The client credentials are not valid.',
    ]);
    expect(headers.get('www-authenticate')).toBeNull();
    if (reason === '') return;
    const actor = `client:…${of.clientId.slice(-4)}`;
    const audit = await api.manage(
      'GET',
      `/v1/audit?action=client-authentication-failed&actor=${encodeURIComponent(actor)}`,
    );
    expect(audit.body.items).toEqual([expect.objectContaining({ reason: expect.stringContaining(reason) })]);
  });

  test('sent a second time [3 7]', async () => {
    const text = await assertion();
    expect(await send(text)).toMatchObject({ status: 200 });
    expect((await send(text)).status).toBeGreaterThanOrEqual(401);
  });

  test('signed with a secret, or not at all', async () => {
    const secret = new TextEncoder().encode('x'.repeat(32));
    const claims = { iss: app.clientId, sub: app.clientId, aud: api.url, jti: 'h', exp: seconds() + 60 };
    const symmetric = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const bad of [symmetric, `${encode({ alg: 'none' })}.${encode(claims)}.`, 'garbage', 'a.b.c']) {
      expect((await send(bad)).body.error).toBe('invalid_client');
    }
  });

  test("of another application's key", async () => {
    const own = await proofKey();
    const other = await api.application({ jwks: { keys: [{ ...own.jwk, kid: 'k1' }] } });
    const text = await assertion({ by: own, of: other, claims: { iss: app.clientId, sub: app.clientId } });
    expect((await send(text)).body.error).toBe('invalid_client');
  });

  test('and a disabled application stays out', async () => {
    const other = await api.application({ jwks: { keys: [{ ...key.jwk, kid: 'k1' }] } });
    await api.manage('POST', `${PATH}/${other.id}/disable`);
    expect(await send(await assertion({ of: other }))).toMatchObject({ status: 401 });
  });
});

describe('requests', () => {
  test('another client_id beside it is refused [7521 4.2]', async () => {
    const { status, body } = await send(await assertion(), { client_id: 'slca_other' });
    expect([status, body.error]).toEqual([401, 'invalid_client']);
  });

  test('a second way to authenticate is refused [6749 2.3]', async () => {
    const { status, body } = await send(await assertion(), { client_secret: 'x' });
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('another assertion type, or none, is refused', async () => {
    for (const type of ['urn:ietf:params:oauth:client-assertion-type:saml2-bearer', '']) {
      const { status, body } = await send(await assertion(), { client_assertion_type: type });
      expect([status, body.error]).toEqual([400, 'invalid_request']);
    }
  });

  test('a secret does not let in whoever has none', async () => {
    const other = await api.application();
    const { status } = await api.token({
      grant_type: 'client_credentials',
      client_id: app.clientId,
      client_secret: other.clientSecret,
    });
    expect([401, 429]).toContain(status);
  });
});

describe('registering keys', () => {
  const create = (input: object) => api.manage('POST', PATH, { name: randomUUID(), expiresAt: '2099-12-31', ...input });

  test.each<[string, () => Promise<object>, number]>([
    ['a private key', async () => ({ jwks: { keys: [await exportJWK(key.privateKey)] } }), 400],
    ['a symmetric key', async () => ({ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }), 400],
    ['a broken key', async () => ({ jwks: { keys: [{ ...key.jwk, y: 'AAAA' }] } }), 400],
    [
      'five keys',
      async () => ({ jwks: { keys: Array.from({ length: 5 }, (_, i) => ({ ...key.jwk, kid: `${i}` })) } }),
      400,
    ],
    ['one key twice', async () => ({ jwks: { keys: [key.jwk, key.jwk] } }), 400],
    ['no key where one is needed', async () => ({ clientAuthentication: 'private_key_jwt' }), 422],
    ['a key of a public client', async () => ({ clientType: 'public', jwks: { keys: [key.jwk] } }), 422],
  ])('%s is refused', async (_, input, status) => {
    const answer = await create(await input());
    expect(answer.status).toBe(status);
    expect(answer.text).toContain('jwks');
  });

  test('a private key that was sent by mistake is not echoed', async () => {
    const jwk = await exportJWK(key.privateKey);
    const { text } = await create({ jwks: { keys: [jwk] } });
    expect(text).not.toContain(jwk.d ?? '');
    expect(text).toContain('is private');
  });

  test('taking a key away ends the tokens that it bought, and only those', async () => {
    const [one, two] = [await proofKey(), await proofKey()];
    const keys = [
      { ...one.jwk, kid: 'one' },
      { ...two.jwk, kid: 'two' },
    ];
    const other = await api.application({ jwks: { keys } });
    const token = async (by: ProofKey, kid: string) =>
      (await send(await assertion({ by, of: other, header: { kid } }))).body.access_token as string;
    const [first, second] = [await token(one, 'one'), await token(two, 'two')];
    const alive = async (bearer: string) => (await api.call('GET', '/v1/me/devices', { token: bearer })).status;
    expect([await alive(first), await alive(second)]).toEqual([200, 200]);
    await api.manage('PATCH', `${PATH}/${other.id}`, { jwks: { keys: keys.slice(1) } });
    expect([await alive(first), await alive(second)]).toEqual([401, 200]);
  });

  test('an application that goes over to keys only loses its secret, and gets one again by a rotation', async () => {
    const other = await api.application({ jwks: { keys: [key.jwk] } });
    const bySecret = () =>
      api.token({ grant_type: 'client_credentials', client_id: other.clientId, client_secret: other.clientSecret });
    expect(await bySecret()).toMatchObject({ status: 200 });
    await api.manage('PATCH', `${PATH}/${other.id}`, { clientAuthentication: 'private_key_jwt' });
    expect(await bySecret()).toMatchObject({ status: 401 });
    expect(await api.manage('POST', `${PATH}/${other.id}/rotate-secret`)).toMatchObject({ status: 409 });
    await api.manage('PATCH', `${PATH}/${other.id}`, { clientAuthentication: 'any' });
    expect(await bySecret()).toMatchObject({ status: 401 });
    const { body } = await api.manage('POST', `${PATH}/${other.id}/rotate-secret`);
    expect(await api.accessToken({ ...other, clientSecret: body.clientSecret })).toMatch(/./);
  });
});

describe('real clients', () => {
  test('oauth4webapi', async () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    const issuer = new URL(api.url);
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
    );
    const client: oauth.Client = { client_id: app.clientId };
    const authenticate = oauth.PrivateKeyJwt({ key: key.privateKey, kid: 'k1' });
    const response = await oauth.clientCredentialsGrantRequest(as, client, authenticate, { scope: 'app' }, insecure);
    expect((await oauth.processClientCredentialsResponse(as, client, response)).token_type).toBe('bearer');
  });

  test('openid-client', async () => {
    const config = await openid.discovery(
      new URL(api.url),
      app.clientId,
      undefined,
      openid.PrivateKeyJwt({ key: key.privateKey, kid: 'k1' }),
      { execute: [openid.allowInsecureRequests] },
    );
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'app' });
    expect(await openid.tokenIntrospection(config, tokens.access_token)).toMatchObject({ active: true });
    await openid.tokenRevocation(config, tokens.access_token);
    expect(await openid.tokenIntrospection(config, tokens.access_token)).toMatchObject({ active: false });
  });
});
