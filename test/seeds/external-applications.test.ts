/**
 * The OneSense page "External Applications", requirement by requirement: what its page shows and does, as the API has it.
 * docs/seeds.md lists the requirements with these tests.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { startWebPubSub, type WebPubSubServer } from '../../local/web-pubsub/web-pubsub.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';

const PATH = '/v1/external-applications';
const EXPIRES = '2099-12-31';
let api: Living;
let bus: WebPubSubServer;

beforeAll(async () => {
  bus = await startWebPubSub({ port: 0 });
  api = await living(async () => {
    process.env['WEBPUBSUB_CONNECTION_STRING'] = bus.connectionString;
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/stream-telemetry.ts');
  });
  await api.manage('POST', '/v1/device-groups', { id: 'pumps', name: 'Pumps' });
  await api.manage('POST', '/v1/devices', { deviceId: 'd1' });
  await api.manage('POST', '/v1/devices', { deviceId: 'p1', groups: ['pumps'] });
  await api.manage('POST', '/v1/devices', { deviceId: 'p2', groups: ['pumps'] });
});
afterAll(async () => {
  const { relay, live } = await (await import('../../functions/services.ts')).services();
  (await relay()).close();
  await (await live()).close();
  await api.close();
  await bus.close();
});

const create = (input: Record<string, unknown>, headers: Record<string, string> = {}) =>
  api.manage('POST', PATH, { expiresAt: EXPIRES, ...input }, { headers });
const show = async (id: string) => (await api.manage('GET', `${PATH}/${id}`)).body;
const list = async (query = '', tenant?: string) =>
  (await api.manage('GET', `${PATH}?${query}`, undefined, tenant === undefined ? {} : { tenant })).body;
const status = async (token: string) => (await api.call('GET', '/v1/me/devices', { token })).status;
const grant = ({ clientId, clientSecret }: TestApplication) =>
  api.token({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret });

test('A1: each application has a client id and a client secret of its own', async () => {
  const made = await Promise.all(['A1 a', 'A1 b', 'A1 c'].map((name) => create({ name })));
  expect(new Set(made.map(({ body }) => body.clientId)).size).toBe(3);
  expect(new Set(made.map(({ body }) => body.clientSecret)).size).toBe(3);
  for (const { body } of made) {
    expect(body.clientId).toMatch(/^slca_[0-9A-Za-z]{22}$/);
    expect(body.clientSecret).toMatch(/^slc_[0-9A-Za-z]{49}$/);
  }
});

describe('A2: the list', () => {
  test('A2: has the name, the date and time of creation and the status; and when it expires and was last used', async () => {
    const { body } = await create({ name: 'A2 listed' });
    await grant(body);
    const [row] = (await list('search=A2%20listed')).items;
    expect(row).toMatchObject({ name: 'A2 listed', status: 'enabled', expired: false, expiresSoon: false });
    expect(row.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(row.expiresAt).toBe('2099-12-31T23:59:59.999Z');
    expect(Math.abs(Date.parse(row.lastUsedAt) - Date.now())).toBeLessThan(60_000);
    for (const secret of [body.clientId, body.clientSecret]) expect(JSON.stringify(row)).not.toContain(secret);
  });

  test('A2: is searched, narrowed, ordered by each column either way, and paged without gap or repeat', async () => {
    const tenant = 'a2';
    const names = ['Delta', 'alpha', 'Émile', 'charlie', 'Bravo', 'bravo 2'];
    for (const [index, name] of names.entries()) {
      const expiresAt = `20${90 - index}-01-01`;
      const { body } = await api.manage('POST', PATH, { name, expiresAt }, { tenant });
      if (index % 2 === 0) await api.manage('POST', `${PATH}/${body.id}/disable`, undefined, { tenant });
      else await grant(body);
    }
    const walk = async (query: string) => {
      const seen: { name: string }[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { items: { name: string }[]; nextCursor: string | null } = await list(
          `limit=2&${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
          tenant,
        );
        seen.push(...page.items);
        cursor = page.nextCursor;
      }
      return seen.map(({ name }) => name);
    };
    expect(await walk('')).toEqual(names.toReversed());
    expect(await walk('sort=createdAt')).toEqual(names);
    const byName = ['alpha', 'Bravo', 'bravo 2', 'charlie', 'Delta', 'Émile'];
    expect(await walk('sort=name')).toEqual(byName);
    expect(await walk('sort=-name')).toEqual(byName.toReversed());
    expect(await walk('sort=expiresAt')).toEqual(names.toReversed());
    expect(await walk('sort=status')).toEqual(['Delta', 'Émile', 'Bravo', 'alpha', 'charlie', 'bravo 2']);
    expect((await walk('sort=-lastUsedAt')).slice(0, 3).toSorted()).toEqual(['alpha', 'bravo 2', 'charlie']);
    expect(await walk('sort=name&search=BRAVO')).toEqual(['Bravo', 'bravo 2']);
    expect(await walk('sort=name&status=disabled')).toEqual(['Bravo', 'Delta', 'Émile']);
    const { nextCursor } = await list('limit=2&sort=name', tenant);
    const mixed = await api.manage('GET', `${PATH}?sort=-name&cursor=${nextCursor}`, undefined, { tenant });
    expect([mixed.status, mixed.body.type]).toEqual([400, 'urn:sluice:problem:invalid-cursor']);
    expect(await api.manage('GET', `${PATH}?sort=secret`)).toMatchObject({ status: 400 });
  });

  test('A2: marks what expires within two weeks', async () => {
    const expiresAt = new Date(Date.now() + 13 * 24 * 3_600_000).toISOString();
    await create({ name: 'A2 soon', expiresAt });
    expect((await list('search=A2%20soon')).items).toEqual([expect.objectContaining({ expiresSoon: true })]);
  });
});

test('A3: administrators create applications, and nobody else', async () => {
  const application = await api.application();
  const token = await api.accessToken(application);
  const json = { name: 'A3', expiresAt: EXPIRES };
  expect(await api.call('POST', PATH, { token, json })).toMatchObject({ status: 403 });
  expect(await api.call('POST', PATH, { json })).toMatchObject({ status: 401 });
  expect(await create({ name: 'A3' })).toMatchObject({ status: 201 });
});

describe('A4: the form', () => {
  test('A4: takes the name, the expiration date, include anomalies, devices and device groups', async () => {
    const input = { name: 'A4 whole', includeAnomalies: true, devices: ['d1'], groups: ['pumps'] };
    const { status: answered, body } = await create(input);
    expect(answered).toBe(201);
    expect(body).toMatchObject({ ...input, expiresAt: '2099-12-31T23:59:59.999Z' });
  });

  test('A4: anomalies, devices and groups may be left out', async () => {
    const { body } = await create({ name: 'A4 least' });
    expect(body).toMatchObject({ includeAnomalies: false, devices: [], groups: [] });
  });

  test('A4: a group stands for every device in it, also those that come later', async () => {
    const application = await api.application({ groups: ['pumps'] });
    const token = await api.accessToken(application);
    const seen = async () =>
      (await api.call('GET', '/v1/me/devices', { token })).body.items.map(
        ({ deviceId }: { deviceId: string }) => deviceId,
      );
    expect(await seen()).toEqual(['p1', 'p2']);
  });

  test('A4: the name is unique in the tenant, also when twenty ask at once, whatever the case and spaces', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => create({ name: index % 2 ? 'A4 Once' : ' a4 ONCE ' })),
    );
    const statuses = answers.map(({ status: answered }) => answered);
    expect(statuses.filter((answered) => answered === 201)).toHaveLength(1);
    expect(statuses.filter((answered) => answered === 409)).toHaveLength(19);
    const { status: elsewhere } = await api.manage(
      'POST',
      PATH,
      { name: 'A4 Once', expiresAt: EXPIRES },
      { tenant: 'other' },
    );
    expect(elsewhere).toBe(201);
  });

  test.each([
    [{ expiresAt: EXPIRES }, 400, 'name'],
    [{ name: '', expiresAt: EXPIRES }, 400, 'name'],
    [{ name: 'x'.repeat(300), expiresAt: EXPIRES }, 400, 'name'],
    [{ name: 'A4' }, 400, 'expiresAt'],
    [{ name: 'A4', expiresAt: '2000-01-01' }, 422, 'expiresAt'],
    [{ name: 'A4', expiresAt: 'tomorrow' }, 400, 'expiresAt'],
    [{ name: 'A4', expiresAt: EXPIRES, includeAnomalies: 'yes' }, 400, 'includeAnomalies'],
    [{ name: 'A4', expiresAt: EXPIRES, devices: 'd1' }, 400, 'devices'],
    [{ name: 'A4', expiresAt: EXPIRES, devices: ['unknown'] }, 422, 'devices.0'],
    [{ name: 'A4', expiresAt: EXPIRES, groups: ['unknown'] }, 422, 'groups.0'],
    [{ name: 'A4', expiresAt: EXPIRES, clientSecret: 'mine' }, 400, 'clientSecret'],
  ])('A4: %j is %i and names %s', async (json, expected, field) => {
    const { status: answered, body } = await api.manage('POST', PATH, json);
    expect(answered).toBe(expected);
    expect(body.errors[0].field).toBe(field);
  });

  test('A4: the credentials end on the expiration date, and tokens not later', async () => {
    const expiresAt = new Date(Date.now() + 90_000).toISOString();
    const application = await api.application({ expiresAt });
    const { exp = 0 } = decodeJwt(await api.accessToken(application));
    expect(exp * 1000).toBeLessThanOrEqual(Date.parse(expiresAt));
    const later = await api.instance(() => Date.now() + 91_000);
    const stored = await later.applications.byClientId(application.clientId);
    expect(Date.parse(stored?.expiresAt ?? '')).toBeLessThan(later.now());
  });
});

test('A5: saving registers the application once, however often the button is pressed', async () => {
  const headers = { 'idempotency-key': 'a5' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => create({ name: 'A5' }, headers)));
  expect(answers.filter(({ status: answered }) => answered === 201)).toHaveLength(1);
  expect(answers.filter(({ status: answered }) => answered === 200)).toHaveLength(4);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
});

test('A6: the answer to a creation shows the client id and the client secret', async () => {
  const { body, headers } = await create({ name: 'A6' });
  expect(body).toMatchObject({ clientId: expect.any(String), clientSecret: expect.any(String) });
  expect(headers.get('location')).toBe(`${PATH}/${body.id}`);
  expect(headers.get('cache-control')).toContain('no-store');
  expect(await grant(body)).toMatchObject({ status: 200 });
});

test('A7: the two values are members of their own, so that a page can hide, reveal and copy each', async () => {
  const { body } = await create({ name: 'A7' });
  const { clientId, clientSecret, ...rest } = body;
  for (const value of [clientId, clientSecret]) {
    expect(value).toMatch(/^\w+$/);
    expect(JSON.stringify(rest)).not.toContain(value);
  }
});

test('A8: neither is ever shown again, and the answer says so', async () => {
  const headers = { 'idempotency-key': 'a8' };
  const { body } = await create({ name: 'A8' }, headers);
  expect(body.notice).toMatch(/Client Secret and the Client Id are not shown again/);
  const later = [
    await api.manage('GET', `${PATH}/${body.id}`),
    await api.manage('GET', PATH),
    await api.manage('PATCH', `${PATH}/${body.id}`, { includeAnomalies: true }),
    await api.manage('GET', `${PATH}/${body.id}/activity`),
    await create({ name: 'A8' }, headers),
  ];
  for (const { text } of later) {
    expect(text).not.toContain(body.clientId);
    expect(text).not.toContain(body.clientSecret);
  }
});

test('A9: what was created is in the list', async () => {
  const { body } = await create({ name: 'A9' });
  expect((await list('search=A9')).items).toEqual([expect.objectContaining({ id: body.id, name: 'A9' })]);
});

test('A10: a row can be viewed, edited, deleted, rotated, disabled and enabled', async () => {
  const { id } = await api.application();
  const done = [
    await api.manage('GET', `${PATH}/${id}`),
    await api.manage('PATCH', `${PATH}/${id}`, { includeAnomalies: true }),
    await api.manage('POST', `${PATH}/${id}/rotate-secret`),
    await api.manage('POST', `${PATH}/${id}/disable`),
    await api.manage('POST', `${PATH}/${id}/enable`),
    await api.manage('DELETE', `${PATH}/${id}`),
  ];
  expect(done.map(({ status: answered }) => answered)).toEqual([200, 200, 200, 200, 200, 204]);
});

test('A11: viewing shows name, expiration date, include anomalies, devices and groups, and no credentials', async () => {
  const input = { name: 'A11', includeAnomalies: true, devices: ['d1'], groups: ['pumps'] };
  const { body } = await create(input);
  const shown = await show(body.id);
  expect(shown).toMatchObject({ ...input, expiresAt: '2099-12-31T23:59:59.999Z' });
  expect(shown).not.toHaveProperty('clientId');
  expect(shown).not.toHaveProperty('clientSecret');
  expect(JSON.stringify(shown)).not.toContain('hash');
});

describe('A12: editing', () => {
  test('A12: changes the name, include anomalies, devices and groups', async () => {
    const { id } = await api.application();
    const edit = { name: 'A12 edited', includeAnomalies: true, devices: ['d1'], groups: ['pumps'] };
    expect(await api.manage('PATCH', `${PATH}/${id}`, edit)).toMatchObject({ status: 200, body: edit });
    expect(await show(id)).toMatchObject(edit);
  });

  test('A12: does not change the expiration date; extending does', async () => {
    const { id } = await api.application();
    const edit = await api.manage('PATCH', `${PATH}/${id}`, { name: 'A12 dated', expiresAt: '2100-01-01' });
    expect(edit.status).toBe(422);
    expect(await show(id)).toMatchObject({ expiresAt: '2099-12-31T23:59:59.999Z' });
    expect(await api.manage('POST', `${PATH}/${id}/extend`, { expiresAt: '2100-01-01' })).toMatchObject({
      status: 200,
      body: { expiresAt: '2100-01-01T23:59:59.999Z' },
    });
  });

  test('A12: cancelling sends nothing; what somebody else changed meanwhile is not overwritten', async () => {
    const { id } = await api.application();
    const etag = (await api.manage('GET', `${PATH}/${id}`)).headers.get('etag') ?? '';
    await api.manage('PATCH', `${PATH}/${id}`, { includeAnomalies: true });
    const late = await api.manage('PATCH', `${PATH}/${id}`, { devices: [] }, { headers: { 'if-match': etag } });
    expect(late.status).toBe(412);
  });

  test('A12: acts on tokens that are out', async () => {
    const application = await api.application({ devices: ['d1'] });
    const token = await api.accessToken(application);
    await api.manage('PATCH', `${PATH}/${application.id}`, { devices: [], groups: ['pumps'] });
    const { body } = await api.call('GET', '/v1/me/devices', { token });
    expect(body.items).toEqual([{ deviceId: 'p1' }, { deviceId: 'p2' }]);
  });
});

test('A13: deleting removes it from the list, ends its tokens and its credentials, and frees its name', async () => {
  const { body } = await create({ name: 'A13' });
  const token = await api.accessToken(body);
  expect(await api.manage('DELETE', `${PATH}/${body.id}`)).toMatchObject({ status: 204 });
  expect((await list('search=A13')).items).toEqual([]);
  expect(await status(token)).toBe(401);
  expect(await grant(body)).toMatchObject({ status: 401 });
  const again = await create({ name: 'A13' });
  expect(again.status).toBe(201);
  expect(again.body.clientId).not.toBe(body.clientId);
});

describe('A14: rotating the secret', () => {
  test('A14: shows the unchanged client id and a new secret, and both secrets work for a day', async () => {
    const application = await api.application();
    const { status: answered, body } = await api.manage('POST', `${PATH}/${application.id}/rotate-secret`, {
      confirm: true,
    });
    expect([answered, body.clientId]).toEqual([200, application.clientId]);
    expect(body.clientSecret).not.toBe(application.clientSecret);
    expect(body.notice).toMatch(/not shown again/);
    expect(await grant(application)).toMatchObject({ status: 200 });
    expect(await grant(body)).toMatchObject({ status: 200 });
    const [present, previous] = (await show(application.id)).secrets;
    expect(present.endsAt).toBeNull();
    expect(Math.abs(Date.parse(previous.endsAt) - Date.now() - 24 * 3_600_000)).toBeLessThan(60_000);
    // Whether the old one is still in use is what one has to know before it ends.
    for (const { lastUsedAt } of [present, previous]) expect(lastUsedAt).toMatch(/^20/);
  });

  test('A14: without a confirmation nothing is replaced', async () => {
    const application = await api.application();
    const refused = await api.manage('POST', `${PATH}/${application.id}/rotate-secret`, { confirm: false });
    expect(refused.status).toBe(400);
    expect(await show(application.id)).toMatchObject({ secrets: [expect.objectContaining({ endsAt: null })] });
  });

  test.each([
    [0, 1],
    [3_600, 2],
    [86_400, 2],
    [604_800, 2],
  ])('A14: a grace of %i s leaves %i secrets', async (graceSeconds, secrets) => {
    const application = await api.application();
    const path = `${PATH}/${application.id}/rotate-secret`;
    const { body } = await api.manage('POST', path, { graceSeconds });
    expect(body.secrets).toHaveLength(secrets);
    expect((await grant(application)).status).toBe(secrets === 2 ? 200 : 401);
  });

  test('A14: the grace can be ended early, which ends tokens that the old secret bought, and no others', async () => {
    const application = await api.application();
    const old = await api.accessToken(application);
    const { body } = await api.manage('POST', `${PATH}/${application.id}/rotate-secret`);
    const young = await api.accessToken(body);
    expect(await status(old)).toBe(200);
    await api.manage('POST', `${PATH}/${application.id}/secrets/previous/revoke`);
    expect([await status(old), await status(young)]).toEqual([401, 200]);
    expect([(await grant(application)).status, (await grant(body)).status]).toEqual([401, 200]);
    // Nothing more to end, and nothing changes.
    const etag = (await api.manage('GET', `${PATH}/${application.id}`)).headers.get('etag');
    const again = await api.manage('POST', `${PATH}/${application.id}/secrets/previous/revoke`);
    expect([again.status, again.headers.get('etag')]).toEqual([200, etag]);
  });

  test('A14: tokens bought with the old secret end with its grace', async () => {
    const application = await api.application();
    await api.manage('POST', `${PATH}/${application.id}/rotate-secret`, { graceSeconds: 100 });
    const { body } = await grant(application);
    expect(body.expires_in).toBeLessThanOrEqual(100);
  });

  test('A14: pressed twice it is done once', async () => {
    const application = await api.application();
    const path = `${PATH}/${application.id}/rotate-secret`;
    const options = { headers: { 'idempotency-key': 'a14' } };
    const first = await api.manage('POST', path, {}, options);
    const second = await api.manage('POST', path, {}, options);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.text).not.toContain(first.body.clientSecret);
    expect(await grant(application)).toMatchObject({ status: 200 });
    expect(await grant(first.body)).toMatchObject({ status: 200 });
  });
});

test('A15: disabling flips the status in the list and ends access; enabling gives it again, but not to old tokens', async () => {
  const { body } = await create({ name: 'A15' });
  const token = await api.accessToken(body);
  await api.manage('POST', `${PATH}/${body.id}/disable`);
  expect((await list('search=A15')).items[0].status).toBe('disabled');
  expect([await status(token), (await grant(body)).status]).toEqual([401, 401]);
  await api.manage('POST', `${PATH}/${body.id}/enable`);
  expect((await list('search=A15')).items[0].status).toBe('enabled');
  expect([await status(token), await status(await api.accessToken(body))]).toEqual([401, 200]);
});

test('A16: POST /connect/token with grant_type, client_id and client_secret answers 200 with an access_token', async () => {
  const { clientId, clientSecret } = await api.application();
  const body = `grant_type=client_credentials&client_id=${clientId}&client_secret=${clientSecret}`;
  for (const type of ['x-www-form-urlencoded', 'application/x-www-form-urlencoded']) {
    const answer = await api.call('POST', '/connect/token', { body, headers: { 'content-type': type } });
    expect(answer).toMatchObject({ status: 200, body: { access_token: expect.any(String), token_type: 'Bearer' } });
  }
});

test('A17: a token lives 60 minutes, then the answer is 401 and the same credentials buy another', async () => {
  const application = await api.application();
  const { body } = await grant(application);
  expect(body.expires_in).toBe(3600);
  const later = await api.instance(() => Date.now() + 3_700_000);
  expect(await later.tokens.verify(body.access_token)).toBeUndefined();
  const ended = await api.call('GET', '/v1/stream/telemetry', { token: `${body.access_token}x` });
  expect(ended.status).toBe(401);
  expect(ended.headers.get('www-authenticate')).toContain('invalid_token');
  expect(await status(await api.accessToken(application))).toBe(200);
});

/** Opens a stream and leaves at once. */
async function openStream(query = '', headers: Record<string, string> = {}) {
  const leaving = new AbortController();
  const response = await fetch(`${api.url}/v1/stream/telemetry${query}`, { headers, signal: leaving.signal });
  leaving.abort();
  return { status: response.status, type: response.headers.get('content-type') };
}

test('A18: GET /v1/stream/telemetry with a Bearer token and Accept: text/event-stream is a stream', async () => {
  const token = await api.accessToken(await api.application({ devices: ['d1'] }));
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  expect(await openStream('', headers)).toEqual({ status: 200, type: expect.stringContaining('text/event-stream') });
  expect(await openStream('', { accept: 'text/event-stream' })).toMatchObject({ status: 401 });
});

test('A19: the permitted devices and the tenant are claims of the token', async () => {
  const token = await api.accessToken(await api.application({ devices: ['d1'], groups: ['pumps'] }));
  expect(decodeJwt(token)).toMatchObject({ tid: 'default', dev: ['d1'], grp: ['pumps'], anom: false });
});

test('A20: a web page, whose EventSource sends no header, opens the stream with a ticket', async () => {
  const token = await api.accessToken(await api.application({ devices: ['d1'] }));
  const ticket = await api.call('POST', '/v1/stream/tickets', { token });
  expect(ticket.status).toBe(201);
  expect(await openStream(`?ticket=${ticket.body.ticket}`)).toMatchObject({ status: 200 });
  expect(await openStream('?ticket=slct_unknown')).toMatchObject({ status: 401 });
  expect(await openStream(`?access_token=${token}`)).toMatchObject({ status: 400 });
});
