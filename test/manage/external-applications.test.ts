/** External Applications through the API; ids in brackets are the requirements of the seeds (A2–A15). */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living, type TestApplication } from '../support/living.ts';

const PATH = '/v1/external-applications';
let api: Living;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
  });
  await api.manage('POST', '/v1/device-groups', { id: 'pumps', name: 'Pumps' });
  await api.manage('POST', '/v1/devices', { deviceId: 'd1' });
  await api.manage('POST', '/v1/devices', { deviceId: 'p1', groups: ['pumps'] });
});
afterAll(() => api.close());

let names = 0;
const input = (rest: object = {}) => ({ name: `Portal ${++names}`, expiresAt: '2099-12-31', ...rest });
const grant = ({ clientId, clientSecret }: TestApplication) =>
  api.token({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret });

describe('creation [A4–A8]', () => {
  test('answers the credentials once, and never again', async () => {
    const created = await api.manage(
      'POST',
      PATH,
      input({ devices: ['d1'], groups: ['pumps'], includeAnomalies: true }),
    );
    expect(created.status).toBe(201);
    expect(created.headers.get('cache-control')).toBe('no-store');
    const { id, clientId, clientSecret } = created.body;
    expect(clientId).toMatch(/^slca_[0-9A-Za-z]{22}$/);
    expect(clientSecret).toMatch(/^slc_[0-9A-Za-z]{49}$/);
    expect(created.headers.get('location')).toBe(`${PATH}/${id}`);
    const shown = await api.manage('GET', `${PATH}/${id}`);
    expect(shown.body).toMatchObject({
      id,
      status: 'enabled',
      expired: false,
      expiresAt: '2099-12-31T23:59:59.999Z',
      includeAnomalies: true,
      devices: ['d1'],
      groups: ['pumps'],
      lastUsedAt: null,
      clientIdHint: clientId.slice(-4),
    });
    const list = await api.manage('GET', `${PATH}?limit=200`);
    for (const { text } of [shown, list]) {
      expect(text).not.toContain(clientSecret);
      expect(text).not.toContain(clientId);
    }
  });

  test('the store holds no secret in the clear', async () => {
    const { clientId, clientSecret } = await api.application();
    const { store } = await api.instance();
    const document = await store.read('applications', clientId, clientId);
    expect(JSON.stringify(document)).toContain('"hash"');
    expect(JSON.stringify(document)).not.toContain(clientSecret);
  });

  test.each<[string, object, string]>([
    ['a missing name', { name: undefined }, 'name'],
    ['an empty name', { name: '  ' }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a name that is too long', { name: 'x'.repeat(129) }, 'name'],
    ['a missing date', { expiresAt: undefined }, 'expiresAt'],
    ['a date that is none', { expiresAt: '2027-02-30' }, 'expiresAt'],
    ['a moment without a zone', { expiresAt: '2027-02-03T10:00:00' }, 'expiresAt'],
    ['anomalies of a wrong type', { includeAnomalies: 'yes' }, 'includeAnomalies'],
    ['devices of a wrong type', { devices: 'd1' }, 'devices'],
    ['a device id that is none', { devices: ['a/b'] }, 'devices.0'],
    ['an unknown field', { device: [] }, 'device'],
    ['a scope that is none', { scopes: ['me'] }, 'scopes.0'],
  ])('%s is 400 naming the field', async (_, change, field) => {
    const { status, body } = await api.manage('POST', PATH, { ...input(), ...change });
    expect(status).toBe(400);
    expect(body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test.each<[string, object, string]>([
    ['a date that has passed', { expiresAt: '2020-01-01' }, 'expiresAt'],
    ['a device that the tenant does not have', { devices: ['d1', 'nobody'] }, 'devices.1'],
    ['a group that the tenant does not have', { groups: ['nobody'] }, 'groups.0'],
  ])('%s is 422 naming the field', async (_, change, field) => {
    const { status, body } = await api.manage('POST', PATH, input(change));
    expect([status, body.errors[0].field]).toEqual([422, field]);
  });

  test("another tenant's device is as unknown as any", async () => {
    await api.manage('POST', '/v1/devices', { deviceId: 'foreign' }, { tenant: 'other' });
    expect(await api.manage('POST', PATH, input({ devices: ['foreign'] }))).toMatchObject({ status: 422 });
  });

  test('a name is unique in its tenant whatever its case, and free again after deletion', async () => {
    const { id, name } = (await api.manage('POST', PATH, input({ name: 'Grafana' }))).body;
    expect(name).toBe('Grafana');
    const taken = await api.manage('POST', PATH, input({ name: ' GRAFANA ' }));
    expect([taken.status, taken.body.type]).toEqual([409, 'urn:sluice:problem:name-taken']);
    expect(await api.manage('POST', PATH, input({ name: 'Grafana' }), { tenant: 'other' })).toMatchObject({
      status: 201,
    });
    await api.manage('DELETE', `${PATH}/${id}`);
    expect(await api.manage('POST', PATH, input({ name: 'Grafana' }))).toMatchObject({ status: 201 });
  });

  test('of twenty at once under one name exactly one is created', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.manage('POST', PATH, input({ name: 'Contended' }))),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
  });

  test('an Idempotency-Key makes one application, and tells the secret once', async () => {
    const body = input();
    const headers = { 'idempotency-key': 'abc-1' };
    const answers = await Promise.all([1, 2, 3].map(() => api.manage('POST', PATH, body, { headers })));
    const again = await api.manage('POST', PATH, body, { headers });
    const all = [...answers, again];
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ body: answer }) => answer.clientSecret !== undefined)).toHaveLength(1);
    expect(new Set(all.map(({ body: answer }) => answer.id)).size).toBe(1);
    expect(again.status).toBe(200);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body.notice).toContain('rotate');
    expect(await api.manage('POST', PATH, input(), { headers })).toMatchObject({ status: 422 });
    expect(await api.manage('POST', PATH, body, { headers: { 'idempotency-key': 'a b' } })).toMatchObject({
      status: 400,
    });
  });
});

describe('the list [A2]', () => {
  test('pages the newest first, without a gap or a repeat, and narrows by name and status', async () => {
    const tenant = 'listing';
    const made: string[] = [];
    for (let i = 0; i < 7; i++) {
      made.push((await api.manage('POST', PATH, input({ name: `Listed ${i}` }), { tenant })).body.id);
    }
    await api.manage('POST', `${PATH}/${made[2]}/disable`, undefined, { tenant });
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await api.manage('GET', `${PATH}?limit=3${query}`, undefined, { tenant });
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(made.toReversed());
    const names = async (query: string) =>
      (await api.manage('GET', `${PATH}?${query}`, undefined, { tenant })).body.items.map(
        ({ name }: { name: string }) => name,
      );
    expect(await names('status=disabled')).toEqual(['Listed 2']);
    expect(await names('status=enabled&search=LISTED%203')).toEqual(['Listed 3']);
    expect(await names('status=expired')).toEqual([]);
  });

  test.each(['limit=0', 'limit=x', 'limit=201', 'status=on', 'cursor=x', 'cursor=W10', 'search=', 'what=1'])(
    '?%s is 400',
    async (query) => {
      expect(await api.manage('GET', `${PATH}?${query}`)).toMatchObject({ status: 400 });
    },
  );

  test('shows when an application was last used', async () => {
    const app = await api.application();
    await grant(app);
    const { body } = await api.manage('GET', `${PATH}/${app.id}`);
    expect(Math.abs(Date.parse(body.lastUsedAt) - Date.now())).toBeLessThan(10_000);
    expect(body.secrets[0].lastUsedAt).toBe(body.lastUsedAt);
  });
});

describe('editing [A12]', () => {
  test('changes what it may, under the ETag', async () => {
    const { id } = await api.application();
    const { headers } = await api.manage('GET', `${PATH}/${id}`);
    const etag = headers.get('etag') ?? '';
    const edited = await api.manage(
      'PATCH',
      `${PATH}/${id}`,
      { name: 'Renamed', devices: ['d1'] },
      {
        headers: { 'if-match': etag },
      },
    );
    expect([edited.status, edited.body.name, edited.body.devices]).toEqual([200, 'Renamed', ['d1']]);
    expect(edited.headers.get('etag')).not.toBe(etag);
    const stale = await api.manage('PATCH', `${PATH}/${id}`, { name: 'Too late' }, { headers: { 'if-match': etag } });
    expect([stale.status, stale.body.type]).toEqual([412, 'urn:sluice:problem:changed-meanwhile']);
  });

  test('using an application does not change its ETag', async () => {
    const app = await api.application();
    const before = (await api.manage('GET', `${PATH}/${app.id}`)).headers.get('etag');
    await grant(app);
    expect((await api.manage('GET', `${PATH}/${app.id}`)).headers.get('etag')).toBe(before);
    const known = await api.manage('GET', `${PATH}/${app.id}`, undefined, {
      headers: { 'if-none-match': before ?? '' },
    });
    expect([known.status, known.text]).toEqual([304, '']);
  });

  test('the expiration date is not edited, and the answer points to where it is', async () => {
    const { id } = await api.application();
    const { status, body } = await api.manage('PATCH', `${PATH}/${id}`, { expiresAt: '2100-01-01' });
    expect(status).toBe(422);
    expect(body.detail).toContain('extend');
    const extended = await api.manage('POST', `${PATH}/${id}/extend`, { expiresAt: '2100-06-30' });
    expect([extended.status, extended.body.expiresAt]).toEqual([200, '2100-06-30T23:59:59.999Z']);
    expect(await api.manage('POST', `${PATH}/${id}/extend`, { expiresAt: '2100-06-29' })).toMatchObject({
      status: 422,
    });
  });

  test('parallel edits of different fields all land', async () => {
    const { id } = await api.application();
    const edits = [{ name: 'Parallel' }, { devices: ['d1'] }, { groups: ['pumps'] }, { includeAnomalies: true }];
    await Promise.all(edits.map((edit) => api.manage('PATCH', `${PATH}/${id}`, edit)));
    expect((await api.manage('GET', `${PATH}/${id}`)).body).toMatchObject(Object.assign({}, ...edits));
  });

  test('renaming frees the old name, and may not take another one', async () => {
    const first = (await api.manage('POST', PATH, input({ name: 'First' }))).body;
    await api.manage('POST', PATH, input({ name: 'Second' }));
    expect(await api.manage('PATCH', `${PATH}/${first.id}`, { name: 'second' })).toMatchObject({ status: 409 });
    expect(await api.manage('PATCH', `${PATH}/${first.id}`, { name: 'FIRST' })).toMatchObject({ status: 200 });
    expect(await api.manage('PATCH', `${PATH}/${first.id}`, { name: 'Third' })).toMatchObject({ status: 200 });
    expect(await api.manage('POST', PATH, input({ name: 'First' }))).toMatchObject({ status: 201 });
  });

  test('a token sees an edit of the policy at once', async () => {
    const app = await api.application();
    const token = await api.accessToken(app);
    const devices = async () => (await api.call('GET', '/v1/me/devices', { token })).body;
    expect(await devices()).toMatchObject({ items: [], total: 0, policyVersion: 1 });
    await api.manage('PATCH', `${PATH}/${app.id}`, { groups: ['pumps'], includeAnomalies: true });
    expect(await devices()).toMatchObject({
      items: [{ deviceId: 'p1' }],
      includeAnomalies: true,
      policyVersion: 2,
    });
  });
});

describe('taking back [A13, A15]', () => {
  const alive = async (token: string) => (await api.call('GET', '/v1/me/devices', { token })).status;

  test('disabling ends tokens that are out, for good, and refuses new ones; enabling allows new ones', async () => {
    const app = await api.application();
    const token = await api.accessToken(app);
    expect(await alive(token)).toBe(200);
    const disabled = await api.manage('POST', `${PATH}/${app.id}/disable`);
    expect([disabled.status, disabled.body.status]).toEqual([200, 'disabled']);
    expect(await alive(token)).toBe(401);
    expect(await grant(app)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect((await api.manage('POST', `${PATH}/${app.id}/enable`)).body.status).toBe('enabled');
    expect(await alive(token)).toBe(401);
    expect(await alive(await api.accessToken(app))).toBe(200);
  });

  test('deleting ends everything, and the client id is never issued again', async () => {
    const app = await api.application();
    const token = await api.accessToken(app);
    expect(await api.manage('DELETE', `${PATH}/${app.id}`)).toMatchObject({ status: 204, text: '' });
    expect(await alive(token)).toBe(401);
    expect(await grant(app)).toMatchObject({ status: 401 });
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/disable'],
    ] as const) {
      expect(await api.manage(method, `${PATH}/${app.id}${path}`)).toMatchObject({ status: 404 });
    }
    const { store } = await api.instance();
    expect(await store.read('applications', app.clientId, app.clientId)).toMatchObject({ kind: 'deleted-application' });
  });

  test.each(['nope', 'slca_0000000000000000000000', '00000000-0000-0000-0000-000000000000', '%F0%9F%94%A5', "'--"])(
    '%s is the id of no application: 404, whatever it looks like',
    async (id) => {
      expect(await api.manage('GET', `${PATH}/${id}`)).toMatchObject({ status: 404 });
      expect(await api.manage('POST', `${PATH}/${id}/enable`)).toMatchObject({ status: 404 });
    },
  );

  test('an expired application gets no tokens, and its tokens end', async () => {
    const app = await api.application({ expiresAt: new Date(Date.now() + 60_000).toISOString() });
    const token = await api.accessToken(app);
    const later = await api.instance(() => Date.now() + 61_000);
    const application = await later.applications.byClientId(app.clientId);
    expect(await later.tokens.verify(token)).toBeDefined();
    expect(
      await later.policies.standingOf({
        tenantId: later.config.BOOTSTRAP_TENANT as never,
        clientId: app.clientId as never,
        tokenId: '',
        epoch: application?.epoch ?? 0,
      }),
    ).toEqual({ allowed: false, reason: 'expired' });
  });

  test('another instance follows within 5 s', async () => {
    const app = await api.application();
    const clock = { now: Date.now() };
    const other = await api.instance(() => clock.now);
    const claims = { tenantId: 'default' as never, clientId: app.clientId as never, tokenId: 'x', epoch: 1 };
    expect(await other.policies.standingOf(claims)).toMatchObject({ allowed: true });
    await api.manage('POST', `${PATH}/${app.id}/disable`);
    clock.now += 5_000;
    expect(await other.policies.standingOf(claims)).toEqual({ allowed: false, reason: 'disabled' });
  });
});

describe('rotation [A14]', () => {
  test('keeps the client id, and both secrets work until the grace ends', async () => {
    const app = await api.application();
    const rotated = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`);
    expect([rotated.status, rotated.body.clientId]).toEqual([200, app.clientId]);
    const next = { ...app, clientSecret: rotated.body.clientSecret };
    expect(next.clientSecret).not.toBe(app.clientSecret);
    expect([(await grant(app)).status, (await grant(next)).status]).toEqual([200, 200]);
    expect(rotated.body.secrets).toHaveLength(2);
    const graceMs = Date.parse(rotated.body.secrets[1].endsAt) - Date.now();
    expect(Math.abs(graceMs - 24 * 3_600_000)).toBeLessThan(10_000);
    const ended = await api.manage('POST', `${PATH}/${app.id}/secrets/previous/revoke`);
    expect([ended.status, ended.body.secrets.length]).toEqual([200, 1]);
    expect([(await grant(app)).status, (await grant(next)).status]).toEqual([401, 200]);
  });

  test('with no grace the old secret ends now; revokeTokens ends tokens as well', async () => {
    const app = await api.application();
    const token = await api.accessToken(app);
    const soft = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds: 0 });
    expect(await grant(app)).toMatchObject({ status: 401 });
    expect(await api.call('GET', '/v1/me/devices', { token })).toMatchObject({ status: 200 });
    await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds: 0, revokeTokens: true });
    expect(await api.call('GET', '/v1/me/devices', { token })).toMatchObject({ status: 401 });
    expect(await grant({ ...app, clientSecret: soft.body.clientSecret })).toMatchObject({ status: 401 });
  });

  test('a second rotation within the grace drops the oldest secret: two are the most', async () => {
    const app = await api.application();
    const first = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds: 3600 });
    const second = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds: 3600 });
    const statuses = [app.clientSecret, first.body.clientSecret, second.body.clientSecret].map(
      async (clientSecret) => (await grant({ ...app, clientSecret })).status,
    );
    expect(await Promise.all(statuses)).toEqual([401, 200, 200]);
  });

  test('under load no issuance fails while the secret is replaced', async () => {
    const app = await api.application();
    let current = app;
    let running = true;
    const statuses: number[] = [];
    const load = (async () => {
      while (running) statuses.push((await grant(current)).status);
    })();
    for (let i = 0; i < 5; i++) {
      const { body } = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds: 3600 });
      current = { ...app, clientSecret: body.clientSecret };
      await grant(current);
    }
    running = false;
    await load;
    expect(statuses.length).toBeGreaterThan(5);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test.each([{ graceSeconds: -1 }, { graceSeconds: 604_801 }, { graceSeconds: 1.5 }, { grace: 1 }])(
    '%j is 400',
    async (body) => {
      const { id } = await api.application();
      expect(await api.manage('POST', `${PATH}/${id}/rotate-secret`, body)).toMatchObject({ status: 400 });
    },
  );
});

describe('who may', () => {
  test("another tenant's application does not exist", async () => {
    const { id } = await api.application();
    for (const [method, path, json] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['POST', '/rotate-secret', {}],
      ['GET', '/activity', undefined],
    ] as const) {
      expect(await api.manage(method, `${PATH}/${id}${path}`, json, { tenant: 'other' })).toMatchObject({
        status: 404,
      });
    }
  });

  test.each(['', 'UPPER', 'a|b', 'x'.repeat(65)])('the tenant header %j is 400', async (tenant) => {
    expect(await api.manage('GET', PATH, undefined, { tenant })).toMatchObject({ status: 400 });
  });

  test('every change is in the audit, with the actor and the fields, without a value', async () => {
    const app = await api.application();
    await api.manage('PATCH', `${PATH}/${app.id}`, { name: 'Audited', includeAnomalies: true });
    await api.manage('POST', `${PATH}/${app.id}/rotate-secret`);
    const { body, text } = await api.manage('GET', `${PATH}/${app.id}/activity`);
    expect(body.items.map(({ action }: { action: string }) => action).toSorted()).toEqual([
      'application-changed',
      'application-created',
      'application-secret-rotated',
    ]);
    const edit = body.items.find(({ action }: { action: string }) => action === 'application-changed');
    expect(edit).toMatchObject({ actor: 'service:test-administrator', changed: ['name', 'includeAnomalies'] });
    expect(text).not.toContain(app.clientSecret);
    expect(text).not.toContain('Audited');
  });
});
