/** `/v1/alerts`: what people do with alerts, over HTTP. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { applyTransition } from '../../shared/alerts/alert.ts';
import { alertDocument } from '../../shared/ingest/alert-documents.ts';
import { living, type Living } from '../support/living.ts';

let api: Living;
beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/alerts.ts');
  });
});
afterAll(() => api.close());

let n = 0;
let id: string;
let path: string;
beforeEach(async () => {
  id = `r~dev~${++n}`;
  path = `/v1/alerts/${id}`;
  await storeAlert(id);
});

async function storeAlert(alertId: string, tenantId = 'default'): Promise<void> {
  const { store } = await api.instance();
  const opened = {
    id: `${alertId}~opened`,
    kind: 'opened',
    alertId,
    ruleId: 'r',
    ruleName: 'Warm',
    ruleKind: 'condition',
    deviceId: 'dev',
    severity: 'warning',
    ts: 0,
    openedAt: 0,
    message: 'warm',
    evidence: { parameter: 't', op: 'gt', value: 9, threshold: 8 },
    readings: { t: 9 },
  } as const;
  const alert = applyTransition(undefined, opened, { tenantId, nowMs: 0 });
  await store.upsert('device-data', alertDocument(`${tenantId}|dev`, alert));
}

const soon = () => new Date(Date.now() + 3_600_000).toISOString();

describe('one alert', () => {
  test('is shown with its ETag, and only to its tenant', async () => {
    const { status, body, headers } = await api.manage('GET', path);
    expect([status, body.id, body.condition, body.handling, body.suppression]).toEqual([
      200,
      id,
      'active',
      'unacknowledged',
      'none',
    ]);
    expect(headers.get('etag')).toMatch(/^"/);
    expect(Object.keys(body).filter((name) => /^(_|pk|kind|alertId)/.test(name))).toEqual([]);
    expect(await api.manage('GET', path, undefined, { tenant: 'elsewhere' })).toMatchObject({ status: 404 });
    expect(await api.manage('GET', '/v1/alerts/r~nobody~1')).toMatchObject({ status: 404 });
    expect(await api.call('GET', path)).toMatchObject({ status: 401 });
  });

  test('an operation under If-Match needs the present version, and sent again it changes nothing', async () => {
    const { headers } = await api.manage('GET', path);
    const old = { headers: { 'if-match': headers.get('etag') ?? '' } };
    const one = await api.manage('POST', `${path}/acknowledge`, { note: 'mine' }, old);
    expect(one).toMatchObject({ status: 200, body: { handling: 'acknowledged', revision: 2 } });
    expect(await api.manage('POST', `${path}/resolve`, {}, old)).toMatchObject({ status: 412 });
    const again = await api.manage('POST', `${path}/acknowledge`, { note: 'mine' });
    expect(again.body).toEqual(one.body);
    expect(again.headers.get('etag')).toBe(one.headers.get('etag'));
  });

  test('is acknowledged, given back, snoozed, woken, commented on and resolved', async () => {
    const post = async (name: string, body?: object) => (await api.manage('POST', `${path}/${name}`, body)).body;
    expect(await post('acknowledge')).toMatchObject({ handling: 'acknowledged' });
    expect(await post('unacknowledge')).toMatchObject({ handling: 'unacknowledged' });
    expect(await post('snooze', { until: soon() })).toMatchObject({ suppression: 'snoozed' });
    expect(await post('unsnooze')).toMatchObject({ suppression: 'none' });
    expect(await post('comment', { note: 'seen by ann' })).toMatchObject({ condition: 'active' });
    const { history, ...resolved } = await post('resolve', { note: 'mended' });
    expect(resolved).toMatchObject({ condition: 'resolved', reason: 'manual' });
    expect(history.map(({ what }: { what: string }) => what)).toEqual([
      'opened',
      'acknowledged',
      'unacknowledged',
      'snoozed',
      'unsnoozed',
      'commented',
      'resolved',
    ]);
    expect(history.at(-1)).toMatchObject({ by: 'service:test-administrator', note: 'mended' });
  });

  test.each([
    ['snooze', {}, 'until'],
    ['snooze', { until: '2001-01-01T00:00:00Z' }, 'until'],
    ['snooze', { until: '2999-01-01T00:00:00Z' }, 'until'],
    ['comment', { note: '' }, 'note'],
    ['comment', { note: 'x'.repeat(1001) }, 'note'],
    ['acknowledge', { comment: 'typed wrong' }, 'comment'],
  ])('%s refuses %j and names the field', async (name, body, field) => {
    const answer = await api.manage('POST', `${path}/${name}`, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field }] } });
  });
});

test('one operation for many alerts says what became of each', async () => {
  await storeAlert('r~dev~77');
  const ids = [id, 'r~dev~77', 'r~dev~404', id];
  const { status, body } = await api.manage('POST', '/v1/alerts-bulk', { ids, operation: { do: 'acknowledge' } });
  expect(status).toBe(200);
  expect(body.items).toMatchObject([
    { id, status: 200, handling: 'acknowledged' },
    { id: 'r~dev~77', status: 200 },
    { id: 'r~dev~404', status: 404 },
  ]);
  const many = { ids: Array.from({ length: 101 }, (_, i) => `r~d~${i}`), operation: { do: 'acknowledge' } };
  expect(await api.manage('POST', '/v1/alerts-bulk', many)).toMatchObject({ status: 400 });
});
