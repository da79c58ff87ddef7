/** OpenID Connect Core 1.0 and Discovery 1.0; numbers in brackets are those of Core's sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { authorizationRequest, Browser, CALLBACK, codeFlow, newUser, pkce, type TestUser } from '../support/people.ts';

let api: Living;
let app: TestApplication;
let person: TestUser;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/users.ts');
    await import('../../functions/devices.ts');
  });
  app = await api.application({ redirectUris: [CALLBACK] });
  person = await newUser(api, { name: 'Ada Lovelace' });
});
afterAll(() => api.close());

const authorize = (browser: Browser, change: Record<string, string | undefined> = {}) =>
  browser.get(`/oauth/authorize?${authorizationRequest(app, pkce().challenge, change).toString()}`);
const errorOf = async (browser: Browser, change: Record<string, string>) =>
  (await authorize(browser, change)).location?.searchParams.get('error');

describe('the ID token [2, 3.1.3.6]', () => {
  test('says who signed in, when, for whom, and which access token came with it', async () => {
    const { body } = await codeFlow(api, app, person, { scope: 'openid profile email', nonce: 'n-0S6_WzA2Mj' });
    const keys = createRemoteJWKSet(new URL(`${api.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(body.id_token, keys, {
      issuer: api.url,
      audience: app.clientId,
    });
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) });
    const half = createHash('sha256').update(body.access_token).digest().subarray(0, 16).toString('base64url');
    expect(payload).toMatchObject({
      sub: person.id,
      nonce: 'n-0S6_WzA2Mj',
      at_hash: half,
      auth_time: expect.any(Number),
      name: 'Ada Lovelace',
      preferred_username: person.login,
      email: person.login,
      email_verified: false,
    });
    expect(payload.exp).toBe((payload.iat ?? 0) + 600);
  });

  test('comes only with the scope openid, again at a refresh, and without what was not asked for [5.4, 12]', async () => {
    expect((await codeFlow(api, app, person)).body).not.toHaveProperty('id_token');
    const { body } = await codeFlow(api, app, person, { scope: 'openid' });
    const refreshed = await api.token({
      grant_type: 'refresh_token',
      refresh_token: body.refresh_token,
      client_id: app.clientId,
      client_secret: app.clientSecret,
    });
    const claims = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const [first, second] = [claims(body.id_token), claims(refreshed.body.id_token)];
    expect(second).toMatchObject({ sub: first.sub, aud: first.aud, iss: first.iss, auth_time: first.auth_time });
    expect(first).not.toHaveProperty('name');
    expect(first).not.toHaveProperty('email');
  });

  test('is no key to anything here', async () => {
    const { body } = await codeFlow(api, app, person, { scope: 'openid me' });
    expect(decodeProtectedHeader(body.access_token).typ).toBe('at+jwt');
    for (const path of ['/connect/userinfo', '/v1/me', '/v1/devices']) {
      expect((await api.call('GET', path, { token: body.id_token })).status).toBe(401);
    }
  });
});

describe('UserInfo [5.3]', () => {
  test.each(['GET', 'POST'])('%s tells what the scopes allow', async (method) => {
    const { body } = await codeFlow(api, app, person, { scope: 'openid profile' });
    const { status, body: claims } = await api.call(method, '/connect/userinfo', { token: body.access_token });
    expect(status).toBe(200);
    expect(claims).toEqual({
      sub: person.id,
      name: 'Ada Lovelace',
      preferred_username: person.login,
      tenant: 'default',
      roles: ['viewer'],
    });
  });

  test('is not for applications, nor for nobody', async () => {
    const noUser = await api.call('GET', '/connect/userinfo', { token: await api.accessToken(app) });
    expect([noUser.status, noUser.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('insufficient_scope'),
    ]);
    expect((await api.call('GET', '/connect/userinfo')).status).toBe(401);
  });

  test('openid alone does not manage', async () => {
    const { body } = await codeFlow(api, app, person, { scope: 'openid' });
    expect((await api.call('GET', '/v1/devices', { token: body.access_token })).status).toBe(403);
  });
});

describe('the authentication request [3.1.2.1]', () => {
  const signedIn = async () => {
    const browser = new Browser(api.url);
    await browser.allow(authorizationRequest(app, pkce().challenge), person);
    return browser;
  };

  test('prompt=none never shows a page', async () => {
    expect(await errorOf(new Browser(api.url), { prompt: 'none' })).toBe('login_required');
    expect(await errorOf(await signedIn(), { prompt: 'none' })).toBe('consent_required');
    expect(await errorOf(await signedIn(), { prompt: 'none login' })).toBe('invalid_request');
  });

  test('prompt=login asks again, once', async () => {
    const browser = await signedIn();
    const page = await authorize(browser, { prompt: 'login' });
    expect(page.text).toContain('name="password"');
    const { location } = await browser.submit(page, 'sign-in', { login: person.login, password: person.password });
    expect((await browser.get(location ?? '')).text).toContain('asks for access');
  });

  test('max_age asks again when the sign-in is older', async () => {
    const browser = await signedIn();
    expect((await authorize(browser, { max_age: '3600' })).text).toContain('asks for access');
    const later = await api.instance(() => Date.now() + 3_601_000);
    const { getAuthorize } = await import('../../shared/oauth/authorize.ts');
    const { HttpRequest } = await import('@azure/functions');
    const query = authorizationRequest(app, pkce().challenge, { max_age: '3600' }).toString();
    const request = new HttpRequest({
      method: 'GET',
      url: `${api.url}/oauth/authorize?${query}`,
      headers: { cookie: browser.cookie },
    });
    const { body } = await getAuthorize(later, { request, requestId: 'test', body: undefined });
    expect(body).toContain('name="password"');
  });

  test('login_hint fills the form in', async () => {
    const { text } = await authorize(new Browser(api.url), { login_hint: 'ada@example.com' });
    expect(text).toContain('value="ada@example.com"');
  });

  test('may be sent as a form as well', async () => {
    const request = authorizationRequest(app, pkce().challenge);
    const page = await new Browser(api.url).post('/oauth/authorize', Object.fromEntries(request));
    expect(page.text).toContain('name="password"');
  });
});

test('the metadata has what Discovery requires, and what it names is there [Discovery 3]', async () => {
  const { body } = await api.call('GET', '/.well-known/openid-configuration');
  expect(body).toMatchObject({
    issuer: api.url,
    authorization_endpoint: `${api.url}/oauth/authorize`,
    token_endpoint: `${api.url}/connect/token`,
    userinfo_endpoint: `${api.url}/connect/userinfo`,
    jwks_uri: `${api.url}/.well-known/jwks.json`,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
  for (const scope of ['openid', 'me', 'app', 'basic']) expect(body.scopes_supported).toContain(scope);
});
