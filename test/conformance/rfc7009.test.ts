/** RFC 7009, token revocation; numbers in brackets are sections. */
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
const revoke = (token: string, by = app) => post('/oauth/revoke', { token, ...credentials(by) });
const introspect = (token: string, by = app) => post('/oauth/introspect', { token, ...credentials(by) });

describe('revocation', () => {
  test.each(['/oauth/revoke', '/connect/revocation'])('%s ends a token [2.1]', async (path) => {
    const token = await api.accessToken(app);
    expect(await post(path, { token, ...credentials(app) })).toMatchObject({ status: 200, body: {} });
    expect((await introspect(token)).body).toEqual({ active: false });
    expect(await api.call('GET', '/oauth/token/info', { token })).toMatchObject({ status: 401 });
  });

  test('other tokens of the application go on', async () => {
    const [one, two] = [await api.accessToken(app), await api.accessToken(app)];
    await revoke(one);
    expect((await introspect(two)).body.active).toBe(true);
  });

  test('an unknown token is 200 [2.2]', async () => {
    for (const unknown of ['unknown', 'x'.repeat(20_000)]) expect(await revoke(unknown)).toMatchObject({ status: 200 });
  });

  test('the token of another client stays active [2.1]', async () => {
    const token = await api.accessToken(app);
    const other = await api.application();
    await revoke(token, other);
    expect((await introspect(token)).body.active).toBe(true);
  });

  test('no token is 400, a bad client 401, and neither is cached', async () => {
    const missing = await post('/oauth/revoke', credentials(app));
    const stranger = await post('/oauth/revoke', { token: 'x', client_id: app.clientId, client_secret: 'slc_x' });
    expect([missing.status, stranger.status]).toEqual([400, 401]);
    for (const { headers } of [missing, stranger]) expect(headers.get('cache-control')).toContain('no-store');
  });

  test('more revoked tokens than the document lists end all of them', async () => {
    const busy = await api.application();
    const survivor = await api.accessToken(busy);
    const tokens = await Promise.all(Array.from({ length: 101 }, () => api.accessToken(busy)));
    for (const token of tokens) await revoke(token, busy);
    expect((await introspect(survivor, busy)).body).toEqual({ active: false });
    expect((await introspect(await api.accessToken(busy), busy)).body.active).toBe(true);
  });
});

describe('requests [2.1]', () => {
  test.each(['access_token', 'refresh_token', 'whatever', ''])(
    'a hint %j changes nothing: the token ends',
    async (hint) => {
      const token = await api.accessToken(app);
      const form = { token, token_type_hint: hint, ...credentials(app) };
      expect(await post('/oauth/revoke', form)).toMatchObject({ status: 200 });
      expect((await introspect(token)).body).toEqual({ active: false });
    },
  );

  test('client authentication by Basic', async () => {
    const token = await api.accessToken(app);
    const authorization = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`;
    expect(await post('/oauth/revoke', { token }, { authorization })).toMatchObject({ status: 200 });
    expect((await introspect(token)).body).toEqual({ active: false });
    const wrong = { authorization: `Basic ${Buffer.from(`${app.clientId}:wrong`).toString('base64')}` };
    const refused = await post('/oauth/revoke', { token }, wrong);
    expect([refused.status, refused.body.error]).toEqual([401, 'invalid_client']);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
  });

  test('DELETE /oauth/token by Basic ends the token of the form, and says what is missing where it names none', async () => {
    const token = await api.accessToken(app);
    const pair = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
    const end = (path: string, form?: Record<string, string>) =>
      api.call('DELETE', path, {
        headers: { authorization: `Basic ${pair}` },
        ...(form && { body: new URLSearchParams(form) }),
      });
    const none = await end('/oauth/token');
    expect([none.status, none.body.error]).toEqual([400, 'invalid_request']);
    // A token in a URL is logged: it is not taken from there.
    expect(await end(`/oauth/token?token=${token}`)).toMatchObject({ status: 400 });
    expect((await introspect(token)).body.active).toBe(true);
    expect(await end('/oauth/token', { token })).toMatchObject({ status: 204 });
    expect((await introspect(token)).body).toEqual({ active: false });
  });

  test('a disabled client may not', async () => {
    const other = await api.application();
    const token = await api.accessToken(other);
    await api.manage('POST', `/v1/external-applications/${other.id}/disable`);
    expect(await revoke(token, other)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  test('a repeated token, and one in the query, are refused', async () => {
    const twice = new URLSearchParams([['token', 'a'], ['token', 'b'], ...Object.entries(credentials(app))]);
    expect(await api.call('POST', '/oauth/revoke', { body: twice })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    expect(
      await api.call('POST', '/oauth/revoke?token=a', { body: new URLSearchParams(credentials(app)) }),
    ).toMatchObject({ status: 400 });
  });

  test.each(['GET', 'PUT', 'DELETE'])('%s is 405 with Allow', async (method) => {
    const { status, headers } = await api.call(method, '/oauth/revoke');
    expect([status, headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });
});

describe('responses [2.2]', () => {
  test('revoking twice is 200 twice', async () => {
    const token = await api.accessToken(app);
    expect(await revoke(token)).toMatchObject({ status: 200, body: {} });
    expect(await revoke(token)).toMatchObject({ status: 200, body: {} });
  });

  test('another host refuses a revoked token within 5 s', async () => {
    const token = await api.accessToken(app);
    const clock = { now: Date.now() };
    const other = await api.instance(() => clock.now);
    const claims = await other.tokens.verify(token);
    const question = { tenantId: 'default', clientId: app.clientId, tokenId: claims?.jti ?? '', epoch: 1 } as never;
    expect(await other.policies.standingOf(question)).toMatchObject({ allowed: true });
    await revoke(token);
    clock.now += 5_000;
    expect(await other.policies.standingOf(question)).toEqual({ allowed: false, reason: 'revoked' });
  });

  test('the audit names who revoked which token', async () => {
    const token = await api.accessToken(app);
    const { jti } = (await introspect(token)).body;
    await revoke(token);
    const { body } = await api.manage('GET', `/v1/audit?action=token-revoked&target=token:${jti}`);
    expect(body.items).toEqual([expect.objectContaining({ actor: `client:…${app.clientId.slice(-4)}` })]);
    expect(JSON.stringify(body)).not.toContain(token);
  });
});
