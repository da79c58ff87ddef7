/** Rules, and the lists of what was found, through the API. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TenantId } from '../../shared/identity/ids.ts';
import { living, type Living } from '../support/living.ts';

let api: Living;
const rule = {
  name: 'Too hot',
  severity: 'critical',
  when: {
    kind: 'condition',
    if: {
      all: [
        { param: 'temp', op: 'gt', value: 90 },
        { param: 'on', op: 'eq', value: true },
      ],
    },
  },
  for: '1m',
};

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/rules.ts');
    await import('../../functions/alerts.ts');
    await import('../../functions/openapi.ts');
  });
});
afterAll(() => api.close());

describe('rules', () => {
  test('are created, shown, replaced by what was shown, changed and deleted', async () => {
    const created = await api.manage('POST', '/v1/rules', rule);
    expect(created).toMatchObject({ status: 201, body: { version: 1, approval: 'approved', for: 60_000 } });
    const path = created.headers.get('location') ?? '';
    expect(path).toBe(`/v1/rules/${created.body.id}`);
    const shown = await api.manage('GET', path);
    expect(shown.body).toEqual(created.body);
    const put = await api.manage('PUT', path, { ...shown.body, severity: 'warning' });
    expect(put).toMatchObject({ status: 200, body: { id: created.body.id, version: 2, severity: 'warning' } });
    const patched = await api.manage('PATCH', path, { name: 'Hot', for: null });
    expect(patched).toMatchObject({ status: 200, body: { version: 3, name: 'Hot', for: 0 } });
    const headers = { 'if-match': shown.headers.get('etag') ?? '' };
    expect(await api.manage('PUT', path, rule, { headers })).toMatchObject({ status: 412 });
    expect(await api.manage('DELETE', path)).toMatchObject({ status: 204 });
    expect(await api.manage('GET', path)).toMatchObject({ status: 404 });
  });

  test.each<[string, object, string]>([
    ['no condition', { when: undefined }, 'when'],
    ['an unknown operator', { when: { kind: 'condition', if: { param: 'a', op: 'like', value: 1 } } }, 'when.if'],
    ['an unknown member', { sevrity: 'x' }, 'sevrity'],
    ['a duration that is none', { for: 'soon' }, 'for'],
  ])('%s is 400 naming the field', async (_, change, field) => {
    const { status, body } = await api.manage('POST', '/v1/rules', { ...rule, ...change });
    expect(status).toBe(400);
    expect(body.errors[0].field).toContain(field);
  });

  test('a PATCH that would make nonsense is 400 and changes nothing', async () => {
    const { body } = await api.manage('POST', '/v1/rules', rule);
    expect(await api.manage('PATCH', `/v1/rules/${body.id}`, { when: {} })).toMatchObject({ status: 400 });
    expect(await api.manage('PATCH', `/v1/rules/${body.id}`, { id: 'x', tenantId: 'y' })).toMatchObject({
      status: 400,
    });
    expect((await api.manage('GET', `/v1/rules/${body.id}`)).body.version).toBe(1);
  });

  test('another tenant’s rule does not exist', async () => {
    const { body } = await api.manage('POST', '/v1/rules', rule);
    for (const method of ['GET', 'DELETE']) {
      expect(await api.manage(method, `/v1/rules/${body.id}`, undefined, { tenant: 'other' })).toMatchObject({
        status: 404,
      });
    }
  });

  test('what runs follows within 5 s, and keeps its identity while nothing changes', async () => {
    const tenant = 'running';
    const clock = { now: Date.now() };
    const { rules } = await api.instance(() => clock.now);
    const active = async () => {
      clock.now += 5_000;
      return rules.active(tenant as TenantId);
    };
    expect(await active()).toEqual([]);
    const first = (await api.manage('POST', '/v1/rules', rule, { tenant })).body;
    const second = (await api.manage('POST', '/v1/rules', { ...rule, name: 'Other' }, { tenant })).body;
    const before = await active();
    expect(before.map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(before[0]).toMatchObject({ name: 'Too hot', version: 1, for: 60_000 });
    expect(await active()).toBe(before);
    await api.manage('POST', `/v1/rules/${second.id}/disable`, undefined, { tenant });
    const after = await active();
    expect(after).toHaveLength(1);
    expect(after[0]).toBe(before[0]);
    await api.manage('POST', `/v1/rules/${second.id}/enable`, undefined, { tenant });
    expect(await active()).toHaveLength(2);
  });

  test('a list narrows by name and state', async () => {
    const tenant = 'lists';
    await api.manage('POST', '/v1/rules', { ...rule, name: 'Alpha' }, { tenant });
    await api.manage('POST', '/v1/rules', { ...rule, name: 'Beta', enabled: false }, { tenant });
    const names = async (query: string) =>
      (await api.manage('GET', `/v1/rules?${query}`, undefined, { tenant })).body.items.map(
        ({ name }: { name: string }) => name,
      );
    expect((await names('')).toSorted()).toEqual(['Alpha', 'Beta']);
    expect(await names('enabled=false')).toEqual(['Beta']);
    expect(await names('search=alph')).toEqual(['Alpha']);
  });

  test('an Idempotency-Key makes one rule', async () => {
    const headers = { 'idempotency-key': 'rule-1' };
    const one = await api.manage('POST', '/v1/rules', rule, { headers });
    const two = await api.manage('POST', '/v1/rules', rule, { headers });
    expect([one.status, two.status, two.body.id]).toEqual([201, 200, one.body.id]);
  });
});

describe('findings', () => {
  test('alerts and anomalies page exactly, also where many carry one time, and only those of the tenant', async () => {
    const { store } = await api.instance();
    const times = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const made = Array.from({ length: 23 }, (_, i) => ({
      id: `r~d~${String(i).padStart(2, '0')}`,
      tenantId: 'default',
      deviceId: `d${i % 4}`,
      ruleId: 'r',
      condition: i % 2 ? 'active' : 'resolved',
      openedAt: times[i % 3],
    }));
    for (const alert of made) await store.create('alerts', alert);
    await store.create('alerts', { ...made[0], id: 'foreign', tenantId: 'other' } as never);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await api.manage('GET', `/v1/alerts?limit=4${query}`);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
    }
    expect(seen).toHaveLength(23);
    expect(new Set(seen).size).toBe(23);
    const timeOf = (id: string) => made.find((each) => each.id === id)?.openedAt ?? '';
    expect(seen.map(timeOf)).toEqual(seen.map(timeOf).toSorted().toReversed());
    const some = await api.manage('GET', '/v1/alerts?device=d1&state=active&rule=r');
    expect(some.body.items.map(({ id }: { id: string }) => id).toSorted()).toEqual(
      made.filter(({ deviceId, condition }) => deviceId === 'd1' && condition === 'active').map(({ id }) => id),
    );
    const same = await api.manage('GET', '/v1/alerts?deviceId=d1&condition=active&ruleId=r');
    expect(same.body).toEqual(some.body);
    expect(Object.keys(some.body.items[0]).filter((name) => name.startsWith('_'))).toEqual([]);
    expect((await api.manage('GET', '/v1/anomalies')).body.items).toEqual([]);
  });

  test('the quarantine is for platform administrators, and narrows by lane and reason', async () => {
    const { store } = await api.instance();
    const base = { quarantinedAt: '2026-01-01T00:00:00.000Z' };
    await store.create('quarantine', { ...base, id: 'q1', lane: 'direct-0', reason: 'malformed' } as never);
    await store.create('quarantine', { ...base, id: 'q2', lane: 'direct-1', reason: 'unknown-device' } as never);
    const ids = async (query: string) =>
      (await api.manage('GET', `/v1/quarantine?${query}`)).body.items.map(({ id }: { id: string }) => id);
    expect((await ids('')).toSorted()).toEqual(['q1', 'q2']);
    expect(await ids('lane=direct-1')).toEqual(['q2']);
    expect(await ids('reason=malformed')).toEqual(['q1']);
    expect(await api.call('GET', '/v1/quarantine')).toMatchObject({ status: 401 });
  });
});

test('the API describes itself, and every reference inside resolves', async () => {
  const { status, body, text } = await api.call('GET', '/v1/openapi.json');
  expect([status, body.openapi]).toEqual([200, '3.1.0']);
  const references = new Set([...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name));
  expect(references.size).toBeGreaterThan(3);
  for (const name of references) expect(Object.keys(body.components.schemas)).toContain(name);
  expect(body.paths['/v1/rules/{ruleId}'].put.parameters[0]).toMatchObject({ name: 'ruleId', in: 'path' });
  expect(text).not.toContain('$defs');
});
