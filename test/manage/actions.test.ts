/** `/v1/actions` and `/v1/deliveries` over HTTP. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';

let api: Living;
beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/actions.ts');
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

test.each([
  [{ ...hook, url: 'https://169.254.169.254/latest' }, 'url'],
  [{ ...hook, url: 'http://example.com' }, 'url'],
  [{ kind: 'email', name: 'Mail', to: ['no address'] }, 'to.0'],
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
