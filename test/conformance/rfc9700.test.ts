/** RFC 9700, security of OAuth as practised today; numbers in brackets are those of its sections. */
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
  app = await api.application({ redirectUris: [CALLBACK] });
  person = await newUser(api);
});
afterAll(() => api.close());

const secretOf = ({ clientId, clientSecret }: TestApplication) => ({
  client_id: clientId,
  client_secret: clientSecret,
});
const refresh = (refreshToken: string, instanceOf: Living = api) =>
  instanceOf.token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...secretOf(app) });
const open = (change: Record<string, string | undefined> = {}) =>
  `/oauth/authorize?${authorizationRequest(app, pkce().challenge, change).toString()}`;

describe('redirects [2.1, 4.1]', () => {
  test.each([
    'https://client.example/callback/',
    'https://client.example/callback?x=1',
    'https://client.example.evil.example/callback',
    'https://client.example@evil.example/callback',
    'https://client.example/callback/../other',
    'https://client.example/callback#fragment',
    'http://client.example/callback',
    '//client.example/callback',
  ])('%s is not the registered address', async (redirectUri) => {
    const { status, location } = await new Browser(api.url).get(open({ redirect_uri: redirectUri }));
    expect([status, location]).toEqual([400, undefined]);
  });

  test('programs on the own machine may use any port [RFC 8252 7.3], and nothing else may', async () => {
    const native = await api.application({ clientType: 'public', redirectUris: ['http://127.0.0.1/cb'] });
    const at = async (redirectUri: string) => {
      const request = authorizationRequest(native, pkce().challenge, { redirect_uri: redirectUri });
      return (await new Browser(api.url).get(`/oauth/authorize?${request.toString()}`)).status;
    };
    expect(await at('http://127.0.0.1:51004/cb')).toBe(200);
    expect(await at('http://127.0.0.1:51004/other')).toBe(400);
    expect(await at('http://127.0.0.2:51004/cb')).toBe(400);
    expect(await at('http://localhost:51004/cb')).toBe(400);
  });

  test.each([
    'http://client.example/cb',
    'https://client.example/cb#x',
    'https://user:pw@client.example/cb',
    'https://*.client.example/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    'callback',
    'https://client.example/a b',
  ])('%s cannot be registered', async (uri) => {
    const { status, body } = await api.manage('POST', '/v1/external-applications', {
      name: `Refused ${uri}`,
      expiresAt: '2099-12-31',
      redirectUris: [uri],
    });
    expect([status, body.errors?.[0]?.field]).toEqual([400, 'redirectUris.0']);
  });

  test('a form is answered with 303, so that no browser sends a password on [4.12]', async () => {
    const browser = new Browser(api.url);
    const page = await browser.get(open());
    const { status } = await browser.submit(page, 'sign-in', { login: person.login, password: person.password });
    expect(status).toBe(303);
  });

  test('the answer names its issuer, against mix-up [4.4, RFC 9207]', async () => {
    const { location } = await new Browser(api.url).get(open({ scope: 'nothing' }));
    expect(location?.searchParams.get('iss')).toBe(api.url);
    const { body } = await api.call('GET', '/.well-known/oauth-authorization-server');
    expect(body.authorization_response_iss_parameter_supported).toBe(true);
  });
});

describe('what is not there', () => {
  test('no implicit grant [2.1.2], no password grant unless somebody opted in [2.4], no token in a query [4.3.2]', async () => {
    const { body } = await api.call('GET', '/.well-known/oauth-authorization-server');
    expect(body.response_types_supported).toEqual(['code']);
    expect(body.grant_types_supported).not.toContain('implicit');
    expect(body.grant_types_supported).not.toContain('password');
    const { body: tokens } = await codeFlow(api, app, person);
    expect((await api.call('GET', `/v1/me?access_token=${tokens.access_token}`)).status).toBe(400);
  });

  test('no CORS at the authorization endpoint [2.6]; the token endpoint serves pages, without cookies', async () => {
    const preflight = { origin: 'https://spa.example', 'access-control-request-method': 'POST' };
    const page = await api.call('OPTIONS', '/oauth/authorize', { headers: preflight });
    expect(page.headers.get('access-control-allow-origin')).toBeNull();
    const token = await api.call('OPTIONS', '/oauth/token', { headers: preflight });
    expect(token.headers.get('access-control-allow-origin')).toBe('https://spa.example');
    expect(token.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('refresh tokens [2.2.2, 4.14]', () => {
  test('the one before may be repeated for a moment, and gets the same successor: two tabs, a lost answer', async () => {
    const { body } = await codeFlow(api, app, person);
    const [one, other] = await Promise.all([refresh(body.refresh_token), refresh(body.refresh_token)]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(other.body.refresh_token).toBe(one.body.refresh_token);
    expect((await refresh(one.body.refresh_token)).status).toBe(200);
  });

  test('an older one was copied: it is refused, and everything of that sign-in ends', async () => {
    const first = (await codeFlow(api, app, person)).body;
    const second = (await refresh(first.refresh_token)).body;
    const third = (await refresh(second.refresh_token)).body;
    const copied = await refresh(first.refresh_token);
    expect([copied.status, copied.body.error]).toEqual([400, 'invalid_grant']);
    expect((await refresh(third.refresh_token)).body.error).toBe('invalid_grant');
    expect((await api.call('GET', '/v1/me', { token: third.access_token })).status).toBe(401);
    const { body: audit } = await api.manage('GET', '/v1/audit?action=refresh-token-reused');
    expect(audit.items.length).toBeGreaterThan(0);
  });

  test('after the grace the one before counts as copied', async () => {
    const { families, now } = await api.instance();
    const later = await api.instance(() => now() + 11_000);
    const opened = await families.open({
      tenantId: 'default' as never,
      clientId: app.clientId as never,
      scopes: ['app'],
      authenticatedAtMs: now(),
    });
    const accept = () => undefined;
    expect((await families.redeem(opened?.refreshToken ?? '', accept)).kind).toBe('rotated');
    expect((await later.families.redeem(opened?.refreshToken ?? '', accept)).kind).toBe('reused');
    expect((await families.redeem(opened?.refreshToken ?? '', accept)).kind).toBe('unknown');
  });

  test('another sign-in of the same person goes on', async () => {
    const [one, other] = [(await codeFlow(api, app, person)).body, (await codeFlow(api, app, person)).body];
    await api.call('DELETE', '/oauth/token', { token: one.access_token });
    expect((await refresh(other.refresh_token)).status).toBe(200);
  });
});

describe('the pages [4.16, 4.7]', () => {
  const page = async () => new Browser(api.url).get(open());

  test('cannot be framed, run no script, and lead nowhere but here and to the application', async () => {
    const { headers, text } = await page();
    const policy = headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
      expect(policy).toContain(rule);
    expect(policy).toContain("form-action 'self' https://client.example");
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(text).not.toMatch(/<script|\son\w+=|javascript:/i);
  });

  test('say everything to a screen reader: language, title, labels, an alert', async () => {
    const browser = new Browser(api.url);
    const first = await browser.get(open());
    expect(first.text).toMatch(/<html lang="en">[^]*<title>[^<]+<\/title>[^]*<h1>/);
    for (const [, id] of first.text.matchAll(/<input id="([^"]+)"/g)) {
      expect(first.text).toContain(`<label for="${id}">`);
    }
    const again = await browser.submit(first, 'sign-in', { login: person.login, password: 'not the password' });
    expect(again.text).toContain('role="alert"');
    expect(again.text).not.toContain('not the password');
  });

  test('the cookie is for the browser alone', async () => {
    const cookie = (await page()).headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Lax/);
    const { sessions } = await api.instance();
    expect(sessions.cookie({ id: 'x', known: true })).not.toContain('Secure');
  });

  test('a deployment over https has a cookie that only it can set', async () => {
    const { createBrowserSessions } = await import('../../shared/oauth/browser-session.ts');
    const { store, userStanding, config } = await api.instance();
    const sessions = createBrowserSessions({ store, userStanding }, config.SLUICE_MASTER_KEY, 'https://sluice.example');
    expect(sessions.cookie({ id: 'x', known: true })).toMatch(/^__Host-sluice-session=x; Path=\/; .*; Secure$/);
  });

  test('a form without its token, with that of another browser or another request, or from another site, does nothing', async () => {
    const [mine, theirs] = [new Browser(api.url), new Browser(api.url)];
    const [here, there] = [open(), open({ state: 'other' })];
    const [page1, page2, page3] = [await mine.get(here), await theirs.get(here), await mine.get(there)];
    const tokenOf = ({ text }: { text: string }) => /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
    const credentials = { action: 'sign-in', login: person.login, password: person.password };
    for (const form_token of ['', tokenOf(page2), tokenOf(page3)]) {
      expect((await mine.post(here, { ...credentials, form_token })).status).toBe(403);
    }
    const foreign = { 'sec-fetch-site': 'cross-site' };
    expect((await mine.post(here, { ...credentials, form_token: tokenOf(page1) }, foreign)).status).toBe(403);
    expect((await mine.post(here, { ...credentials, form_token: tokenOf(page1) })).status).toBe(303);
  });

  test('the cookie changes at the sign-in, so that nobody can plant one', async () => {
    const browser = new Browser(api.url);
    const page1 = await browser.get(open());
    const before = browser.cookie;
    await browser.submit(page1, 'sign-in', { login: person.login, password: person.password });
    expect(browser.cookie).not.toBe(before);
    const thief = new Browser(api.url);
    thief.cookie = before;
    expect((await thief.get(open())).text).toContain('name="password"');
  });

  test('what an attacker writes into the request stays text', async () => {
    const attack = '"><script>alert(1)</script>';
    const { text } = await new Browser(api.url).get(open({ login_hint: attack, state: attack, nonce: attack }));
    expect(text).not.toContain('<script');
    expect(text).toContain('&lt;script&gt;');
    const { text: native } = await new Browser(api.url).get(
      `/oauth/authorize/native?code=${encodeURIComponent(attack)}`,
    );
    expect(native).not.toContain('<script');
  });

  test('a person who is signed in to another tenant is a stranger here', async () => {
    const browser = new Browser(api.url);
    const request = new URLSearchParams({
      ...Object.fromEntries(authorizationRequest({ clientId: 'sluice-console' }, pkce().challenge)),
      redirect_uri: 'http://127.0.0.1:5000/callback',
    });
    const stranger = await newUser(api, {}, { tenant: 'elsewhere' });
    await browser.allow(request, stranger, { sign_in_tenant: 'elsewhere' });
    expect((await browser.get(open())).text).toContain('name="password"');
  });
});

describe('the console, and what only it may', () => {
  const consoleRequest = () => {
    const { verifier, challenge } = pkce();
    const request = authorizationRequest({ clientId: 'sluice-console' }, challenge);
    request.set('redirect_uri', 'http://127.0.0.1:5000/callback');
    return { request, verifier };
  };
  const consoleToken = async (user: TestUser, tenant = 'default') => {
    const { request, verifier } = consoleRequest();
    const back = await new Browser(api.url).allow(request, user, { sign_in_tenant: tenant });
    const { body } = await api.token({
      grant_type: 'authorization_code',
      client_id: 'sluice-console',
      redirect_uri: 'http://127.0.0.1:5000/callback',
      code: back.searchParams.get('code') ?? '',
      code_verifier: verifier,
    });
    return body.access_token as string;
  };

  test('signs people of every tenant in without asking for consent', async () => {
    const other = await newUser(api, {}, { tenant: 'elsewhere' });
    const me = await api.call('GET', '/v1/me', { token: await consoleToken(other, 'elsewhere') });
    expect(me.body).toMatchObject({ id: other.id, tenant: 'elsewhere' });
  });

  test('[B4] POST /oauth/authorize with its token gives a code as JSON; the token of an application does not', async () => {
    const { verifier, challenge } = pkce();
    const body = authorizationRequest(app, challenge);
    const answer = await api.call('POST', '/oauth/authorize', { token: await consoleToken(person), body });
    expect(answer.body.status).toBe('redirect');
    const code = new URL(answer.body.redirect_uri).searchParams.get('code') ?? '';
    const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK, code, code_verifier: verifier };
    expect((await api.token({ ...form, ...secretOf(app) })).status).toBe(200);
    const { body: tokens } = await codeFlow(api, app, person);
    const refused = await api.call('POST', '/oauth/authorize', { token: tokens.access_token, body });
    expect([refused.status, refused.body.error]).toEqual([403, 'insufficient_scope']);
  });

  test('the native page shows the code and nothing else, where an application asked for it', async () => {
    const native = await api.application({ clientType: 'public', redirectUris: ['urn:ietf:wg:oauth:2.0:oob'] });
    const { verifier, challenge } = pkce();
    const request = authorizationRequest(native, challenge, { redirect_uri: 'urn:ietf:wg:oauth:2.0:oob' });
    const address = await new Browser(api.url).allow(request, person);
    expect(address.pathname).toBe('/oauth/authorize/native');
    const code = address.searchParams.get('code') ?? '';
    expect((await new Browser(api.url).get(address)).text).toContain(`>${code}</code>`);
    const form = { grant_type: 'authorization_code', redirect_uri: 'urn:ietf:wg:oauth:2.0:oob', code };
    const answer = await api.token({ ...form, client_id: native.clientId, code_verifier: verifier });
    expect(answer.status).toBe(200);
    expect((await new Browser(api.url).get(open({ redirect_uri: 'urn:ietf:wg:oauth:2.0:oob' }))).status).toBe(400);
  });
});
