/** RFC 6750, how bearer tokens are used; numbers in brackets are sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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

/** Every kind of resource: for the token's holder, for applications, for administrators. */
const RESOURCES = ['/oauth/token/info', '/v1/me/devices', '/v1/devices'];
const info = (authorization?: string, method = 'GET') =>
  api.call(method, '/oauth/token/info', authorization === undefined ? {} : { headers: { authorization } });

describe('the request [2]', () => {
  test('the header field is taken, its scheme in any case [2.1]', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect(await info(`${scheme} ${token}`)).toMatchObject({ status: 200 });
    }
  });

  test('more than one space before the token is allowed [7235 2.1]', async () => {
    expect(await info(`Bearer   ${token}`)).toMatchObject({ status: 200 });
  });

  test('a token in a form body is not taken [2.2]: nothing here would need it', async () => {
    const body = new URLSearchParams({ access_token: token });
    expect(await api.call('DELETE', '/oauth/token', { body })).toMatchObject({ status: 401 });
    expect(await info(`Bearer ${token}`)).toMatchObject({ status: 200 });
  });

  test('a token in the query is refused, also beside the header [2.3, 9700 4.3.2]', async () => {
    for (const options of [{}, { token }]) {
      const { status, headers } = await api.call('GET', `/oauth/token/info?access_token=${token}`, options);
      expect(status).toBe(400);
      expect(headers.get('www-authenticate')).toContain('error="invalid_request"');
    }
  });

  test('HEAD is authorised as GET is', async () => {
    expect(await info(undefined, 'HEAD')).toMatchObject({ status: 401, text: '' });
    expect(await info(`Bearer ${token}`, 'HEAD')).toMatchObject({ status: 200, text: '' });
  });

  test('headers cannot be forged through the query, which the platform would take as headers', async () => {
    const forged = encodeURIComponent(JSON.stringify({ authorization: `Bearer ${token}` }));
    expect(await api.call('GET', `/oauth/token/info?Headers=${forged}`)).toMatchObject({ status: 400 });
    expect(await api.call('GET', '/oauth/token/info?headers=x', { token })).toMatchObject({ status: 400 });
  });
});

describe('the challenge [3]', () => {
  test.each(RESOURCES)('%s without a token is 401 with a Bearer challenge that has no error code', async (path) => {
    const { status, headers } = await api.call('GET', path);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="sluice"/);
    expect(headers.get('www-authenticate')).not.toContain('error');
    expect(headers.get('cache-control')).toContain('no-store');
  });

  test('another scheme counts as no token', async () => {
    for (const authorization of ['Basic YTpi', 'Digest x', 'Bearerx', token]) {
      const { status, headers } = await info(authorization);
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).not.toContain('error');
    }
  });

  test.each(['garbage', 'a.b.c', '..', 'x'.repeat(9000), '', 'two words', 'ümlaut', '"quoted"', '<script>'])(
    '%.20j: 401 invalid_token [3.1]',
    async (bad) => {
      const { status, headers } = await info(`Bearer ${Buffer.from(bad).toString('latin1')}`);
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
      // [3]: error_description holds only %x20-21 / %x23-5B / %x5D-7E.
      expect(headers.get('www-authenticate')).toMatch(/error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]*"/);
    },
  );

  test.each(RESOURCES)('a token that has ended is 401 invalid_token at %s', async (path) => {
    const ended = await api.accessToken(app);
    await api.call('DELETE', '/oauth/token', { token: ended });
    const { status, headers } = await api.call('GET', path, { token: ended });
    expect([status, headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('error="invalid_token"')]);
  });

  test('a good token without the scope is 403 insufficient_scope with the scope [3.1]', async () => {
    const basicOnly = await api.accessToken(await api.application({ scopes: ['basic'] }));
    const { status, headers } = await api.call('GET', '/v1/me/devices', { token: basicOnly });
    expect(status).toBe(403);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer .*error="insufficient_scope".*scope="app"/);
  });

  test('an application may not manage: 403, not 401, because another token of it would not help', async () => {
    for (const [method, path] of [
      ['GET', '/v1/devices'],
      ['POST', '/v1/external-applications'],
      ['GET', '/v1/audit'],
    ] as const) {
      expect(await api.call(method, path, { token })).toMatchObject({ status: 403 });
    }
  });

  test('the body says what to do, and holds nothing of the token', async () => {
    const bad = `${token.slice(0, -3)}AAA`;
    const { body, text } = await api.call('GET', '/v1/me/devices', { token: bad });
    expect(body.detail).toMatch(/ask for a new one/);
    expect(text).not.toContain(bad.slice(0, 40));
  });
});

test('a browser page of another origin cannot read answers with credentials', async () => {
  const { headers } = await api.call('GET', '/v1/me/devices', { token, headers: { origin: 'https://evil.example' } });
  expect(headers.get('access-control-allow-credentials')).toBeNull();
});
