/** The audit: every change and every failed authentication, append only, each tenant its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';

const PATH = '/v1/external-applications';
let api: Living;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
  });
});
afterAll(() => api.close());

interface Entry {
  id: string;
  at: string;
  actor: string;
  action: string;
  target: string;
  tenantId: string;
  changed?: string[];
  reason?: string;
}

async function entries(query = '', tenant?: string): Promise<Entry[]> {
  const options = tenant === undefined ? {} : { tenant };
  const { status, body } = await api.manage('GET', `/v1/audit?limit=200&${query}`, undefined, options);
  expect(status).toBe(200);
  return body.items as Entry[];
}

describe('every change is an entry with actor, target and the names of the changed fields', () => {
  test('of the whole life of an application', async () => {
    const { id } = await api.application();
    await api.manage('PATCH', `${PATH}/${id}`, { name: 'Audited', includeAnomalies: true });
    await api.manage('POST', `${PATH}/${id}/extend`, { expiresAt: '2100-01-01' });
    await api.manage('POST', `${PATH}/${id}/rotate-secret`);
    await api.manage('POST', `${PATH}/${id}/secrets/previous/revoke`);
    await api.manage('POST', `${PATH}/${id}/disable`);
    await api.manage('POST', `${PATH}/${id}/enable`);
    await api.manage('DELETE', `${PATH}/${id}`);
    const found = (await entries(`target=application:${id}`)).toReversed();
    const changed = Object.fromEntries(found.map((entry) => [entry.action, entry.changed]));
    expect(changed).toMatchObject({
      'application-changed': ['name', 'includeAnomalies'],
      'application-extended': ['expiresAt'],
      'application-secret-rotated': ['secrets'],
      'application-secret-grace-ended': ['secrets'],
      'application-disabled': ['status'],
      'application-enabled': ['status'],
    });
    expect(Object.keys(changed)).toEqual(expect.arrayContaining(['application-created', 'application-deleted']));
    for (const entry of found)
      expect(entry).toMatchObject({ actor: 'service:test-administrator', tenantId: 'default' });
  });

  test('an edit that changes nothing is none', async () => {
    const { id } = await api.application({ includeAnomalies: true });
    await api.manage('PATCH', `${PATH}/${id}`, { includeAnomalies: true });
    expect((await entries(`target=application:${id}`)).map(({ action }) => action)).toEqual(['application-created']);
  });
});

describe('every failed authentication is an entry with its true reason', () => {
  const fail = async (clientId: string, clientSecret: string) =>
    api.token({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret });
  const reasonOf = async (clientId: string) => {
    const actor = encodeURIComponent(`client:…${clientId.slice(-4)}`);
    return (await entries(`action=client-authentication-failed&actor=${actor}`)).map(({ reason }) => reason);
  };

  test('a wrong secret, a disabled, an expired application', async () => {
    const [wrong, disabled, other] = [await api.application(), await api.application(), await api.application()];
    await api.manage('POST', `${PATH}/${disabled.id}/disable`);
    await fail(wrong.clientId, other.clientSecret);
    await fail(disabled.clientId, disabled.clientSecret);
    expect(await reasonOf(wrong.clientId)).toEqual(['wrong secret']);
    expect(await reasonOf(disabled.clientId)).toEqual(['application disabled']);
  });

  test('a flood of failures is told once more, and then not each time', async () => {
    const { clientId } = await api.application();
    for (let count = 0; count < 20; count++) await fail(clientId, `slc_wrong${count}`);
    expect(await reasonOf(clientId)).toEqual([]);
    const actor = encodeURIComponent(`client:…${clientId.slice(-4)}`);
    // A secret that is none by its form is looked up nowhere, so it has no tenant: the platform's administrator sees it.
    const own = await entries(`unattributed=true&actor=${actor}`);
    const count = (action: string) => own.filter((entry) => entry.action === action).length;
    expect(count('client-authentication-failed')).toBe(10);
    expect(count('client-authentication-throttled')).toBe(1);
  });
});

describe('GET /v1/audit', () => {
  test('pages the newest first, without gap or repeat', async () => {
    const tenant = 'paged';
    for (let count = 0; count < 9; count++) {
      await api.manage('POST', PATH, { name: `Paged ${count}`, expiresAt: '2099-12-31' }, { tenant });
    }
    const seen: Entry[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await api.manage('GET', `/v1/audit?limit=2${query}`, undefined, { tenant });
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items);
      cursor = body.nextCursor;
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(9);
    expect(seen).toHaveLength(9);
    const times = seen.map(({ at }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  test('is of the own tenant: another sees nothing of it', async () => {
    const { id } = await api.application();
    expect(await entries(`target=application:${id}`)).toHaveLength(1);
    expect(await entries(`target=application:${id}`, 'elsewhere')).toEqual([]);
    expect((await entries('', 'elsewhere')).every(({ tenantId }) => tenantId === 'elsewhere')).toBe(true);
  });

  test('is for those who may manage applications', async () => {
    const token = await api.accessToken(await api.application());
    expect(await api.call('GET', '/v1/audit', { token })).toMatchObject({ status: 403 });
    expect(await api.call('GET', '/v1/audit')).toMatchObject({ status: 401 });
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('is append only: %s is 405', async (method) => {
    expect(await api.manage(method, '/v1/audit', method === 'DELETE' ? undefined : {})).toMatchObject({ status: 405 });
  });

  test('is append only: nothing in the code replaces, upserts or deletes an entry', () => {
    const root = fileURLToPath(new URL('../../shared', import.meta.url));
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const offenders = files.filter((name) =>
      /\.(replace|upsert|delete|batch)\(\s*'audit'/.test(readFileSync(`${root}/${name}`, 'utf8')),
    );
    expect(files.length).toBeGreaterThan(100);
    expect(offenders).toEqual([]);
  });
});
