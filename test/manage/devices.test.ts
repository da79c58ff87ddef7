/** Devices and device groups through the API. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { applyTransition } from '../../shared/alerts/alert.ts';
import { alertDocument } from '../../shared/ingest/alert-documents.ts';
import { living, type Living } from '../support/living.ts';

let api: Living;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/alerts.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/zz-not-found.ts');
  });
});
afterAll(() => api.close());

describe('devices', () => {
  test('are registered, shown, replaced, changed and removed, each under its ETag', async () => {
    const created = await api.manage('POST', '/v1/devices', { deviceId: 'boiler-1' });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe('/v1/devices/boiler-1');
    expect(created.body).toMatchObject({ deviceId: 'boiler-1', name: 'boiler-1', groups: [], enabled: true });
    const etag = created.headers.get('etag') ?? '';
    expect((await api.manage('GET', '/v1/devices/boiler-1')).headers.get('etag')).toBe(etag);
    const headers = { 'if-match': etag };
    const patched = await api.manage('PATCH', '/v1/devices/boiler-1', { enabled: false }, { headers });
    expect(patched.body).toMatchObject({ enabled: false, name: 'boiler-1' });
    expect(await api.manage('PUT', '/v1/devices/boiler-1', { name: 'x' }, { headers })).toMatchObject({ status: 412 });
    expect(await api.manage('DELETE', '/v1/devices/boiler-1', undefined, { headers })).toMatchObject({ status: 412 });
    const put = await api.manage('PUT', '/v1/devices/boiler-1', { name: 'Boiler' });
    expect(put).toMatchObject({ status: 200, body: { name: 'Boiler', enabled: true } });
    expect(await api.manage('DELETE', '/v1/devices/boiler-1')).toMatchObject({ status: 204 });
    expect(await api.manage('GET', '/v1/devices/boiler-1')).toMatchObject({ status: 404 });
    expect(await api.manage('DELETE', '/v1/devices/boiler-1')).toMatchObject({ status: 404 });
  });

  test.each([
    ['key-1', 'devices', { deviceId: 'keyed-1' }],
    ['key-2', 'device-groups', { id: 'keyed-1', name: 'Keyed' }],
    ['key-3', 'device-groups', { name: 'Keyed, without an id' }],
  ])(
    'the Idempotency-Key %s makes one of the %s, also when the request comes twice at once',
    async (id, list, body) => {
      const key = { headers: { 'idempotency-key': id } };
      const create = () => api.manage('POST', `/v1/${list}`, body, key);
      const atOnce = await Promise.all([create(), create(), create()]);
      const again = await create();
      const answers = [...atOnce, again];
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
      expect(new Set(answers.map((answer) => answer.body.id ?? answer.body.deviceId)).size).toBe(1);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(await api.manage('POST', `/v1/${list}`, { ...body, name: 'x' }, key)).toMatchObject({ status: 422 });
    },
  );

  test('what was there before the key is taken, however often one asks', async () => {
    await api.manage('POST', '/v1/devices', { deviceId: 'older-1' });
    const key = { headers: { 'idempotency-key': 'older-1' } };
    const ask = () => api.manage('POST', '/v1/devices', { deviceId: 'older-1' }, key);
    expect([(await ask()).status, (await ask()).status]).toEqual([409, 409]);
  });

  test('a PUT registers as well, once', async () => {
    const put = (headers = {}) => api.manage('PUT', '/v1/devices/put-1', { name: 'One' }, { headers });
    expect(await put({ 'if-match': '*' })).toMatchObject({ status: 412 });
    expect(await put({ 'if-none-match': '*' })).toMatchObject({ status: 201 });
    expect(await put({ 'if-none-match': '*' })).toMatchObject({ status: 412 });
    expect(await put()).toMatchObject({ status: 200 });
  });

  test('an id belongs to one tenant: taken is 409, and what is another tenant’s does not exist', async () => {
    await api.manage('POST', '/v1/devices', { deviceId: 'mine' });
    const other = { tenant: 'other' };
    expect(await api.manage('POST', '/v1/devices', { deviceId: 'mine' })).toMatchObject({ status: 409 });
    expect(await api.manage('POST', '/v1/devices', { deviceId: 'mine' }, other)).toMatchObject({ status: 409 });
    expect(await api.manage('PUT', '/v1/devices/mine', {}, other)).toMatchObject({ status: 409 });
    for (const [method, json] of [
      ['GET', undefined],
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ] as const) {
      expect(await api.manage(method, '/v1/devices/mine', json, other)).toMatchObject({ status: 404 });
    }
    const { body } = await api.manage('GET', '/v1/devices', undefined, other);
    expect(body.items).toEqual([]);
    expect((await api.manage('GET', '/v1/devices/mine')).body.name).toBe('mine');
  });

  test('ids with every allowed character survive the path', async () => {
    const deviceId = 'a.b_c:d@e=f+g~h-1';
    expect(await api.manage('POST', '/v1/devices', { deviceId })).toMatchObject({ status: 201 });
    expect(await api.manage('GET', `/v1/devices/${encodeURIComponent(deviceId)}`)).toMatchObject({
      body: { deviceId },
    });
  });

  test.each<[string, object, string]>([
    ['no id', {}, 'deviceId'],
    ['a slash', { deviceId: 'a/b' }, 'deviceId'],
    ['a dot', { deviceId: '.' }, 'deviceId'],
    ['a name of an object', { deviceId: '__proto__' }, 'deviceId'],
    ['too long an id', { deviceId: 'x'.repeat(129) }, 'deviceId'],
    ['a number', { deviceId: 1 }, 'deviceId'],
    ['an unknown field', { deviceId: 'ok', tenantId: 'other' }, 'tenantId'],
    ['half a surrogate pair', { deviceId: 'ok', name: '\ud800' }, 'name'],
  ])('%s is 400 naming the field', async (_, json, field) => {
    const { status, body } = await api.manage('POST', '/v1/devices', json);
    expect([status, body.errors[0].field]).toEqual([400, field]);
  });

  test('a group that does not exist is 422', async () => {
    const { status, body } = await api.manage('POST', '/v1/devices', { deviceId: 'g', groups: ['nobody'] });
    expect([status, body.errors[0].field]).toEqual([422, 'groups.0']);
  });

  test('a list pages in the order of ids and narrows by group and text', async () => {
    const tenant = 'paged';
    await api.manage('POST', '/v1/device-groups', { id: 'odd' }, { tenant });
    const ids = Array.from({ length: 12 }, (_, i) => `dev-${String(i).padStart(2, '0')}`);
    await Promise.all(
      ids.map((deviceId, i) =>
        api.manage('POST', '/v1/devices', { deviceId, groups: i % 2 ? ['odd'] : [] }, { tenant }),
      ),
    );
    const pages: string[][] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await api.manage('GET', `/v1/devices?limit=5${query}`, undefined, { tenant });
      pages.push(body.items.map(({ deviceId }: { deviceId: string }) => deviceId));
      cursor = body.nextCursor;
    }
    expect(pages.map(({ length }) => length)).toEqual([5, 5, 2]);
    expect(pages.flat()).toEqual(ids);
    const odd = await api.manage('GET', '/v1/devices?group=odd&search=DEV-0', undefined, { tenant });
    expect(odd.body.items.map(({ deviceId }: { deviceId: string }) => deviceId)).toEqual(
      ids.filter((_, i) => i % 2 === 1 && i < 10),
    );
  });

  test('ingest sees a change of this instance at once, and of another within 5 s', async () => {
    const clock = { now: Date.now() };
    const one = await api.instance();
    const two = await api.instance(() => clock.now);
    expect(await two.devices.find('direct', 'seen')).toBeUndefined();
    const at = new Date().toISOString();
    const device = {
      id: 'direct|seen',
      source: 'direct',
      deviceId: 'seen',
      tenantId: 'default' as never,
      name: 'Seen',
      groups: [],
      enabled: true,
      createdAt: at,
      updatedAt: at,
    } as const;
    await one.devices.create({ ...device, groups: [] });
    expect(await one.devices.find('direct', 'seen')).toMatchObject({ name: 'Seen' });
    clock.now += 4_999;
    expect(await two.devices.find('direct', 'seen')).toBeUndefined();
    clock.now += 1;
    expect(await two.devices.find('direct', 'seen')).toMatchObject({ name: 'Seen' });
  });
});

describe('device groups', () => {
  test('are created with members, which stand with the devices', async () => {
    for (const deviceId of ['m1', 'm2', 'm3']) await api.manage('POST', '/v1/devices', { deviceId });
    const created = await api.manage('POST', '/v1/device-groups', { id: 'set', name: 'Set', devices: ['m1', 'm2'] });
    expect(created).toMatchObject({ status: 201, body: { id: 'set', name: 'Set', devices: ['m1', 'm2'] } });
    expect((await api.manage('GET', '/v1/devices/m1')).body.groups).toEqual(['set']);
    const edit = { addDevices: ['m3'], removeDevices: ['m1'] };
    expect((await api.manage('PATCH', '/v1/device-groups/set', edit)).body.devices).toEqual(['m2', 'm3']);
    expect((await api.manage('PATCH', '/v1/device-groups/set', { devices: ['m1'] })).body.devices).toEqual(['m1']);
    expect((await api.manage('PUT', '/v1/device-groups/set', { name: 'Renamed' })).body).toMatchObject({
      name: 'Renamed',
      devices: ['m1'],
    });
    expect(await api.manage('DELETE', '/v1/device-groups/set')).toMatchObject({ status: 204 });
    expect((await api.manage('GET', '/v1/devices/m1')).body.groups).toEqual([]);
    expect(await api.manage('GET', '/v1/device-groups/set')).toMatchObject({ status: 404 });
  });

  test('get an id of their own unless one is given', async () => {
    const { body } = await api.manage('POST', '/v1/device-groups', { name: 'No id' });
    expect(body.id).toMatch(/^grp_/);
    expect(await api.manage('POST', '/v1/device-groups', {})).toMatchObject({ status: 400 });
  });

  test('are per tenant', async () => {
    expect(await api.manage('POST', '/v1/device-groups', { id: 'same' })).toMatchObject({ status: 201 });
    expect(await api.manage('POST', '/v1/device-groups', { id: 'same' })).toMatchObject({ status: 409 });
    expect(await api.manage('POST', '/v1/device-groups', { id: 'same' }, { tenant: 'other' })).toMatchObject({
      status: 201,
    });
  });

  test('unknown members are 422, and nothing is changed', async () => {
    await api.manage('POST', '/v1/device-groups', { id: 'strict' });
    const { status, body } = await api.manage('PATCH', '/v1/device-groups/strict', { devices: ['m1', 'nobody'] });
    expect([status, body.errors[0].field]).toEqual([422, 'devices.1']);
    expect((await api.manage('GET', '/v1/device-groups/strict')).body.devices).toEqual([]);
  });

  test('one that an application uses is not deleted', async () => {
    await api.manage('POST', '/v1/device-groups', { id: 'used' });
    await api.application({ name: 'User of the group', groups: ['used'] });
    const { status, body } = await api.manage('DELETE', '/v1/device-groups/used');
    expect([status, body.applications]).toEqual([409, ['User of the group']]);
  });
});

test('an unknown path is a 404 problem', async () => {
  const { status, body, headers } = await api.call('GET', '/v1/nothing/here');
  expect([status, body.type]).toEqual([404, 'urn:sluice:problem:not-found']);
  expect(headers.get('content-type')).toBe('application/problem+json');
});

test('a device that is deleted ends its open alerts at once', async () => {
  const { store } = await api.instance();
  await api.manage('POST', '/v1/devices', { deviceId: 'leaving' });
  const opened = {
    id: 'r~leaving~1~opened',
    kind: 'opened',
    alertId: 'r~leaving~1',
    ruleId: 'r',
    ruleName: 'Warm',
    ruleKind: 'condition',
    deviceId: 'leaving',
    severity: 'warning',
    ts: 0,
    openedAt: 0,
    message: 'warm',
    evidence: { parameter: 't', op: 'gt', value: 9, threshold: 8 },
    readings: { t: 9 },
  } as const;
  const alert = applyTransition(undefined, opened, { tenantId: 'default', nowMs: 0 });
  await store.upsert('device-data', alertDocument('default|leaving', alert));
  expect(await api.manage('DELETE', '/v1/devices/leaving')).toMatchObject({ status: 204 });
  expect((await api.manage('GET', '/v1/alerts/r~leaving~1')).body).toMatchObject({
    condition: 'resolved',
    reason: 'deviceRemoved',
  });
});
