/** RFC 8414 metadata, and real clients that configure themselves by it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { living, type Living, type TestApplication } from '../support/living.ts';

let api: Living;
let app: TestApplication;
/** The local host speaks plain HTTP on loopback. */
const insecure = { [oauth.allowInsecureRequests]: true };

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
  });
  app = await api.application();
});
afterAll(() => api.close());

describe('metadata [8414 2]', () => {
  test.each(['oauth-authorization-server', 'openid-configuration'])('%s', async (name) => {
    const { status, body, headers } = await api.call('GET', `/.well-known/${name}`);
    expect(status).toBe(200);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(body.issuer).toBe(api.url);
    expect(body.grant_types_supported).toEqual(['client_credentials', 'authorization_code', 'refresh_token']);
    expect(body.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    );
    expect(body.response_types_supported).toEqual(['code']);
    expect(body.code_challenge_methods_supported).toEqual(['S256']);
  });

  test('every endpoint that is advertised exists', async () => {
    const { body } = await api.call('GET', '/.well-known/oauth-authorization-server');
    const urls = Object.entries<string>(body).filter(([key]) => key.endsWith('_endpoint') || key === 'jwks_uri');
    expect(urls.length).toBeGreaterThanOrEqual(4);
    for (const [, url] of urls) {
      const { status } = await api.call('OPTIONS', new URL(url).pathname);
      expect(status).toBe(204);
    }
  });

  test('the issuer does not follow the Host header', async () => {
    const { body } = await api.call('GET', '/.well-known/openid-configuration', {
      headers: { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    });
    expect(body.issuer).toBe(api.url);
  });
});

describe('the document [2, 3]', () => {
  const document = async () => (await api.call('GET', '/.well-known/oauth-authorization-server')).body;

  test('is JSON, cacheable, and the same by both names [3.2]', async () => {
    const [one, other] = await Promise.all(
      ['oauth-authorization-server', 'openid-configuration'].map((name) => api.call('GET', `/.well-known/${name}`)),
    );
    expect(one?.headers.get('content-type')).toMatch(/^application\/json/);
    expect(one?.headers.get('cache-control')).toMatch(/max-age=\d+/);
    expect(one?.body).toEqual(other?.body);
  });

  test('every URL is below the issuer, without query or fragment', async () => {
    for (const [name, value] of Object.entries<unknown>(await document())) {
      if (!name.endsWith('_endpoint') && name !== 'jwks_uri') continue;
      const { origin, search, hash } = new URL(String(value));
      expect([origin, search, hash]).toEqual([api.url, '', '']);
    }
  });

  test('has no empty member and no null [3.2]', async () => {
    const values = Object.values<unknown>(await document());
    expect(values.filter((value) => value === null || (Array.isArray(value) && value.length === 0))).toEqual([]);
  });

  test('algorithms are named where a client signs, and none of them is symmetric or none [2]', async () => {
    const body = await document();
    for (const name of Object.keys(body).filter((key) => key.includes('_alg_values_supported'))) {
      for (const alg of body[name]) expect(alg).toMatch(/^(ES256|EdDSA|Ed25519|PS256|RS256)$/);
    }
    expect(body.token_endpoint_auth_signing_alg_values_supported).toContain('ES256');
  });

  test('what is not served is not advertised: no implicit grant, no registration, no plain PKCE [9700]', async () => {
    const body = await document();
    expect(body.grant_types_supported).not.toContain('implicit');
    expect(body.grant_types_supported).not.toContain('password');
    expect(body.response_types_supported).not.toContain('token');
    expect(body.code_challenge_methods_supported).not.toContain('plain');
    expect(body).not.toHaveProperty('registration_endpoint');
  });

  test('what is advertised as a way to authenticate is one', async () => {
    const { token_endpoint_auth_methods_supported: methods } = await document();
    expect(methods.toSorted()).toEqual(['client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt']);
  });

  test.each(['POST', 'PUT', 'DELETE'])('%s is 405', async (method) => {
    expect(await api.call(method, '/.well-known/oauth-authorization-server')).toMatchObject({ status: 405 });
  });

  test('HEAD answers as GET does, without the body', async () => {
    const { status, text, headers } = await api.call('HEAD', '/.well-known/oauth-authorization-server');
    expect([status, text, headers.get('content-type')]).toEqual([200, '', 'application/json']);
  });
});

describe('oauth4webapi', () => {
  const client = (): oauth.Client => ({ client_id: app.clientId });
  const discover = async () => {
    const issuer = new URL(api.url);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    return oauth.processDiscoveryResponse(issuer, response);
  };

  test.each([
    ['client_secret_basic', () => oauth.ClientSecretBasic(app.clientSecret)],
    ['client_secret_post', () => oauth.ClientSecretPost(app.clientSecret)],
  ])('%s, introspection, revocation', async (_, authenticate) => {
    const as = await discover();
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client(),
      authenticate(),
      { scope: 'app' },
      insecure,
    );
    const { access_token } = await oauth.processClientCredentialsResponse(as, client(), response);
    const asked = await oauth.introspectionRequest(as, client(), authenticate(), access_token, insecure);
    expect(await oauth.processIntrospectionResponse(as, client(), asked)).toMatchObject({ active: true });
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client(), authenticate(), access_token, insecure),
    );
    const again = await oauth.introspectionRequest(as, client(), authenticate(), access_token, insecure);
    expect(await oauth.processIntrospectionResponse(as, client(), again)).toEqual({ active: false });
  });

  test('takes our tokens for RFC 9068 access tokens', async () => {
    const as = await discover();
    const request = new Request(`${api.url}/v1/anything`, {
      headers: { authorization: `Bearer ${await api.accessToken(app)}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, request, api.url, insecure);
    expect(claims.client_id).toBe(app.clientId);
  });

  test('reads our errors', async () => {
    const as = await discover();
    const wrong = oauth.ClientSecretPost('slc_wrong');
    const response = await oauth.clientCredentialsGrantRequest(as, client(), wrong, {}, insecure);
    await expect(oauth.processClientCredentialsResponse(as, client(), response)).rejects.toMatchObject({
      error: 'invalid_client',
      status: 401,
    });
  });
});

describe('other clients', () => {
  test('openid-client discovers and gets a token', async () => {
    const config = await openid.discovery(
      new URL(api.url),
      app.clientId,
      undefined,
      openid.ClientSecretPost(app.clientSecret),
      { execute: [openid.allowInsecureRequests] },
    );
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'app' });
    expect(tokens.token_type).toBe('bearer');
    expect(tokens.expiresIn()).toBeGreaterThan(3590);
    await openid.tokenRevocation(config, tokens.access_token);
    expect(await openid.tokenIntrospection(config, tokens.access_token)).toMatchObject({ active: false });
  });

  test('[B11] curl, as the documentation of older servers prints it', async () => {
    const run = async (...parts: string[]) =>
      JSON.parse((await promisify(execFile)('curl', ['--silent', '--show-error', ...parts])).stdout);
    const form = ['grant_type=client_credentials', `client_id=${app.clientId}`, `client_secret=${app.clientSecret}`];
    const fields = [...form, 'scope=app'].flatMap((field) => ['--data-urlencode', field]);
    const type = ['--header', 'Content-Type: application/x-www-form-urlencoded'];
    const body = await run('--location', '--request', 'POST', `${api.url}/oauth/token`, ...type, ...fields);
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'app' });
    const user = `${app.clientId}:${app.clientSecret}`;
    const byUser = await run('-u', user, '-d', 'grant_type=client_credentials', `${api.url}/connect/token`);
    expect(byUser.token_type).toBe('Bearer');
  });
});
