/** `/v1/actions` and `/v1/deliveries` over HTTP. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';

let api: Living;
beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/actions.ts');
    await import('../../functions/rules.ts');
  });
});
afterAll(() => api.close());

const hook = { kind: 'webhook', name: 'Hook', url: 'https://example.com/hook' };

test('a webhook shows its secret once, is changed, rotated and deleted', async () => {
  const created = await api.manage('POST', '/v1/actions', hook);
  expect(created).toMatchObject({ status: 201, body: { ...hook, enabled: true } });
  expect(Buffer.from(created.body.secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
  const path = created.headers.get('location') ?? '';
  const shown = await api.manage('GET', path);
  expect(shown.body).not.toHaveProperty('secret');
  expect(shown.text).not.toContain('sealed');
  const etag = { headers: { 'if-match': shown.headers.get('etag') ?? '' } };
  expect(await api.manage('PUT', path, { ...hook, name: 'Other' }, etag)).toMatchObject({ body: { name: 'Other' } });
  expect(await api.manage('PUT', path, hook, etag)).toMatchObject({ status: 412 });
  const rotated = await api.manage('POST', `${path}/rotate-secret`);
  expect(rotated.body.secret).not.toBe(created.body.secret);
  expect((await api.manage('GET', '/v1/actions')).body.items).toHaveLength(1);
  expect(await api.manage('GET', path, undefined, { tenant: 'elsewhere' })).toMatchObject({ status: 404 });
  expect(await api.manage('DELETE', path)).toMatchObject({ status: 204 });
  expect(await api.manage('GET', path)).toMatchObject({ status: 404 });
});

test('an Idempotency-Key makes one action, also when the request comes twice at once, and tells the secret once', async () => {
  const create = () => api.manage('POST', '/v1/actions', hook, { headers: { 'idempotency-key': 'action-1' } });
  const atOnce = await Promise.all([create(), create(), create()]);
  const again = await create();
  const answers = [...atOnce, again];
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ body }) => 'secret' in body)).toHaveLength(1);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  const other = { ...hook, name: 'Other' };
  const reused = await api.manage('POST', '/v1/actions', other, { headers: { 'idempotency-key': 'action-1' } });
  expect([reused.status, reused.body.type]).toEqual([422, 'urn:sluice:problem:idempotency-key-reused']);
  expect(await api.manage('DELETE', `/v1/actions/${again.body.id}`)).toMatchObject({ status: 204 });
});

test.each([
  [{ ...hook, url: 'https://169.254.169.254/latest' }, 'url'],
  [{ ...hook, url: 'http://example.com' }, 'url'],
  [{ kind: 'email', name: 'Mail', to: ['no address'] }, 'to.0'],
  [{ ...hook, body: { text: 'at {{password}}' } }, 'body'],
  [{ ...hook, body: { '{{value}}': 1 } }, 'body'],
  [{ ...hook, body: 'text' }, 'body'],
  [{ kind: 'email', name: 'Mail', to: ['a@example.com'], subject: 'at {{constructor}}' }, 'subject'],
  [{ kind: 'email', name: 'Mail', to: ['a@example.com'], subject: 'a\r\nBcc: b' }, 'subject'],
  [{ kind: 'email', name: 'Mail', to: ['a@example.com'], html: '<b>{{device.secret}}</b>' }, 'html'],
  [{ kind: 'command', name: 'Valve', command: 'format-disk' }, 'command'],
  [{ kind: 'command', name: 'Valve', command: 'a b' }, 'command'],
  [{ kind: 'email', name: 'a\r\nBcc: b', to: ['a@example.com'] }, 'name'],
])('%j is refused at the door with its field', async (body, field) => {
  expect(await api.manage('POST', '/v1/actions', body)).toMatchObject({ status: 400, body: { errors: [{ field }] } });
});

test('a dead delivery is listed and can be sent again, a pending one not', async () => {
  const { store } = await api.instance();
  const id = `msg_${'a'.repeat(32)}`;
  const delivery = {
    id,
    tenantId: 'default',
    kind: 'delivery',
    actionId: 'act_1',
    status: 'dead',
    attempts: 10,
    dueAt: 0,
  };
  await store.create('actions', { ...delivery, createdAt: '2026-01-01T00:00:00.000Z', event: {} } as never);
  expect((await api.manage('GET', '/v1/deliveries?status=dead')).body.items).toMatchObject([{ id, status: 'dead' }]);
  expect(await api.manage('POST', `/v1/deliveries/${id}/resend`)).toMatchObject({
    body: { status: 'pending', attempts: 0 },
  });
  expect(await api.manage('POST', `/v1/deliveries/${id}/resend`)).toMatchObject({ status: 409 });
});

test('what a placeholder may be is said where one is refused', async () => {
  const refused = await api.manage('POST', '/v1/actions', { ...hook, body: { text: '{{password}}' } });
  expect(refused.body.errors[0].rule).toMatch(/unknown placeholder \{\{password\}\}; allowed: type, alert\.id, .*at$/);
});

test('a rule names actions of its tenant only', async () => {
  const rule = { name: 'Warm', when: { kind: 'condition', if: { param: 't', op: 'gt', value: 8 } } };
  const { body: action } = await api.manage('POST', '/v1/actions', hook);
  const notify = (actions: string[], escalated: string[] = actions) => ({
    ...rule,
    notify: { actions, escalate: [{ after: '1h', actions: escalated }] },
  });
  expect(await api.manage('POST', '/v1/rules', notify([action.id, 'act_none']))).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'notify.actions.1', got: 'act_none' }, { field: 'notify.escalate.0.actions.1' }] },
  });
  expect(await api.manage('POST', '/v1/rules', notify([action.id]), { tenant: 'elsewhere' })).toMatchObject({
    status: 400,
  });
  const created = await api.manage('POST', '/v1/rules', notify([action.id]));
  expect(created.status).toBe(201);
  // An action that was deleted since does not keep its rules from being edited.
  await api.manage('DELETE', `/v1/actions/${action.id}`);
  const path = `/v1/rules/${created.body.id}`;
  expect(await api.manage('PATCH', path, { name: 'Warmer' })).toMatchObject({ status: 200 });
  expect(await api.manage('PUT', path, notify([action.id], ['act_none']))).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'notify.escalate.0.actions.0' }] },
  });
});

test('a delivery that was told with others is not sent again by itself; one that failed revives its action', async () => {
  const { store, actions } = await api.instance();
  const { body: action } = await api.manage('POST', '/v1/actions', hook);
  const stored = await actions.find('default', action.id);
  if (!stored) throw new Error('no action');
  await actions.replace(
    { ...stored, disabledBecause: 'failing', failingSince: '2026-01-01T00:00:00.000Z' },
    stored._etag,
  );
  expect((await api.manage('GET', `/v1/actions/${action.id}`)).body).toMatchObject({
    disabledBecause: 'failing',
    failingSince: '2026-01-01T00:00:00.000Z',
  });
  const delivery = { tenantId: 'default', kind: 'delivery', actionId: action.id, attempts: 1, dueAt: 0, event: {} };
  const at = { createdAt: '2026-01-02T00:00:00.000Z' };
  const [told, dead] = [`msg_${'b'.repeat(32)}`, `msg_${'c'.repeat(32)}`];
  await store.create('actions', { id: told, ...delivery, ...at, status: 'grouped', sentWith: dead } as never);
  await store.create('actions', { id: dead, ...delivery, ...at, status: 'dead' } as never);
  const listed = await api.manage('GET', `/v1/deliveries?action=${action.id}&status=grouped`);
  expect(listed.body.items).toMatchObject([{ id: told, sentWith: dead }]);
  expect((await api.manage('GET', '/v1/deliveries?alert=r~d~1')).body.items).toEqual([]);
  expect(await api.manage('POST', `/v1/deliveries/${told}/resend`)).toMatchObject({ status: 409 });
  expect(await api.manage('POST', `/v1/deliveries/${dead}/resend`)).toMatchObject({ status: 200 });
  expect((await api.manage('GET', `/v1/actions/${action.id}`)).body).not.toHaveProperty('disabledBecause');
});
