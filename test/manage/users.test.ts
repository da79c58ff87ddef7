/** Users, roles, tenants and the first administrator, through the API. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';
import { CALLBACK, codeFlow, newUser } from '../support/people.ts';

const CODE = 'setup-code-of-this-test';
let api: Living;

beforeAll(async () => {
  process.env['SETUP_CODE'] = CODE;
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/users.ts');
  });
});
afterAll(async () => {
  delete process.env['SETUP_CODE'];
  await api.close();
});

let logins = 0;
const input = (rest: object = {}) => ({ login: `user-${++logins}@example.com`, ...rest });

describe('the first administrator', () => {
  const setup = (body: object) => api.call('POST', '/v1/setup', { json: body });
  const right = { code: CODE, login: 'first@example.com', password: 'a password of my own' };

  test('comes by the setup code: a wrong one is refused, a weak password leaves it good, it works once', async () => {
    expect((await setup({ ...right, code: 'wrong' })).status).toBe(403);
    const weak = await setup({ ...right, password: 'short' });
    expect([weak.status, weak.body.errors[0].field]).toEqual([400, 'password']);
    const answers = await Promise.all([setup(right), setup({ ...right, login: 'second@example.com' })]);
    const made = answers.find(({ status }) => status === 201);
    expect(answers.filter((answer) => answer !== made).map(({ status }) => status)).toEqual([410]);
    expect(made?.body).toMatchObject({ roles: ['platform-admin', 'owner'], tenant: 'default', hasPassword: true });
    expect((await setup(right)).status).toBe(410);
  });
});

describe('users', () => {
  test('are created, shown without credentials, listed, searched, paged', async () => {
    const { status, body, headers } = await api.manage('POST', '/v1/users', {
      login: ' Ada@Example.com ',
      name: 'Ada Lovelace',
      roles: ['operator'],
      password: 'a password of my own',
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/users/${body.id}`);
    expect(body).toEqual({
      id: expect.stringMatching(/^usr_/),
      login: 'ada@example.com',
      name: 'Ada Lovelace',
      roles: ['operator'],
      status: 'enabled',
      hasPassword: true,
      externalToken: null,
      externalIdentities: [],
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      lastSignInAt: null,
    });
    const shown = await api.manage('GET', `/v1/users/${body.id}`);
    expect(shown.body).toEqual(body);
    expect(shown.text).not.toContain('argon2');
    const etag = shown.headers.get('etag') ?? '';
    const again = await api.manage('GET', `/v1/users/${body.id}`, undefined, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const found = await api.manage('GET', '/v1/users?search=LOVELACE&role=operator&status=enabled');
    expect(found.body.items.map(({ id }: { id: string }) => id)).toEqual([body.id]);
    await newUser(api);
    const page = await api.manage('GET', '/v1/users?limit=1');
    const next = await api.manage('GET', `/v1/users?limit=1&cursor=${page.body.nextCursor}`);
    expect(next.body.items[0].id < page.body.items[0].id).toBe(true);
  });

  test('a login is unique in its tenant, whatever its case, and free again after a rename or a deletion', async () => {
    const one = await api.manage('POST', '/v1/users', input({ login: 'grace' }));
    expect((await api.manage('POST', '/v1/users', input({ login: 'GRACE' }))).status).toBe(409);
    expect((await api.manage('POST', '/v1/users', input({ login: 'grace' }), { tenant: 'elsewhere' })).status).toBe(
      201,
    );
    await api.manage('PATCH', `/v1/users/${one.body.id}`, { login: 'hopper' });
    const two = await api.manage('POST', '/v1/users', input({ login: 'grace' }));
    expect(two.status).toBe(201);
    expect((await api.manage('PATCH', `/v1/users/${one.body.id}`, { login: 'grace' })).status).toBe(409);
    await api.manage('DELETE', `/v1/users/${two.body.id}`);
    expect((await api.manage('PATCH', `/v1/users/${one.body.id}`, { login: 'grace' })).status).toBe(200);
  });

  test('twenty creations of one login at once make one user', async () => {
    const body = input();
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.manage('POST', '/v1/users', body)));
    expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1);
  });

  test('the same Idempotency-Key makes the same user', async () => {
    const options = { headers: { 'idempotency-key': 'users-1' } };
    const body = input();
    const [first, second] = [
      await api.manage('POST', '/v1/users', body, options),
      await api.manage('POST', '/v1/users', body, options),
    ];
    expect(second.body.id).toBe(first.body.id);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
  });

  test.each<[string, object, string]>([
    ['no login', { login: undefined }, 'login'],
    ['a login with spaces', { login: 'a b c' }, 'login'],
    ['a short password', { password: 'short' }, 'password'],
    ['a password of one letter', { password: 'aaaaaaaaaaaaaaaa' }, 'password'],
    ['an unknown role', { roles: ['king'] }, 'roles.0'],
    ['no roles', { roles: [] }, 'roles'],
    [
      'an identity without a subject',
      { externalIdentities: [{ issuer: 'https://id.example' }] },
      'externalIdentities.0.subject',
    ],
    ['an unknown field', { epoch: 5 }, 'epoch'],
    ['a tenant', { tenantId: 'elsewhere' }, 'tenantId'],
  ])('%s is 400 naming the field', async (_, change, field) => {
    const { status, body } = await api.manage('POST', '/v1/users', input(change));
    expect([status, body.errors[0].field]).toEqual([400, field]);
  });

  test('a change that somebody else overtook is 412', async () => {
    const { id } = await newUser(api);
    const { headers } = await api.manage('GET', `/v1/users/${id}`);
    const options = { headers: { 'if-match': headers.get('etag') ?? '' } };
    expect((await api.manage('PATCH', `/v1/users/${id}`, { name: 'One' }, options)).status).toBe(200);
    expect((await api.manage('PATCH', `/v1/users/${id}`, { name: 'Two' }, options)).status).toBe(412);
  });

  test('the last owner of a tenant stays', async () => {
    const at = { tenant: 'owned' };
    const { id } = await newUser(api, { roles: ['owner'] }, at);
    for (const [method, path, body] of [
      ['DELETE', `/v1/users/${id}`, undefined],
      ['POST', `/v1/users/${id}/disable`, undefined],
      ['PATCH', `/v1/users/${id}`, { roles: ['viewer'] }],
    ] as const) {
      const answer = await api.manage(method, path, body, at);
      expect([answer.status, answer.body.type]).toEqual([409, 'urn:sluice:problem:last-owner']);
    }
    await newUser(api, { roles: ['owner'] }, at);
    expect((await api.manage('DELETE', `/v1/users/${id}`, undefined, at)).status).toBe(204);
  });

  test('people see themselves and change their own password, which ends their tokens', async () => {
    const app = await api.application({ redirectUris: [CALLBACK] });
    const user = await newUser(api);
    const token = (await codeFlow(api, app, user)).body.access_token as string;
    const change = (currentPassword: string) =>
      api.call('POST', '/v1/me/password', { token, json: { currentPassword, newPassword: 'a brand new password' } });
    expect((await change('not my password')).status).toBe(403);
    expect((await change(user.password)).status).toBe(204);
    expect((await api.call('GET', '/v1/me', { token })).status).toBe(401);
    expect((await codeFlow(api, app, { ...user, password: 'a brand new password' })).status).toBe(200);
    expect((await api.manage('GET', `/v1/users/${user.id}`)).body.lastSignInAt).not.toBeNull();
  });

  test('roles act on live tokens', async () => {
    const app = await api.application({ redirectUris: [CALLBACK] });
    const user = await newUser(api, { roles: ['viewer'] });
    const token = (await codeFlow(api, app, user)).body.access_token as string;
    const write = () => api.call('POST', '/v1/device-groups', { token, json: { name: 'Mine' } });
    expect((await write()).status).toBe(403);
    await api.manage('PATCH', `/v1/users/${user.id}`, { roles: ['admin'] });
    expect((await write()).status).toBe(201);
    const { body } = await api.manage('GET', '/v1/audit?action=device-group-created');
    expect(body.items[0].actor).toBe(`user:${user.id}`);
  });

  test('an external token that was brought along must be random, and expires when it should', async () => {
    const { id } = await newUser(api);
    const path = `/v1/users/${id}/external-authentication-token`;
    expect((await api.manage('PUT', path, { token: 'guessable' })).status).toBe(400);
    const written = await api.manage('PUT', path, {
      token: 'kV7pQ2xZ9mT4rB8nW1cY6dF3',
      expiresAt: '2020-01-01T00:00:00Z',
    });
    expect(written.body).not.toHaveProperty('externalAuthenticationToken');
    expect(written.text).not.toContain('kV7pQ2xZ9m');
    const mobile = await api.application({ clientType: 'public', userAuthentication: 'external_authentication_token' });
    const { status, body } = await api.token({
      grant_type: 'password',
      client_id: mobile.clientId,
      external_authentication_token: 'kV7pQ2xZ9mT4rB8nW1cY6dF3',
    });
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
  });
});

test('roles are listed with what they allow', async () => {
  const { body } = await api.manage('GET', '/v1/roles');
  expect(body.items.map(({ id }: { id: string }) => id)).toEqual([
    'viewer',
    'operator',
    'admin',
    'owner',
    'platform-admin',
  ]);
  expect(body.items[0].permissions).toEqual(['read']);
});

describe('tenants', () => {
  test('are made, renamed, listed, and deleted when empty', async () => {
    expect((await api.manage('POST', '/v1/tenants', { id: 'acme', name: 'ACME' })).status).toBe(201);
    expect((await api.manage('POST', '/v1/tenants', { id: 'acme' })).status).toBe(409);
    expect((await api.manage('POST', '/v1/tenants', { id: 'Not An Id' })).status).toBe(400);
    expect((await api.manage('PATCH', '/v1/tenants/acme', { name: 'Acme Ltd' })).body.name).toBe('Acme Ltd');
    const { body } = await api.manage('GET', '/v1/tenants');
    expect(body.items.map(({ id }: { id: string }) => id)).toContain('acme');
    const user = await newUser(api, {}, { tenant: 'acme' });
    expect((await api.manage('DELETE', '/v1/tenants/acme')).status).toBe(409);
    await api.manage('DELETE', `/v1/users/${user.id}`, undefined, { tenant: 'acme' });
    expect((await api.manage('DELETE', '/v1/tenants/acme')).status).toBe(204);
    expect((await api.manage('GET', '/v1/tenants/acme')).status).toBe(404);
  });

  test('one that is switched off takes its people and applications along, and back', async () => {
    const at = { tenant: 'paused' };
    await api.manage('POST', '/v1/tenants', { id: 'paused' });
    const { body: app } = await api.manage(
      'POST',
      '/v1/external-applications',
      { name: 'Portal', expiresAt: '2099-12-31', redirectUris: [CALLBACK] },
      at,
    );
    const user = await newUser(api, {}, at);
    const person = (await codeFlow(api, app, user)).body.access_token as string;
    const machine = await api.accessToken(app);
    expect((await api.call('GET', '/v1/me/devices', { token: machine })).status).toBe(200);
    await api.manage('POST', '/v1/tenants/paused/disable');
    const other = await api.instance();
    expect(await other.tenants.disabled('paused' as never)).toBe(true);
    expect((await api.call('GET', '/v1/me', { token: person })).status).toBe(401);
    expect((await api.call('GET', '/v1/me/devices', { token: machine })).status).toBe(401);
    const form = { grant_type: 'client_credentials', client_id: app.clientId, client_secret: app.clientSecret };
    expect((await api.token(form)).status).toBe(401);
    await api.manage('POST', '/v1/tenants/paused/enable');
    expect((await api.token(form)).status).toBe(200);
  });
});
