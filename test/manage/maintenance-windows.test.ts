/** `/v1/maintenance-windows` over HTTP, and what a window does to an alert of the real projection. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';
import { newUser } from '../support/people.ts';

let api: Living;
beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/maintenance-windows.ts');
    await import('../../functions/openapi.ts');
    await import('../../functions/users.ts');
    await import('../../functions/external-applications.ts');
  });
  await api.manage('POST', '/v1/device-groups', { id: 'boilers', name: 'Boilers' });
  await api.manage('POST', '/v1/devices', { deviceId: 'boiler-1', groups: ['boilers'] });
});
afterAll(() => api.close());

const ROUTE = '/v1/maintenance-windows';
const weekly = {
  name: 'Sunday works',
  scope: { groups: ['boilers'] },
  when: { kind: 'weekly', schedule: { tz: 'Europe/Berlin', days: ['SUN'], from: '02:00', to: '06:00' } },
};

test('a window is created, shown, listed, replaced under its ETag, deleted, and all of that is in the audit', async () => {
  const created = await api.manage('POST', ROUTE, weekly);
  expect(created).toMatchObject({ status: 201, body: { ...weekly, enabled: true } });
  expect(created.body).toHaveProperty('activeUntil');
  const path = created.headers.get('location') ?? '';
  const old = { headers: { 'if-match': created.headers.get('etag') ?? '' } };
  expect((await api.manage('GET', path)).headers.get('etag')).toBe(created.headers.get('etag'));
  const now = Date.now();
  const once = {
    name: 'Now',
    when: { kind: 'once', from: new Date(now - 60_000).toISOString(), until: new Date(now + 3_600_000).toISOString() },
  };
  expect(await api.manage('PUT', path, once, old)).toMatchObject({
    status: 200,
    body: { name: 'Now', activeUntil: once.when.until },
  });
  expect(await api.manage('PUT', path, weekly, old)).toMatchObject({ status: 412 });
  expect(await api.manage('DELETE', path, undefined, old)).toMatchObject({ status: 412 });
  expect((await api.manage('GET', ROUTE)).body.items).toHaveLength(1);
  expect(await api.manage('GET', path, undefined, { tenant: 'elsewhere' })).toMatchObject({ status: 404 });
  expect(await api.manage('DELETE', path)).toMatchObject({ status: 204 });
  expect(await api.manage('GET', path)).toMatchObject({ status: 404 });
  const { body } = await api.manage('GET', '/v1/audit');
  const actions = body.items.map(({ action }: { action: string }) => action);
  for (const what of ['created', 'changed', 'deleted']) expect(actions).toContain(`maintenance-window-${what}`);
});

test.each([
  [{ ...weekly, when: { kind: 'weekly', schedule: { tz: 'Mars/Base' } } }, 400, 'when.schedule.tz'],
  [
    { ...weekly, when: { kind: 'once', from: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' } },
    400,
    'when.until',
  ],
  [
    { ...weekly, when: { kind: 'once', from: '2026-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' } },
    400,
    'when.until',
  ],
  [{ ...weekly, when: { kind: 'monthly' } }, 400, 'when.kind'],
  [{ ...weekly, name: 'a\r\nb' }, 400, 'name'],
  [{ ...weekly, extra: 1 }, 400, 'extra'],
  [{ ...weekly, scope: { devices: ['ghost'] } }, 422, 'scope.devices.0'],
  [{ ...weekly, scope: { groups: ['ghosts'] } }, 422, 'scope.groups.0'],
  [{ ...weekly, scope: { rules: ['rul_none'] } }, 422, 'scope.rules.0'],
])('%j is refused at the door with its field', async (body, status, field) => {
  expect(await api.manage('POST', ROUTE, body)).toMatchObject({ status, body: { errors: [{ field }] } });
});

test('viewers see windows, and do not change them', async () => {
  const { body } = await api.manage('POST', ROUTE, weekly);
  const { login: username, password } = await newUser(api, { roles: ['viewer'] });
  const { clientId: client_id, clientSecret: client_secret } = await api.application({
    userAuthentication: 'password',
  });
  const signedIn = await api.token({ grant_type: 'password', client_id, client_secret, username, password });
  const token = signedIn.body.access_token as string;
  expect(await api.call('GET', ROUTE, { token })).toMatchObject({ status: 200 });
  expect(await api.call('POST', ROUTE, { token, json: weekly })).toMatchObject({ status: 403 });
  expect(await api.call('DELETE', `${ROUTE}/${body.id}`, { token })).toMatchObject({ status: 403 });
  expect(await api.call('GET', ROUTE)).toMatchObject({ status: 401 });
});

test('the services know by the registered groups of a device until when it is covered', async () => {
  const now = Date.parse('2026-11-22T02:30:00Z');
  const services = await api.instance(() => now);
  await api.manage('POST', ROUTE, weekly);
  const covered = (deviceId: string) => services.outbox.maintenanceUntil('default', { deviceId, ruleId: 'r' });
  expect(await covered('boiler-1')).toBe(Date.parse('2026-11-22T05:00:00Z'));
  expect(await covered('pump-1')).toBeUndefined();
});

test('a creation that is repeated under its key makes one window', async () => {
  const options = { headers: { 'idempotency-key': 'window-1' } };
  const one = await api.manage('POST', ROUTE, weekly, options);
  const two = await api.manage('POST', ROUTE, weekly, options);
  expect([one.status, two.status, two.body.id]).toEqual([201, 200, one.body.id]);
  expect(two.headers.get('idempotency-replayed')).toBe('true');
});

test('the description of the API has them', async () => {
  const { body } = await api.call('GET', '/v1/openapi.json');
  expect(Object.keys(body.paths['/v1/maintenance-windows/{windowId}']).toSorted()).toEqual(
    expect.arrayContaining(['delete', 'get', 'put']),
  );
  expect(JSON.stringify(body.paths['/v1/maintenance-windows'].post)).toContain('application/json');
});
