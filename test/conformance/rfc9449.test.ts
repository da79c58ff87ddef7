/** RFC 9449, tokens that are bound to a key (DPoP); numbers in brackets are sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HttpRequest } from '@azure/functions';
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { startWebPubSub, type WebPubSubServer } from '../../local/web-pubsub/web-pubsub.ts';
import { authenticate } from '../../shared/oauth/token-guard.ts';
import { proofFor, proofKey, type ProofChange, type ProofKey } from '../support/dpop.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';

let api: Living;
let bus: WebPubSubServer;
let app: TestApplication;
let key: ProofKey;
let nonce: string;

const TOKEN = '/connect/token';
const INFO = '/oauth/token/info';

beforeAll(async () => {
  bus = await startWebPubSub({ port: 0 });
  api = await living(async () => {
    process.env['WEBPUBSUB_CONNECTION_STRING'] = bus.connectionString;
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/stream-telemetry.ts');
  });
  app = await api.application();
  key = await proofKey();
  nonce = (await ask(await proofFor(key, 'POST', `${api.url}${TOKEN}`))).headers.get('dpop-nonce') ?? '';
});
afterAll(async () => {
  const { relay, live } = await (await import('../../functions/services.ts')).services();
  (await relay()).close();
  await (await live()).close();
  await api?.close();
  await bus?.close();
});

/** Asks for a token with a proof. */
const ask = (dpop: string, by = app, path = TOKEN) =>
  api.call('POST', path, {
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: by.clientId,
      client_secret: by.clientSecret,
    }),
    headers: { dpop },
  });
/** Asks for a token with a proof that differs in one way. */
const askWith = async (change: ProofChange, method = 'POST', url = `${api.url}${TOKEN}`) =>
  ask(await proofFor(key, method, url, { nonce, ...change }));
/** A token bound to a key. */
const boundToken = async (by = key): Promise<string> =>
  (await ask(await proofFor(by, 'POST', `${api.url}${TOKEN}`, { nonce }))).body.access_token;
/** Uses a token with a proof that differs in one way. */
async function use(token: string, change: ProofChange = {}, { path = INFO, method = 'GET', by = key } = {}) {
  const dpop = await proofFor(by, method, `${api.url}${path}`, { nonce, token, ...change });
  return api.call(method, path, { headers: { authorization: `DPoP ${token}`, dpop } });
}

describe('at the token endpoint [5]', () => {
  test.each(['ES256', 'EdDSA', 'RS256', 'PS256'])('a proof by %s binds the token to its key', async (alg) => {
    const own = await proofKey(alg);
    const { status, body, headers } = await ask(await proofFor(own, 'POST', `${api.url}${TOKEN}`, { nonce }));
    expect([status, body.token_type]).toEqual([200, 'DPoP']);
    expect(decodeJwt(body.access_token)['cnf']).toEqual({ jkt: await calculateJwkThumbprint(own.jwk) });
    expect(headers.get('dpop-nonce')).toMatch(/./);
    expect(headers.get('cache-control')).toContain('no-store');
  });

  test('without a proof the token is a bearer token, as before', async () => {
    const token = await api.accessToken(app);
    expect(decodeJwt(token)).not.toHaveProperty('cnf');
    expect(await api.call('GET', INFO, { token })).toMatchObject({ status: 200 });
  });

  test('a proof for /oauth/token is one for /oauth/token', async () => {
    const url = `${api.url}/oauth/token`;
    expect(await ask(await proofFor(key, 'POST', url, { nonce }), app, '/oauth/token')).toMatchObject({ status: 200 });
    expect(await ask(await proofFor(key, 'POST', url, { nonce }))).toMatchObject({ status: 400 });
  });

  test('an application may have chosen to get bound tokens only [5.2]', async () => {
    const strict = await api.application({ dpopBoundAccessTokens: true });
    const credentials = { client_id: strict.clientId, client_secret: strict.clientSecret };
    const plain = await api.token({ grant_type: 'client_credentials', ...credentials });
    expect([plain.status, plain.body.error]).toEqual([400, 'invalid_dpop_proof']);
    expect(await ask(await proofFor(key, 'POST', `${api.url}${TOKEN}`, { nonce }), strict)).toMatchObject({
      status: 200,
      body: { token_type: 'DPoP' },
    });
  });

  test('metadata names the algorithms, asymmetric ones only [5.1]', async () => {
    const { body } = await api.call('GET', '/.well-known/oauth-authorization-server');
    expect(body.dpop_signing_alg_values_supported).toContain('ES256');
    for (const alg of body.dpop_signing_alg_values_supported) expect(alg).not.toMatch(/^HS|none/);
  });
});

describe('checking proofs [4.3]', () => {
  const seconds = () => Math.floor(Date.now() / 1000);
  test.each<[string, () => ProofChange]>([
    ['another method', () => ({ claims: { htm: 'GET' } })],
    ['the method in small letters', () => ({ claims: { htm: 'post' } })],
    ['another path', () => ({ claims: { htu: `${api.url}/oauth/revoke` } })],
    ['another host', () => ({ claims: { htu: `https://evil.example${TOKEN}` } })],
    ['no address', () => ({ claims: { htu: 'nonsense' } })],
    ['no method', () => ({ claims: { htm: undefined } })],
    ['a method of another type', () => ({ claims: { htm: 1 } })],
    ['no id', () => ({ claims: { jti: undefined } })],
    ['an empty id', () => ({ claims: { jti: '' } })],
    ['an id of 10 KB', () => ({ claims: { jti: 'x'.repeat(10_000) } })],
    ['no time', () => ({ claims: { iat: undefined } })],
    ['an old time', () => ({ claims: { iat: seconds() - 120 } })],
    ['a time to come', () => ({ claims: { iat: seconds() + 120 } })],
    ['another type', () => ({ header: { typ: 'JWT' } })],
    ['no type', () => ({ header: { typ: undefined } })],
    ['no key', () => ({ header: { jwk: undefined } })],
    ['a key that is no object', () => ({ header: { jwk: 'x' } })],
    ['a symmetric key', () => ({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })],
    ['a point that is not on the curve', () => ({ header: { jwk: { ...key.jwk, x: 'AAAA' } } })],
  ])('a proof with %s is invalid_dpop_proof', async (_, change) => {
    const { status, body } = await askWith(change());
    expect([status, body.error]).toEqual([400, 'invalid_dpop_proof']);
    expect(body).not.toHaveProperty('access_token');
  });

  test('the key must be public', async () => {
    const { status, body } = await askWith({ header: { jwk: await exportJWK(key.privateKey) } });
    expect([status, body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  test('a proof must be signed by the key that it names', async () => {
    const { status, body } = await askWith({ signedBy: await proofKey() });
    expect([status, body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  test.each(['', 'garbage', 'a.b.c', `${Buffer.from('{"alg":"none","typ":"dpop+jwt"}').toString('base64url')}.e30.`])(
    '%j is invalid_dpop_proof',
    async (bad) => {
      const { status, body } = await ask(bad);
      expect([status, body.error]).toEqual([400, 'invalid_dpop_proof']);
    },
  );

  test('two proofs in one request are refused', async () => {
    const proofs = await Promise.all([1, 2].map(() => proofFor(key, 'POST', `${api.url}${TOKEN}`, { nonce })));
    expect(await ask(proofs.join(', '))).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
  });

  test('query and fragment of the address do not count', async () => {
    expect(await askWith({}, 'POST', `${api.url}${TOKEN}?x=1#y`)).toMatchObject({ status: 200 });
  });
});

describe('nonces [8, 9]', () => {
  test('without a nonce the answer is use_dpop_nonce with one, and it works', async () => {
    const first = await ask(await proofFor(key, 'POST', `${api.url}${TOKEN}`));
    expect([first.status, first.body.error]).toEqual([400, 'use_dpop_nonce']);
    const given = first.headers.get('dpop-nonce') ?? '';
    expect(await askWith({ nonce: given })).toMatchObject({ status: 200 });
  });

  test.each(['x', '', 'abc.def'])('the nonce %j is not one of ours', async (bad) => {
    const { status, body } = await askWith({ nonce: bad });
    expect([status, body.error]).toEqual([400, 'use_dpop_nonce']);
  });

  test('a resource asks for a nonce with 401 [9]', async () => {
    const token = await boundToken();
    const { status, headers } = await use(token, { nonce: undefined });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^DPoP .*error="use_dpop_nonce"/);
    expect(headers.get('dpop-nonce')).toMatch(/./);
  });

  test('a nonce serves three minutes, in every instance', async () => {
    const clock = { now: Date.now() };
    const [one, other] = [await api.instance(() => clock.now), await api.instance(() => clock.now)];
    const given = one.nonces.current();
    expect(other.nonces.holds(given)).toBe(true);
    clock.now += 120_000;
    expect(other.nonces.holds(given)).toBe(true);
    clock.now += 60_000;
    expect(other.nonces.holds(given)).toBe(false);
  });

  test('whoever is told to use a nonce has used nothing up: the same assertion of the client still counts', async () => {
    const proof = await proofFor(key, 'POST', `${api.url}${TOKEN}`, { claims: { jti: 'kept' } });
    await ask(proof);
    expect(await askWith({ claims: { jti: 'kept' } })).toMatchObject({ status: 200 });
  });
});

describe('replay [11.1]', () => {
  test('a proof is good for one request', async () => {
    const proof = await proofFor(key, 'POST', `${api.url}${TOKEN}`, { nonce });
    expect(await ask(proof)).toMatchObject({ status: 200 });
    expect(await ask(proof)).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
  });

  test('of many at once exactly one gets in', async () => {
    const proof = await proofFor(key, 'POST', `${api.url}${TOKEN}`, { nonce });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(proof)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('another key may use the same id', async () => {
    const other = await proofKey();
    const claims = { jti: 'shared-id' };
    expect(await askWith({ claims })).toMatchObject({ status: 200 });
    expect(await ask(await proofFor(other, 'POST', `${api.url}${TOKEN}`, { nonce, claims }))).toMatchObject({
      status: 200,
    });
  });

  test('a proof that one host has seen is refused by another', async () => {
    const token = await boundToken();
    const other = await api.instance();
    const dpop = await proofFor(key, 'GET', `${api.url}${INFO}`, { nonce, token });
    const headers = { authorization: `DPoP ${token}`, dpop };
    expect(await api.call('GET', INFO, { headers })).toMatchObject({ status: 200 });
    const copied = new HttpRequest({ method: 'GET', url: `${api.url}${INFO}`, headers });
    await expect(authenticate({ ...other, issuer: api.url }, copied)).rejects.toMatchObject({
      status: 401,
      kind: 'invalid-dpop-proof',
    });
  });
});

describe('at a resource [7]', () => {
  test('a bound token is let in with a proof', async () => {
    expect(await use(await boundToken())).toMatchObject({ status: 200 });
    expect(await use(await boundToken(), {}, { path: '/v1/me/devices' })).toMatchObject({ status: 200 });
  });

  test.each<[string, ProofChange]>([
    ['for another token', { token: 'other' }],
    ['without ath', { claims: { ath: undefined } }],
    ['for another method', { claims: { htm: 'POST' } }],
    ['for another address', { claims: { htu: 'https://evil.example/' } }],
    ['that is old', { claims: { iat: 1000 } }],
  ])('a proof %s is 401 invalid_dpop_proof', async (_, change) => {
    const { status, headers } = await use(await boundToken(), change);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_dpop_proof".*algs="ES256/);
  });

  test('a proof by another key is 401 invalid_token: a copied token is worth nothing', async () => {
    const { status, headers } = await use(await boundToken(), {}, { by: await proofKey() });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^DPoP .*error="invalid_token"/);
  });

  test('no proof at all is 401', async () => {
    const { status, headers } = await api.call('GET', INFO, {
      headers: { authorization: `DPoP ${await boundToken()}` },
    });
    expect([status, headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_dpop_proof"'),
    ]);
  });

  test('a bound token is no bearer token [7.2], and a bearer token no bound one', async () => {
    const { status, headers } = await api.call('GET', INFO, { token: await boundToken() });
    expect([status, headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^DPoP .*invalid_token/)]);
    expect(await use(await api.accessToken(app))).toMatchObject({ status: 401 });
  });

  test('without a token both schemes are offered [7.1]', async () => {
    const { headers } = await api.call('GET', INFO);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="sluice", DPoP algs="ES256/);
  });

  test('introspection says what the token is bound to [6.2]', async () => {
    const token = await boundToken();
    const form = { token, client_id: app.clientId, client_secret: app.clientSecret };
    const { body } = await api.call('POST', '/oauth/introspect', { body: new URLSearchParams(form) });
    expect(body).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: await calculateJwkThumbprint(key.jwk) },
    });
  });

  test('DELETE /oauth/token needs the proof as well', async () => {
    const token = await boundToken();
    expect(await api.call('DELETE', '/oauth/token', { token })).toMatchObject({ status: 401 });
    expect(await use(token, {}, { path: '/oauth/token', method: 'DELETE' })).toMatchObject({ status: 204 });
    expect(await use(token)).toMatchObject({ status: 401 });
  });

  test('a stream opens with a proof, and not without', async () => {
    const path = '/v1/stream/telemetry';
    const open = async (headers: Record<string, string>) => {
      const leaving = new AbortController();
      const response = await fetch(`${api.url}${path}`, { headers, signal: leaving.signal });
      leaving.abort();
      return response.status;
    };
    const token = await boundToken();
    const dpop = await proofFor(key, 'GET', `${api.url}${path}`, { nonce, token });
    expect(await open({ authorization: `DPoP ${token}`, dpop })).toBe(200);
    expect(await open({ authorization: `DPoP ${token}`, dpop })).toBe(401);
    expect(await open({ authorization: `Bearer ${token}` })).toBe(401);
    const ticket = await use(token, {}, { path: '/v1/stream/tickets', method: 'POST' });
    expect(ticket.status).toBe(201);
  });
});

describe('real clients', () => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  test('oauth4webapi gets a bound token and uses it, following the nonces', async () => {
    const issuer = new URL(api.url);
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, discovered);
    const client: oauth.Client = { client_id: app.clientId };
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const request = async () =>
      oauth.processClientCredentialsResponse(
        as,
        client,
        await oauth.clientCredentialsGrantRequest(
          as,
          client,
          oauth.ClientSecretPost(app.clientSecret),
          {},
          {
            DPoP,
            ...insecure,
          },
        ),
      );
    const tokens = await request().catch((error: unknown) => {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return request();
    });
    expect(tokens.token_type).toBe('dpop');
    const response = await oauth.protectedResourceRequest(
      tokens.access_token,
      'GET',
      new URL(`${api.url}/v1/me/devices`),
      undefined,
      undefined,
      { DPoP, ...insecure },
    );
    expect(response.status).toBe(200);
  });

  test('openid-client does the same by itself', async () => {
    const config = await openid.discovery(
      new URL(api.url),
      app.clientId,
      undefined,
      openid.ClientSecretPost(app.clientSecret),
      { execute: [openid.allowInsecureRequests] },
    );
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair());
    const tokens = await openid.clientCredentialsGrant(config, {}, { DPoP });
    expect(tokens.token_type).toBe('dpop');
    const url = new URL(`${api.url}/v1/me/devices`);
    const response = await openid.fetchProtectedResource(config, tokens.access_token, url, 'GET', null, undefined, {
      DPoP,
    });
    expect(response.status).toBe(200);
  });
});
