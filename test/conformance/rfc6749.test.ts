/** RFC 6749, the token endpoint; numbers in brackets are those of the specification's sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { ADMIN } from '../support/stored-services.ts';

let api: Living;
let app: TestApplication;
let good: Record<string, string>;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
  });
  app = await api.application({ scopes: ['app', 'basic'] });
  good = { grant_type: 'client_credentials', client_id: app.clientId, client_secret: app.clientSecret };
});
afterAll(() => api.close());

const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});
const grant = { grant_type: 'client_credentials' };
/** Sends bytes as they are. */
const raw = (
  body: string | Uint8Array<ArrayBuffer>,
  type = 'application/x-www-form-urlencoded',
  path = '/connect/token',
) => api.call('POST', path, { body, headers: { 'content-type': type } });
const form = (pairs: [string, string][]) => api.token(new URLSearchParams(pairs));

describe('a successful response [4.4, 5.1]', () => {
  test('client_secret_post gives a bearer token for an hour', async () => {
    const { status, headers, body } = await api.token(good);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('cache-control')).toContain('no-store');
    expect(headers.get('pragma')).toBe('no-cache');
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'app',
      created_at: expect.any(Number),
    });
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(5);
  });

  test('there is no refresh token [4.4.3]', async () => {
    expect((await api.token(good)).body).not.toHaveProperty('refresh_token');
  });

  test('/connect/token and /oauth/token are the same service', async () => {
    const { status, body } = await api.call('POST', '/oauth/token', { body: new URLSearchParams(good) });
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
  });

  test('two hundred at once are two hundred different tokens', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => api.token(good)));
    expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(200);
  });
});

describe('client authentication [2.3]', () => {
  test('client_secret_basic', async () => {
    expect(await api.token(grant, basic(app.clientId, app.clientSecret))).toMatchObject({ status: 200 });
  });

  test('Basic is form-decoded inside [2.3.1], even where a client encodes more than it must', async () => {
    const encodeAll = (text: string) =>
      Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
    expect(await api.token(grant, basic(encodeAll(app.clientId), encodeAll(app.clientSecret)))).toMatchObject({
      status: 200,
    });
    expect(await api.token(grant, basic(encodeURIComponent(ADMIN.client_id), ADMIN.client_secret))).toMatchObject({
      status: 200,
    });
  });

  test('the scheme is case-insensitive [7235 2.1]', async () => {
    const { authorization } = basic(app.clientId, app.clientSecret);
    expect(await api.token(grant, { authorization: authorization.replace('Basic', 'bASIC') })).toMatchObject({
      status: 200,
    });
  });

  test('two methods at once are refused', async () => {
    const { status, body } = await api.token(good, basic(app.clientId, app.clientSecret));
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('Basic with the same client_id in the body is allowed, with another one refused [7521 4.2]', async () => {
    const header = basic(app.clientId, app.clientSecret);
    expect(await api.token({ ...grant, client_id: app.clientId }, header)).toMatchObject({ status: 200 });
    expect(await api.token({ ...grant, client_id: 'slca_other' }, header)).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
  });

  test('a wrong secret by Basic is 401 with a Basic challenge [5.2]', async () => {
    const { status, headers, body } = await api.token(grant, basic(app.clientId, 'slc_wrong'));
    expect([status, body.error]).toEqual([401, 'invalid_client']);
    expect(headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect(headers.get('cache-control')).toContain('no-store');
  });

  test('a wrong secret in the body is 401 without a challenge, which would hide the error from clients', async () => {
    const { status, headers, body } = await api.token({ ...good, client_secret: 'slc_wrong' });
    expect([status, body.error, headers.get('www-authenticate')]).toEqual([401, 'invalid_client', null]);
  });

  test('an unknown client and a wrong secret answer the same bytes', async () => {
    const other = await api.application();
    const wrong = await api.token({ ...good, client_secret: other.clientSecret });
    const unknown = await api.token({ ...good, client_id: `slca_${'0'.repeat(22)}` });
    expect(unknown.text).toBe(wrong.text);
    expect(unknown.status).toBe(wrong.status);
    const names = (headers: Headers) => [...headers.keys()].toSorted();
    expect(names(unknown.headers)).toEqual(names(wrong.headers));
  });

  test.each([
    ['nothing', {}],
    ['not base64', { authorization: 'Basic ???' }],
    ['no colon', { authorization: `Basic ${Buffer.from('abc').toString('base64')}` }],
    ['not UTF-8', { authorization: `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString('base64')}` }],
    ['malformed percent-encoding', basic('%zz', '%')],
    ['another scheme', { authorization: 'Digest x' }],
  ])('%s is 401 invalid_client', async (_, headers: Record<string, string>) => {
    const { status, body } = await api.token(grant, headers);
    expect([status, body.error]).toEqual([401, 'invalid_client']);
  });

  test.each([
    ['10 KB', 'x'.repeat(10_240)],
    ['a NUL', 'slca_\0'],
    ['quotes and line breaks', '"\r\nset-cookie: a=b'],
    ['an object name', '__proto__'],
  ])('a client id of %s is a 4xx whose text carries none of it', async (_, clientId) => {
    const { status, body, headers } = await api.token({ ...good, client_id: clientId });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/);
    expect(headers.get('set-cookie')).toBeNull();
  });
});

describe('requests [3.2]', () => {
  test.each([[{}], [{ grant_type: '' }]])('a grant_type that is missing or empty: %j', async (change) => {
    const { grant_type: _, ...rest } = good;
    const { status, body } = await api.token({ ...rest, ...change });
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test.each(['password', 'authorization_code'])(
    'the grant %s is not for a client that was not opted in [5.2]',
    async (grantType) => {
      const { status, body } = await api.token({ ...good, grant_type: grantType });
      expect([status, body.error]).toEqual([400, 'unauthorized_client']);
    },
  );

  test.each(['user_credentials', 'implicit', 'constructor', '__proto__'])(
    'the grant %s is unsupported [5.2]',
    async (grantType) => {
      const { status, body } = await api.token({ ...good, grant_type: grantType });
      expect([status, body.error]).toEqual([400, 'unsupported_grant_type']);
    },
  );

  test('[B10] an older document calls the grant user_credentials: the answer points to the right name', async () => {
    const { body } = await api.token({ ...good, grant_type: 'user_credentials' });
    expect(body.error_description).toContain('client_credentials');
  });

  test.each(['scope', 'client_id', 'grant_type', 'unknown'])('a repeated %s is refused', async (name) => {
    const pairs = Object.entries({ ...good, [name]: good[name] ?? 'app' });
    const { status, body } = await form([...pairs, [name, good[name] ?? 'app']]);
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('an unknown parameter is ignored', async () => {
    expect(await api.token({ ...good, whatever: '1' })).toMatchObject({ status: 200 });
  });

  test('an empty parameter counts as absent', async () => {
    expect(await api.token({ ...good, scope: '', resource: '' })).toMatchObject({ status: 200 });
  });

  test.each(['GET', 'PUT', 'PATCH'])('%s is 405 with Allow', async (method) => {
    const { status, headers } = await api.call(method, '/connect/token');
    expect(status).toBe(405);
    expect(headers.get('allow')).toContain('POST');
  });

  test('credentials in the query are refused', async () => {
    const query = new URLSearchParams(good).toString();
    const { status, body } = await raw('grant_type=client_credentials', undefined, `/connect/token?${query}`);
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test('a JSON body is 400', async () => {
    const { status, body } = await raw(JSON.stringify(good), 'application/json');
    expect([status, body.error]).toEqual([400, 'invalid_request']);
  });

  test.each([
    ['application/x-www-form-urlencoded;charset=UTF-8', 200],
    ['x-www-form-urlencoded', 200],
    ['Application/X-WWW-Form-Urlencoded', 200],
    ['application/x-www-form-urlencoded; charset=utf-16', 400],
    ['text/plain', 400],
  ])('the content type %s is %i', async (type, expected) => {
    expect(await raw(new URLSearchParams(good).toString(), type)).toMatchObject({ status: expected });
  });

  test('bytes that are no UTF-8 are 400', async () => {
    const body = `${new URLSearchParams(good).toString()}&scope=%ff%fe`;
    expect(await raw(body)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    const bytes = new Uint8Array([...Buffer.from(new URLSearchParams(good).toString()), 0x26, 0xff]);
    expect(await raw(bytes)).toMatchObject({ status: 400 });
  });

  test('1 MiB is 413', async () => {
    expect(await raw('x'.repeat(1024 * 1024))).toMatchObject({ status: 413, body: { error: 'invalid_request' } });
  });

  test('1 MiB without an announced length is 413 as well', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(
        `${api.url}/connect/token`,
        { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      request.on('error', reject);
      for (let i = 0; i < 16; i++) request.write('x'.repeat(64 * 1024));
      request.end();
    });
    expect(status).toBe(413);
  });

  test('a foreign origin gets no credentials from a browser', async () => {
    const { headers } = await api.token(good, { origin: 'https://evil.example' });
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('scopes [3.3]', () => {
  test.each([
    ['app', 'app'],
    ['basic', 'basic'],
    ['app basic', 'app basic'],
    ['app app', 'app'],
    [' app ', 'app'],
  ])('%j is granted as %j', async (asked, granted) => {
    expect(await api.token({ ...good, scope: asked })).toMatchObject({ status: 200, body: { scope: granted } });
  });

  test.each(['unknown', 'app unknown', 'me', '"', 'app\u00e9'])('%j is invalid_scope', async (scope) => {
    const { status, body } = await api.token({ ...good, scope });
    expect([status, body.error]).toEqual([400, 'invalid_scope']);
  });

  test('basic needs the right, which app does not imply', async () => {
    const plain = await api.application();
    const credentials = { client_id: plain.clientId, client_secret: plain.clientSecret };
    const { status, body } = await api.token({ ...grant, ...credentials, scope: 'basic' });
    expect([status, body.error]).toEqual([400, 'invalid_scope']);
  });
});

describe('guessing', () => {
  test('after ten wrong secrets the next are told to wait, and the right one still works', async () => {
    const victim = await api.application();
    const credentials = { ...grant, client_id: victim.clientId };
    const answers = [];
    for (let i = 0; i < 11; i++) answers.push(await api.token({ ...credentials, client_secret: `slc_wrong${i}` }));
    const statuses = answers.map(({ status }) => status);
    expect(Number(answers[10]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(statuses).toEqual([...Array(10).fill(401), 429]);
    expect(await api.token({ ...credentials, client_secret: victim.clientSecret })).toMatchObject({ status: 200 });
  });

  test('the audit tells why authentication failed; the answer does not', async () => {
    const victim = await api.application();
    await api.manage('POST', `/v1/external-applications/${victim.id}/disable`);
    const { text } = await api.token({
      ...grant,
      client_id: victim.clientId,
      client_secret: victim.clientSecret,
    });
    expect(text).not.toContain('disabled');
    const { body } = await api.manage('GET', '/v1/audit?action=client-authentication-failed');
    expect(body.items.map(({ reason }: { reason: string }) => reason)).toContain('application disabled');
    expect(JSON.stringify(body)).not.toContain(victim.clientSecret);
  });
});

test('an unknown resource is invalid_target [8707 2]', async () => {
  expect(await api.token({ ...good, resource: 'https://other.example' })).toMatchObject({
    status: 400,
    body: { error: 'invalid_target' },
  });
  expect(await api.token({ ...good, resource: api.url })).toMatchObject({ status: 200 });
});

test('resource is the one parameter that may be repeated [8707 2]; each must be ours', async () => {
  const ask = async (...resources: string[]) => {
    const form = new URLSearchParams(good);
    for (const resource of resources) form.append('resource', resource);
    const { status, body } = await api.call('POST', '/oauth/token', { body: form });
    return [status, body.error];
  };
  expect(await ask(api.url, `${api.url}/`)).toEqual([200, undefined]);
  expect(await ask(api.url, 'https://other.example')).toEqual([400, 'invalid_target']);
});
