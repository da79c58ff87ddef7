/** The life of a rule through the API: draft, submitted, approved, retired; versions, policies, references. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TenantId } from '../../shared/identity/ids.ts';
import { living, type Living } from '../support/living.ts';

let api: Living;
const rule = {
  name: 'Too hot',
  when: { kind: 'condition', if: { param: 'temp', op: 'gt', value: 90 } },
};

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/rules.ts');
    await import('../../functions/devices.ts');
  });
});
afterAll(() => api.close());

const post = (path: string, body?: unknown, tenant?: string) =>
  api.manage('POST', path, body, tenant === undefined ? {} : { tenant });

/** Ids and versions of what runs in a tenant now. */
async function running(tenant: string): Promise<string[]> {
  const { rules } = await api.instance();
  return (await rules.active(tenant as TenantId)).map(({ version, name }) => `${name} v${version}`);
}

describe('approval', () => {
  test('OneSense: a saved rule runs only after it was submitted and approved', async () => {
    const tenant = 'one-sense';
    const created = await post('/v1/rules', { ...rule, approval: 'draft' }, tenant);
    expect(created).toMatchObject({ status: 201, body: { approval: 'draft', runningVersion: null } });
    const path = `/v1/rules/${created.body.id}`;
    expect(await running(tenant)).toEqual([]);
    expect(await post(`${path}/approve`, undefined, tenant)).toMatchObject({ status: 409 });
    expect(await post(`${path}/submit`, undefined, tenant)).toMatchObject({ body: { approval: 'submitted' } });
    expect(await running(tenant)).toEqual([]);
    const listed = await api.manage('GET', '/v1/rules?approval=submitted', undefined, { tenant });
    expect(listed.body.items.map(({ id }: { id: string }) => id)).toEqual([created.body.id]);
    const approved = await post(`${path}/approve`, undefined, tenant);
    expect(approved).toMatchObject({ status: 200, body: { approval: 'approved', runningVersion: 1 } });
    expect(approved.body.life.approved).toMatchObject({ version: 1, by: expect.stringContaining('service:') });
    expect(await running(tenant)).toEqual(['Too hot v1']);
  });

  test('an edit is a new draft while the approved version runs on, until it is approved in its place', async () => {
    const tenant = 'edits';
    const { body } = await post('/v1/rules', { ...rule, approval: { state: 'submitted' } }, tenant);
    const path = `/v1/rules/${body.id}`;
    await post(`${path}/approve`, undefined, tenant);
    const edited = await api.manage('PATCH', path, { name: 'Hotter' }, { tenant });
    expect(edited.body).toMatchObject({ approval: 'draft', version: 2, name: 'Hotter', runningVersion: 1 });
    expect(await running(tenant)).toEqual(['Too hot v1']);
    const again = await api.manage('PUT', path, { ...edited.body, name: 'Hottest' }, { tenant });
    expect(again.body).toMatchObject({ approval: 'draft', version: 3, runningVersion: 1 });
    await post(`${path}/submit`, undefined, tenant);
    const rejected = await post(`${path}/reject`, { note: 'too hot' }, tenant);
    expect(rejected.body).toMatchObject({ approval: 'draft', life: { rejected: { note: 'too hot' } } });
    await post(`${path}/submit`, undefined, tenant);
    await post(`${path}/approve`, undefined, tenant);
    expect(await running(tenant)).toEqual(['Hottest v3']);
  });

  test('switching off and on takes effect at once, whatever waits for approval', async () => {
    const tenant = 'switches';
    const { body } = await post('/v1/rules', { ...rule, approval: 'submitted' }, tenant);
    const path = `/v1/rules/${body.id}`;
    await post(`${path}/approve`, undefined, tenant);
    await api.manage('PATCH', path, { name: 'Draft' }, { tenant });
    expect((await post(`${path}/disable`, undefined, tenant)).body).toMatchObject({
      approval: 'draft',
      enabled: false,
    });
    expect(await running(tenant)).toEqual([]);
    await post(`${path}/enable`, undefined, tenant);
    expect(await running(tenant)).toEqual(['Too hot v1']);
  });

  test('a retired rule does not run; an edit makes it a draft', async () => {
    const tenant = 'retires';
    const { body } = await post('/v1/rules', rule, tenant);
    expect(body.approval).toBe('approved');
    const path = `/v1/rules/${body.id}`;
    expect((await post(`${path}/retire`, undefined, tenant)).body).toMatchObject({
      approval: 'retired',
      runningVersion: null,
    });
    expect(await running(tenant)).toEqual([]);
    expect(await post(`${path}/retire`, undefined, tenant)).toMatchObject({ status: 409 });
    expect((await api.manage('PATCH', path, { name: 'Again' }, { tenant })).body.approval).toBe('draft');
  });

  test('a tenant may require approval, and by somebody else than the author', async () => {
    const tenant = 'four-eyes';
    const settings = await api.manage('PUT', '/v1/rule-settings', { approval: 'four-eyes' }, { tenant });
    expect(settings).toMatchObject({ status: 200, body: { approval: 'four-eyes' } });
    expect(await post('/v1/rules', { ...rule, approval: 'approved' }, tenant)).toMatchObject({
      status: 409,
      body: { type: 'urn:sluice:problem:approval-required' },
    });
    const { body } = await post('/v1/rules', rule, tenant);
    expect(body.approval).toBe('draft');
    await post(`/v1/rules/${body.id}/submit`, undefined, tenant);
    expect(await post(`/v1/rules/${body.id}/approve`, undefined, tenant)).toMatchObject({
      status: 403,
      body: { type: 'urn:sluice:problem:approver-is-author' },
    });
    expect(await running(tenant)).toEqual([]);
    await api.manage('PUT', '/v1/rule-settings', { approval: 'required' }, { tenant });
    expect(await post(`/v1/rules/${body.id}/approve`, undefined, tenant)).toMatchObject({ status: 200 });
  });

  test('every step is in the audit', async () => {
    const tenant = 'audited';
    const { body } = await post('/v1/rules', { ...rule, approval: 'draft' }, tenant);
    for (const step of ['submit', 'approve', 'retire']) await post(`/v1/rules/${body.id}/${step}`, undefined, tenant);
    const { store } = await api.instance();
    const month = `${tenant}|${new Date().toISOString().slice(0, 7)}`;
    const entries = await store.all<{ action: string; target: string; at: string }>(
      'audit',
      { query: 'SELECT * FROM c WHERE c.pk = @pk', parameters: [{ name: '@pk', value: month }] },
      month,
    );
    const ofRule = entries.filter(({ target }) => target === `rule:${body.id}`);
    expect(ofRule.map(({ action }) => action).toSorted()).toEqual([
      'rule-approved',
      'rule-created',
      'rule-retired',
      'rule-submitted',
    ]);
  });

  test('steps take If-Match', async () => {
    const { body } = await post('/v1/rules', { ...rule, approval: 'draft' });
    const headers = { 'if-match': '"other"' };
    expect(await api.manage('POST', `/v1/rules/${body.id}/submit`, undefined, { headers })).toMatchObject({
      status: 412,
    });
  });
});

test('versions are kept, and a diff says what changes and whether states survive', async () => {
  const tenant = 'versions';
  const { body } = await post('/v1/rules', rule, tenant);
  const path = `/v1/rules/${body.id}`;
  const get = async (rest: string) => (await api.manage('GET', `${path}${rest}`, undefined, { tenant })).body;
  await api.manage('PATCH', path, { name: 'Hotter' }, { tenant });
  await api.manage(
    'PATCH',
    path,
    { when: { kind: 'condition', if: { param: 'temp', op: 'gt', value: 95 } } },
    { tenant },
  );
  expect((await get('/versions')).items.map(({ version }: { version: number }) => version)).toEqual([3, 2, 1]);
  expect(await get('/versions/1')).toMatchObject({ version: 1, rule: { name: 'Too hot' } });
  expect(await get('/diff?from=1&to=2')).toEqual({
    ruleId: body.id,
    from: 1,
    to: 2,
    differences: [{ path: 'name', before: 'Too hot', after: 'Hotter' }],
    resetsState: false,
  });
  expect(await get('/diff')).toMatchObject({
    from: 2,
    to: 3,
    differences: [{ path: 'when.if.value', before: 90, after: 95 }],
    resetsState: true,
  });
  expect((await api.manage('GET', `${path}/versions/9`, undefined, { tenant })).status).toBe(404);
});

describe('references', () => {
  const faults = (answer: { body: { errors: { field: string; rule: string }[] } }) =>
    answer.body.errors.map(({ field, rule: why }) => `${field}: ${why}`);

  test('devices, groups and profiles that the tenant does not have are refused, each at its place', async () => {
    await post('/v1/devices', { deviceId: 'foreign-1' }, 'another');
    const scope = {
      devices: ['foreign-1', 'nobody'],
      groups: ['no-group'],
      profiles: ['no-profile'],
      exclude: ['gone'],
    };
    const answer = await post('/v1/rules', { ...rule, scope });
    expect(answer.status).toBe(422);
    expect(faults(answer)).toEqual([
      'scope.devices.0: no such device in this tenant',
      'scope.devices.1: no such device in this tenant',
      'scope.groups.0: no such device group in this tenant',
      'scope.profiles.0: no such device profile in this tenant',
      'scope.exclude.0: no such device in this tenant',
    ]);
    await post('/v1/devices', { deviceId: 'mine-1' });
    expect(await post('/v1/rules', { ...rule, scope: { devices: ['mine-1'] } })).toMatchObject({ status: 201 });
  });

  test('a device that went since is not asked for again when something else is edited', async () => {
    await post('/v1/devices', { deviceId: 'passing' });
    const { body } = await post('/v1/rules', { ...rule, scope: { devices: ['passing'] } });
    await api.manage('DELETE', '/v1/devices/passing');
    expect(await api.manage('PATCH', `/v1/rules/${body.id}`, { name: 'Other' })).toMatchObject({ status: 200 });
  });

  test('a parameter that the profile does not have, of another type, or a limit out of its range', async () => {
    const parameters = { temp: { type: 'number', min: -40, max: 60 }, door: { type: 'string' } };
    expect(await api.manage('PUT', '/v1/device-profiles/fz-2', { parameters })).toMatchObject({ status: 201 });
    const scope = { profiles: ['fz-2'] };
    const condition = (param: string, value: unknown, op = 'gt') => ({
      ...rule,
      scope,
      when: { kind: 'condition', if: { param, op, value } },
    });
    expect(faults(await post('/v1/rules', condition('tmp', 1)))).toEqual([
      'when.if: tmp is not a parameter of profile fz-2; it has temp, door',
    ]);
    expect(faults(await post('/v1/rules', condition('temp', 'warm', 'eq')))).toEqual([
      'when.if: temp is a number in profile fz-2, not a string',
    ]);
    expect(faults(await post('/v1/rules', condition('temp', 90)))).toEqual([
      'when.if: 90 is outside of -40 to 60, the range of temp in profile fz-2',
    ]);
    const window = {
      kind: 'window',
      param: 'temp',
      agg: 'avg',
      period: '10m',
      op: 'gt',
      value: { attr: 'm', default: 70 },
    };
    const raise = [{ severity: 'critical', value: 80 }];
    const limits = [70, -50, 80].map((limit) => `${limit} is outside of -40 to 60, the range of temp in profile fz-2`);
    expect(faults(await post('/v1/rules', { ...rule, scope, when: { ...window, clearValue: -50 }, raise }))).toEqual([
      `when.value: ${limits[0]}`,
      `when.clearValue: ${limits[1]}`,
      `raise.0.value: ${limits[2]}`,
    ]);
    expect(faults(await post('/v1/rules', { ...rule, scope, when: { ...window, param: 'tmp' } }))).toEqual([
      'when.param: tmp is not a parameter of profile fz-2; it has temp, door',
    ]);
    expect(await post('/v1/rules', condition('temp', 8))).toMatchObject({ status: 201 });
    expect(await api.manage('DELETE', '/v1/device-profiles/fz-2')).toMatchObject({ status: 409 });
  });
});

test('limits of a device are enforced at approval: windows that one device would carry', async () => {
  const tenant = 'windows';
  const window = (period: number) => ({
    name: `window ${period}`,
    when: { kind: 'window', param: 't', agg: 'avg', period, op: 'gt', value: 1 },
  });
  for (let index = 0; index < 64; index++) {
    expect((await post('/v1/rules', window(60_000 + index * 1000), tenant)).status).toBe(201);
  }
  await post('/v1/devices', { deviceId: 'loaded' }, tenant);
  const draft = await post('/v1/rules', { ...window(1000), approval: 'submitted' }, tenant);
  expect(draft.status).toBe(201);
  const refused = await post(`/v1/rules/${draft.body.id}/approve`, undefined, tenant);
  expect(refused.status).toBe(422);
  expect(refused.body.detail).toContain('one device would have 65 windows, at most 64');
  expect((await post('/v1/rules', window(60_000), tenant)).status).toBe(201);
});

test('limits come from attributes of the device, its groups, its profile, its tenant, in this order', async () => {
  const tenant = 'inherits';
  const put = (path: string, body: unknown) => api.manage('PUT', path, body, { tenant });
  await put('/v1/rule-settings', { attributes: { a: 1, b: 1, c: 1, d: 1 } });
  await put('/v1/device-profiles/p', { attributes: { b: 2, c: 2, d: 2 } });
  await put('/v1/device-groups/g2', { attributes: { c: 4 } });
  await put('/v1/device-groups/g1', { attributes: { c: 3, d: 3 } });
  const made = await put('/v1/devices/d', { groups: ['g2', 'g1'], profile: 'p', attributes: { d: 5 } });
  expect(made.body).toMatchObject({ profile: 'p', attributes: { d: 5 } });
  expect((await put('/v1/devices/e', { profile: 'none' })).status).toBe(422);
  const { profiles, devices } = await api.instance();
  const device = await devices.read('direct', 'd');
  const { inheritAttributes } = await import('../../shared/devices/device-profiles.ts');
  const inherited = await profiles.inheritance(tenant as TenantId);
  expect(device && inheritAttributes(device, inherited)).toEqual({ a: 1, b: 2, c: 3, d: 5 });
  expect(
    (await api.manage('PATCH', '/v1/devices/d', { attributes: null, profile: null }, { tenant })).body,
  ).not.toHaveProperty('profile');
  const groups = await api.manage('GET', '/v1/device-groups', undefined, { tenant });
  expect(groups.body.items.map(({ id }: { id: string }) => id)).toEqual(['g1', 'g2']);
});
