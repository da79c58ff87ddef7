/** RFC 7662 introspection, and the details of one's own token; numbers in brackets are sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living, type TestApplication } from '../support/living.ts';

let api: Living;
let app: TestApplication;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
  });
  app = await api.application();
});
afterAll(() => api.close());

const credentials = ({ clientId, clientSecret }: TestApplication) => ({
  client_id: clientId,
  client_secret: clientSecret,
});
const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  api.call('POST', path, { body: new URLSearchParams(form), headers });
const introspect = (token: string, by = app) => post('/oauth/introspect', { token, ...credentials(by) });

describe('introspection [7662]', () => {
  test.each(['/oauth/introspect', '/connect/introspect'])('%s tells what an active token is [2.2]', async (path) => {
    const token = await api.accessToken(app);
    const { status, body, headers } = await post(path, { token, ...credentials(app) });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toContain('no-store');
    expect(body).toMatchObject({
      active: true,
      scope: 'app',
      client_id: app.clientId,
      token_type: 'Bearer',
      sub: app.clientId,
      iss: api.url,
      aud: api.url,
      exp: expect.any(Number),
      iat: expect.any(Number),
    });
  });

  test('garbage is exactly inactive', async () => {
    for (const bad of ['garbage', 'a.b.c']) expect((await introspect(bad)).body).toEqual({ active: false });
  });

  test('no client is 401, no token 400 [2.1]', async () => {
    const nobody = await post('/oauth/introspect', { token: 'x' });
    // RFC 9110 §15.5.2: a 401 says how to authenticate.
    expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^Basic /)]);
    expect(await post('/oauth/introspect', credentials(app))).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
  });

  test('a wrong hint does not hide it [2.1]', async () => {
    const token = await api.accessToken(app);
    const form = { token, token_type_hint: 'refresh_token', ...credentials(app) };
    expect((await post('/oauth/introspect', form)).body.active).toBe(true);
  });

  test("an administrator's token may ask as well, a bad one may not", async () => {
    const token = await api.accessToken(app);
    const admin = (await api.manage('GET', '/oauth/token/info')).status;
    expect(admin).toBe(200);
    const byAdmin = await api.manage('POST', '/oauth/introspect', undefined, { body: new URLSearchParams({ token }) });
    expect(byAdmin.body.active).toBe(true);
    expect(await post('/oauth/introspect', { token }, { authorization: 'Bearer bad' })).toMatchObject({ status: 401 });
  });

  test.each(['GET', 'PUT', 'DELETE'])('%s is 405: a token in a query would be logged [2.1]', async (method) => {
    const token = await api.accessToken(app);
    expect(await api.call(method, `/oauth/introspect?token=${token}`)).toMatchObject({ status: 405 });
  });

  test('Basic authenticates as well, and a wrong secret is 401 with a challenge [2.3]', async () => {
    const token = await api.accessToken(app);
    const basic = (secret: string) => ({
      authorization: `Basic ${Buffer.from(`${app.clientId}:${secret}`).toString('base64')}`,
    });
    expect((await post('/oauth/introspect', { token }, basic(app.clientSecret))).body.active).toBe(true);
    const wrong = await post('/oauth/introspect', { token }, basic('wrong'));
    expect([wrong.status, wrong.body.error]).toEqual([401, 'invalid_client']);
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic /);
  });

  test('a repeated token, a JSON body and an unknown parameter: refused, refused, ignored', async () => {
    const token = await api.accessToken(app);
    const twice = new URLSearchParams([['token', 'a'], ['token', 'b'], ...Object.entries(credentials(app))]);
    expect(await api.call('POST', '/oauth/introspect', { body: twice })).toMatchObject({ status: 400 });
    const json = { token, ...credentials(app) };
    expect(await api.call('POST', '/oauth/introspect', { json })).toMatchObject({ status: 400 });
    expect((await post('/oauth/introspect', { token, more: '1', ...credentials(app) })).body.active).toBe(true);
  });

  test('of an inactive token nothing is told, whatever ended it [2.2]', async () => {
    const ended = await api.application();
    const token = await api.accessToken(ended);
    await api.manage('POST', `/v1/external-applications/${ended.id}/disable`);
    expect((await introspect(token)).body).toEqual({ active: false });
    await api.manage('DELETE', `/v1/external-applications/${ended.id}`);
    expect((await introspect(token)).body).toEqual({ active: false });
    const { exp } = (await introspect(await api.accessToken(app))).body;
    const later = await api.instance(() => exp * 1000 + 6_000);
    expect(await later.tokens.verify(await api.accessToken(app))).toBeUndefined();
  });

  test('a 10 KB token and one with a line break are inactive, and no error', async () => {
    for (const bad of ['x'.repeat(10_240), 'a\r\nb', '\u0000', 'é'.repeat(100)]) {
      const { status, body } = await introspect(bad);
      expect([status, body]).toEqual([200, { active: false }]);
    }
  });

  test('the answer is of the type application/json and of its time: iat before now, exp after [2.2]', async () => {
    const { headers, body } = await introspect(await api.accessToken(app));
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body.iat).toBeLessThanOrEqual(Date.now() / 1000);
    expect(body.exp).toBeGreaterThan(Date.now() / 1000);
  });

  test('a token of another tenant is inactive', async () => {
    const created = await api.manage(
      'POST',
      '/v1/external-applications',
      { name: 'Foreign', expiresAt: '2099-01-01' },
      { tenant: 'other' },
    );
    const token = await api.accessToken(created.body);
    expect((await introspect(token)).body).toEqual({ active: false });
    expect((await introspect(token, created.body)).body.active).toBe(true);
  });
});

describe('one’s own token', () => {
  test('GET /oauth/token/info has both historical shapes', async () => {
    const token = await api.accessToken(app);
    const { status, headers, body } = await api.call('GET', '/oauth/token/info', { token });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toContain('no-store');
    expect(body).toMatchObject({
      resource_owner_id: null,
      scope: ['app'],
      scopes: ['app'],
      application: { uid: app.clientId },
      tenant: 'default',
    });
    expect(body.expires_in).toBe(body.expires_in_seconds);
    expect(body.expires_in).toBeGreaterThan(3590);
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(5);
  });

  test('DELETE /oauth/token ends it: 204, then 401', async () => {
    const token = await api.accessToken(app);
    expect(await api.call('DELETE', '/oauth/token', { token })).toMatchObject({ status: 204, text: '' });
    expect(await api.call('GET', '/oauth/token/info', { token })).toMatchObject({ status: 401 });
    expect(await api.call('DELETE', '/oauth/token', { token })).toMatchObject({ status: 401 });
    expect(await api.call('DELETE', '/oauth/token')).toMatchObject({ status: 401 });
  });

  test('a service principal can end its own token too', async () => {
    const { body } = await api.token({
      grant_type: 'client_credentials',
      client_id: 'test-administrator',
      client_secret: 'administrator-secret-for-tests-only',
    });
    const token = body.access_token;
    expect(await api.call('GET', '/v1/external-applications', { token })).toMatchObject({ status: 200 });
    expect(await api.call('DELETE', '/oauth/token', { token })).toMatchObject({ status: 204 });
    expect(await api.call('GET', '/v1/external-applications', { token })).toMatchObject({ status: 401 });
  });
});
