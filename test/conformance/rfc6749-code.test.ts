/** RFC 6749, the authorization endpoint and the grants of people; numbers in brackets are those of its sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
  });
  app = await api.application({ redirectUris: [CALLBACK, 'https://client.example/other?kept=1'] });
  person = await newUser(api, { name: 'Ada <b>&</b>', roles: ['viewer'] });
});
afterAll(() => api.close());

const secretOf = ({ clientId, clientSecret }: TestApplication) => ({
  client_id: clientId,
  client_secret: clientSecret,
});
const authorize = (change: Record<string, string | undefined> = {}, application = app) =>
  new Browser(api.url).get(
    `/oauth/authorize?${authorizationRequest(application, pkce().challenge, change).toString()}`,
  );

/** Signs in and allows. @returns the form that trades the code */
async function code(change: Record<string, string | undefined> = {}, application = app) {
  const { verifier, challenge } = pkce();
  const back = await new Browser(api.url).allow(authorizationRequest(application, challenge, change), person);
  return {
    back,
    form: {
      grant_type: 'authorization_code',
      code: back.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      ...secretOf(application),
    },
  };
}

describe('the whole way [4.1, B1, B4]', () => {
  test('[B1] a person signs in, allows, and the application gets a token in their name', async () => {
    const { back, form } = await code({ state: 'a state & more' });
    expect(back.origin + back.pathname).toBe(CALLBACK);
    expect(back.searchParams.get('state')).toBe('a state & more');
    expect(back.searchParams.get('iss')).toBe(api.url);
    const { status, body, headers } = await api.token(form);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toContain('no-store');
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.stringMatching(/^slr_/),
      scope: 'me',
      created_at: expect.any(Number),
    });
    const me = await api.call('GET', '/v1/me', { token: body.access_token });
    expect(me.body).toMatchObject({ id: person.id, login: person.login, tenant: 'default' });
  });

  test('the query of a redirect URI is kept [3.1.2]', async () => {
    const { back } = await code({ redirect_uri: 'https://client.example/other?kept=1' });
    expect(back.searchParams.get('kept')).toBe('1');
    expect(back.searchParams.has('code')).toBe(true);
  });

  test('whoever is signed in is only asked for consent', async () => {
    const browser = new Browser(api.url);
    await browser.allow(authorizationRequest(app, pkce().challenge), person);
    const page = await browser.get(`/oauth/authorize?${authorizationRequest(app, pkce().challenge).toString()}`);
    expect(page.text).toContain('asks for access');
    expect(page.text).toContain('Ada &lt;b&gt;&amp;&lt;/b&gt;');
    expect(page.text).not.toContain('<b>&');
  });

  test('another account: the person is signed out and asked again', async () => {
    const browser = new Browser(api.url);
    const request = authorizationRequest(app, pkce().challenge);
    await browser.allow(request, person);
    const consent = await browser.get(`/oauth/authorize?${request.toString()}`);
    const { location } = await browser.submit(consent, 'switch');
    expect((await browser.get(location ?? '')).text).toContain('name="password"');
  });
});

describe('errors that go back to the application [4.1.2.1]', () => {
  test.each<[string, Record<string, string | undefined>, string]>([
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['another response_type', { response_type: 'token' }, 'unsupported_response_type'],
    ['a scope of applications', { scope: 'app' }, 'invalid_scope'],
    ['an unknown scope', { scope: 'me everything' }, 'invalid_scope'],
    ['a request object', { request: 'x.y.z' }, 'request_not_supported'],
    ['a form_post answer', { response_mode: 'fragment' }, 'invalid_request'],
    ['another resource', { resource: 'https://elsewhere.example' }, 'invalid_target'],
  ])('%s', async (_, change, error) => {
    const { status, location } = await authorize(change);
    expect(status).toBe(303);
    expect(location?.origin).toBe('https://client.example');
    expect(Object.fromEntries(location?.searchParams ?? [])).toMatchObject({
      error,
      state: 'a state & more',
      iss: api.url,
    });
  });

  test('a person who says no: access_denied', async () => {
    const browser = new Browser(api.url);
    const page = await browser.get(`/oauth/authorize?${authorizationRequest(app, pkce().challenge).toString()}`);
    const { location } = await browser.submit(page, 'deny');
    expect(location?.searchParams.get('error')).toBe('access_denied');
    expect(location?.searchParams.get('state')).toBe('a state & more');
  });

  test.each<[string, (query: string) => Parameters<Living['call']>]>([
    ['in the query', (query) => ['DELETE', `/oauth/authorize?${query}`, {}]],
    ['in the body', (query) => ['DELETE', '/oauth/authorize', { body: new URLSearchParams(query) }]],
  ])('[B4] DELETE /oauth/authorize denies, %s', async (_, call) => {
    const [method, path, options = {}] = call(authorizationRequest(app, pkce().challenge).toString());
    const { status, body } = await api.call(method, path, { ...options, headers: { accept: 'application/json' } });
    expect(status).toBe(200);
    const address = new URL(body.redirect_uri);
    expect(body.status).toBe('redirect');
    expect(address.searchParams.get('error')).toBe('access_denied');
    expect(address.searchParams.get('state')).toBe('a state & more');
  });
});

describe('errors that are shown to the person, because nothing may be sent anywhere [10.15]', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['an unknown client', { client_id: 'slca_0000000000000000000000' }],
    ['no client', { client_id: undefined }],
    ['an unregistered redirect URI', { redirect_uri: 'https://client.example/callback/more' }],
    ['another port', { redirect_uri: 'https://client.example:444/callback' }],
    ['another case', { redirect_uri: 'https://client.example/Callback' }],
    ['a scripting URI', { redirect_uri: 'javascript:alert(1)' }],
    ['no redirect URI where several are registered', { redirect_uri: undefined }],
  ])('%s', async (_, change) => {
    const { status, location, text, headers } = await authorize(change);
    expect([status, location]).toEqual([400, undefined]);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(text).toContain('role="alert"');
  });

  test('an application that is disabled', async () => {
    const other = await api.application({ redirectUris: [CALLBACK] });
    await api.manage('POST', `/v1/external-applications/${other.id}/disable`);
    expect((await authorize({}, other)).status).toBe(400);
  });

  test('an application without redirect URIs', async () => {
    expect((await authorize({}, await api.application())).status).toBe(400);
  });
});

describe('the code [4.1.2, 4.1.3]', () => {
  test('a second use is refused, and ends what the first one gave [10.5]', async () => {
    const { form } = await code();
    const first = await api.token(form);
    const second = await api.token(form);
    expect([second.status, second.body.error]).toEqual([400, 'invalid_grant']);
    const refreshed = await api.token({
      grant_type: 'refresh_token',
      refresh_token: first.body.refresh_token,
      ...secretOf(app),
    });
    expect([refreshed.status, refreshed.body.error]).toEqual([400, 'invalid_grant']);
    expect((await api.call('GET', '/v1/me', { token: first.body.access_token })).status).toBe(401);
  });

  test('twenty at once: one gets a token at most, and it does not live', async () => {
    const { form } = await code();
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.token(form)));
    const given = answers.filter(({ status }) => status === 200);
    expect(given.length).toBeLessThanOrEqual(1);
    for (const { body } of given) {
      expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(401);
    }
  });

  test('is for the client that it was made for', async () => {
    const { form } = await code();
    const other = await api.application({ redirectUris: [CALLBACK] });
    const stolen = await api.token({ ...form, ...secretOf(other) });
    expect([stolen.status, stolen.body.error]).toEqual([400, 'invalid_grant']);
    expect((await api.token(form)).status).toBe(200);
  });

  test('a redirect URI that was named must be named again, alike', async () => {
    const { form } = await code();
    const { redirect_uri: _, ...without } = form;
    for (const wrong of [without, { ...form, redirect_uri: `${CALLBACK}?x` }]) {
      expect((await api.token(wrong)).body.error).toBe('invalid_grant');
    }
    expect((await api.token(form)).status).toBe(200);
  });

  test('holds a minute', async () => {
    const { form } = await code();
    const later = await api.instance(() => Date.now() + 61_000);
    const { clientId, redirectUri, verifier } = {
      clientId: app.clientId,
      redirectUri: CALLBACK,
      verifier: form.code_verifier,
    };
    const presented = { clientId, redirectUri, verifier, boundTo: undefined };
    expect(await later.codes.redeem(form.code, presented)).toEqual({ kind: 'refused', reason: 'expired code' });
  });

  test('the store holds neither codes, nor refresh tokens, nor session cookies in the clear', async () => {
    const browser = new Browser(api.url);
    const { verifier, challenge } = pkce();
    const back = await browser.allow(authorizationRequest(app, challenge), person);
    const used = back.searchParams.get('code') ?? '';
    const { body } = await api.token({
      grant_type: 'authorization_code',
      code: used,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      ...secretOf(app),
    });
    const { store } = await api.instance();
    const everything = JSON.stringify([
      await store.all('grants', { query: 'SELECT * FROM c' }),
      await store.all('identity', { query: 'SELECT * FROM c' }),
    ]);
    expect(everything).toContain('"family"');
    const cookie = browser.cookie.split('=')[1] ?? '-';
    for (const secret of [used, body.refresh_token, body.access_token, cookie, person.password, verifier]) {
      expect(everything).not.toContain(secret);
    }
  });
});

describe('refreshing [6]', () => {
  const refresh = (refreshToken: string, change: Record<string, string> = {}, application = app) =>
    api.token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...secretOf(application), ...change });

  test('gives a new pair, and the new refresh token goes on', async () => {
    const first = (await codeFlow(api, app, person)).body;
    const second = await refresh(first.refresh_token);
    expect(second.status).toBe(200);
    expect(second.body.refresh_token).not.toBe(first.refresh_token);
    expect((await refresh(second.body.refresh_token)).status).toBe(200);
    expect((await api.call('GET', '/v1/me', { token: second.body.access_token })).status).toBe(200);
  });

  test('narrows, and never widens', async () => {
    const first = (await codeFlow(api, app, person, { scope: 'me openid' })).body;
    const narrow = await refresh(first.refresh_token, { scope: 'openid' });
    expect(narrow.body.scope).toBe('openid');
    const wide = await refresh(narrow.body.refresh_token, { scope: 'me openid email' });
    expect([wide.status, wide.body.error]).toEqual([400, 'invalid_scope']);
    expect((await refresh(narrow.body.refresh_token)).status).toBe(200);
  });

  test('of another client is refused, and stays good for its own', async () => {
    const { body } = await codeFlow(api, app, person);
    const other = await api.application({ redirectUris: [CALLBACK] });
    const foreign = await refresh(body.refresh_token, {}, other);
    expect([foreign.status, foreign.body.error]).toEqual([400, 'invalid_grant']);
    expect((await refresh(body.refresh_token)).status).toBe(200);
  });

  test.each(['slr_garbage', `slr_${'A'.repeat(70)}`, 'x'])('%s is no refresh token', async (text) => {
    const { status, body } = await refresh(text);
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
  });

  test('an application may be given none', async () => {
    const without = await api.application({ redirectUris: [CALLBACK], refreshTokens: 'never' });
    const { status, body } = await codeFlow(api, without, person);
    expect(status).toBe(200);
    expect(body).not.toHaveProperty('refresh_token');
  });

  test('[B12] an application that asks for it gets one with client_credentials as well, and 14 days', async () => {
    const old = await api.application({ refreshTokens: 'always', accessTokenSeconds: 1_209_600 });
    const { body } = await api.token({ grant_type: 'client_credentials', scope: 'app', ...secretOf(old) });
    expect(body).toMatchObject({ expires_in: 1_209_600, scope: 'app', created_at: expect.any(Number) });
    const next = await refresh(body.refresh_token, {}, old);
    expect([next.status, next.body.scope]).toEqual([200, 'app']);
    expect((await api.call('GET', '/v1/me/devices', { token: next.body.access_token })).status).toBe(200);
  });
});

describe('the password grant [4.3, B2, B9, B13]', () => {
  const ask = (application: TestApplication, form: Record<string, string>) =>
    api.token({ grant_type: 'password', ...secretOf(application), ...form });

  test('[B2] login and password give a token with the scope me', async () => {
    const opted = await api.application({ userAuthentication: 'password' });
    const { status, body } = await ask(opted, { username: person.login, password: person.password, scope: 'me' });
    expect([status, body.scope, typeof body.refresh_token]).toEqual([200, 'me', 'string']);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).body.id).toBe(person.id);
  });

  test('a wrong password, an unknown login and a disabled user are one and the same', async () => {
    const opted = await api.application({ userAuthentication: 'password' });
    const disabled = await newUser(api);
    await api.manage('POST', `/v1/users/${disabled.id}/disable`);
    const answers = [
      await ask(opted, { username: person.login, password: 'not the password' }),
      await ask(opted, { username: 'nobody@example.com', password: 'not the password' }),
      await ask(opted, { username: disabled.login, password: disabled.password }),
    ];
    expect(answers.map(({ status, body }) => [status, body.error])).toEqual(Array(3).fill([400, 'invalid_grant']));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  test('[B9, B13] a public application signs a user in by the external authentication token, without a secret', async () => {
    const mobile = await api.application({ clientType: 'public', userAuthentication: 'external_authentication_token' });
    expect(mobile.clientSecret).toBeUndefined();
    const written = await api.manage('PUT', `/v1/users/${person.id}/external-authentication-token`, {});
    const token = written.body.externalAuthenticationToken as string;
    const form = { grant_type: 'password', client_id: mobile.clientId, scope: 'me' };
    const { status, body } = await api.token({ ...form, external_authentication_token: token });
    expect([status, body.scope]).toEqual([200, 'me']);
    expect((await api.call('GET', '/connect/userinfo', { token: body.access_token })).body.sub).toBe(person.id);
    expect((await api.manage('GET', `/v1/users/${person.id}`)).text).not.toContain(token);
    const wrong = await api.token({ ...form, external_authentication_token: `${token}x` });
    expect([wrong.status, wrong.body.error]).toEqual([400, 'invalid_grant']);
    await api.manage('DELETE', `/v1/users/${person.id}/external-authentication-token`);
    const after = await api.token({ ...form, external_authentication_token: token });
    expect([after.status, after.body.error]).toEqual([400, 'invalid_grant']);
  });

  test('a password does not sign in where the external token is wanted, nor the other way round', async () => {
    const external = await api.application({ userAuthentication: 'external_authentication_token' });
    const { status, body } = await ask(external, { username: person.login, password: person.password });
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('a user of another tenant does not exist here', async () => {
    const stranger = await newUser(api, {}, { tenant: 'elsewhere' });
    const opted = await api.application({ userAuthentication: 'password' });
    const { status, body } = await ask(opted, { username: stranger.login, password: stranger.password });
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
  });

  test('who guesses is slowed down, for this login and address alone', async () => {
    const opted = await api.application({ userAuthentication: 'password' });
    const victim = await newUser(api);
    const guesses = [];
    for (let i = 0; i < 11; i++)
      guesses.push(await ask(opted, { username: victim.login, password: `guess number ${i}` }));
    expect(guesses.at(-1)?.status).toBe(429);
    expect(Number(guesses.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(opted, { username: person.login, password: person.password })).status).toBe(200);
  });

  test('is advertised only while an application uses it, and app and basic are not for people', async () => {
    const opted = await api.application({ userAuthentication: 'password' });
    const { status, body } = await ask(opted, { username: person.login, password: person.password, scope: 'app' });
    expect([status, body.error]).toEqual([400, 'invalid_scope']);
    const { enabledGrants } = await api.instance();
    expect(await enabledGrants()).toContain('password');
  });
});

describe('what is given back [B5, B6, B7]', () => {
  test('[B5] DELETE /oauth/token ends the token and its refresh tokens', async () => {
    const { body } = await codeFlow(api, app, person);
    expect((await api.call('DELETE', '/oauth/token', { token: body.access_token })).status).toBe(204);
    expect((await api.call('GET', '/oauth/token/info', { token: body.access_token })).status).toBe(401);
    const again = await api.token({ grant_type: 'refresh_token', refresh_token: body.refresh_token, ...secretOf(app) });
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant']);
  });

  test('[B5] a client may name the token instead', async () => {
    const { body } = await codeFlow(api, app, person);
    const form = new URLSearchParams({ token: body.refresh_token, ...secretOf(app) });
    expect((await api.call('DELETE', '/oauth/token', { body: form })).status).toBe(204);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(401);
  });

  test('[B6] /oauth/revoke takes refresh tokens, and those of other clients stay', async () => {
    const { body } = await codeFlow(api, app, person);
    const other = await api.application();
    const revoke = (application: TestApplication) =>
      api.call('POST', '/oauth/revoke', {
        body: new URLSearchParams({ token: body.refresh_token, ...secretOf(application) }),
      });
    expect((await revoke(other)).status).toBe(200);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(200);
    expect((await revoke(app)).status).toBe(200);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(401);
  });

  test('[B6] introspection tells about the token of a person', async () => {
    const { body } = await codeFlow(api, app, person);
    const { body: told } = await api.call('POST', '/oauth/introspect', {
      body: new URLSearchParams({ token: body.access_token, ...secretOf(app) }),
    });
    expect(told).toMatchObject({ active: true, sub: person.id, client_id: app.clientId, scope: 'me' });
  });

  test('[B6] and about a refresh token, until it has ended', async () => {
    const { body } = await codeFlow(api, app, person);
    const ask = async (application: TestApplication) =>
      (
        await api.call('POST', '/oauth/introspect', {
          body: new URLSearchParams({ token: body.refresh_token, ...secretOf(application) }),
        })
      ).body;
    expect(await ask(app)).toMatchObject({ active: true, sub: person.id, client_id: app.clientId, scope: 'me' });
    await api.call('DELETE', '/oauth/token', { token: body.access_token });
    expect(await ask(app)).toEqual({ active: false });
  });

  test('[B7] /oauth/token/info names the person, in both historical shapes', async () => {
    const { body } = await codeFlow(api, app, person);
    const { body: info } = await api.call('GET', '/oauth/token/info', { token: body.access_token });
    expect(info).toMatchObject({
      resource_owner_id: person.id,
      scope: ['me'],
      scopes: ['me'],
      expires_in: expect.any(Number),
      expires_in_seconds: expect.any(Number),
      application: { uid: app.clientId },
      created_at: expect.any(Number),
    });
  });
});

describe('[B8] scopes', () => {
  test('me is for tokens of people, app for those of applications, basic for applications with that right', async () => {
    const { body } = await codeFlow(api, app, person);
    const application = await api.accessToken(app);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(200);
    expect((await api.call('GET', '/v1/me/devices', { token: application })).status).toBe(200);
    const [noUser, noApplication] = [
      await api.call('GET', '/v1/me', { token: application }),
      await api.call('GET', '/v1/me/devices', { token: body.access_token }),
    ];
    expect([noUser.status, noApplication.status]).toEqual([403, 403]);
    expect(noUser.headers.get('www-authenticate')).toContain('scope="me"');
    expect(noApplication.headers.get('www-authenticate')).toContain('scope="app"');
    const { body: refused } = await api.token({ grant_type: 'client_credentials', scope: 'basic', ...secretOf(app) });
    expect(refused.error).toBe('invalid_scope');
    const withRight = await api.application({ scopes: ['app', 'basic'] });
    const basic = await api.accessToken(withRight, { scope: 'basic' });
    const ask = (token: string) =>
      api.call('POST', '/oauth/introspect', { token, body: new URLSearchParams({ token: application }) });
    expect((await ask(basic)).body).toMatchObject({ active: true, scope: 'app' });
    for (const token of [application, body.access_token]) {
      const answer = await ask(token);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
        403,
        expect.stringContaining('scope="basic"'),
      ]);
    }
  });
});

describe('taking back acts on tokens of people', () => {
  test('a user who is disabled, and one whose password changed', async () => {
    const user = await newUser(api);
    const token = async () => (await codeFlow(api, app, user)).body.access_token as string;
    const first = await token();
    await api.manage('PATCH', `/v1/users/${user.id}`, { password: 'another long password' });
    expect((await api.call('GET', '/v1/me', { token: first })).status).toBe(401);
    user.password = 'another long password';
    const second = await token();
    await api.manage('POST', `/v1/users/${user.id}/disable`);
    expect((await api.call('GET', '/v1/me', { token: second })).status).toBe(401);
    await api.manage('POST', `/v1/users/${user.id}/enable`);
    expect((await api.call('GET', '/v1/me', { token: second })).status).toBe(401);
  });

  test('another instance knows within 5 s: of a user, of a grant, of roles', async () => {
    let clock = Date.now();
    const other = await api.instance(() => clock);
    const { inspectToken } = await import('../../shared/oauth/inspect-token.ts');
    const user = await newUser(api);
    const [one, two] = [(await codeFlow(api, app, user)).body, (await codeFlow(api, app, user)).body];
    const held = async (token: string) => {
      const live = await inspectToken(other, token);
      return live?.kind === 'user' ? live.user.roles : undefined;
    };
    expect(await held(one.access_token)).toEqual(['viewer']);
    expect(await held(two.access_token)).toEqual(['viewer']);
    await api.call('DELETE', '/oauth/token', { token: one.access_token });
    await api.manage('PATCH', `/v1/users/${user.id}`, { roles: ['operator'] });
    clock += 5_000;
    expect(await held(one.access_token)).toBeUndefined();
    expect(await held(two.access_token)).toEqual(['operator']);
    await api.manage('POST', `/v1/users/${user.id}/disable`);
    clock += 5_000;
    expect(await held(two.access_token)).toBeUndefined();
  });

  test('an application that is disabled', async () => {
    const other = await api.application({ redirectUris: [CALLBACK] });
    const { body } = await codeFlow(api, other, person);
    await api.manage('POST', `/v1/external-applications/${other.id}/disable`);
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).status).toBe(401);
  });
});

describe('[B3] credentials', () => {
  test('are never sent on: no answer to a request with credentials is a redirect, and none are taken from an address', async () => {
    const form = { grant_type: 'password', username: person.login, password: person.password, ...secretOf(app) };
    for (const path of ['/oauth/token', '/connect/token', '/oauth/token/']) {
      const answer = await fetch(`${api.url}${path}`, {
        method: 'POST',
        body: new URLSearchParams(form),
        redirect: 'manual',
      });
      expect([answer.headers.get('location'), answer.status < 300 || answer.status >= 400]).toEqual([null, true]);
    }
    for (const name of ['client_secret', 'password', 'username', 'refresh_token', 'code', 'code_verifier']) {
      const { status, body } = await api.call('POST', `/oauth/token?${name}=x`, { body: new URLSearchParams(form) });
      expect([status, body.error]).toEqual([400, 'invalid_request']);
    }
  });
});
