/** What callers and operators see when things go wrong, and what logs never hold. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { living, type Living } from '../support/living.ts';
import { ADMIN } from '../support/stored-services.ts';
import { until } from '../support/until.ts';

let api: Living;
const stderr: string[] = [];

beforeAll(async () => {
  jest.spyOn(process.stderr, 'write').mockImplementation((line) => {
    stderr.push(String(line));
    return true;
  });
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/health.ts');
  });
});
afterAll(async () => {
  jest.restoreAllMocks();
  await api.close();
});

test('no secret that was ever made is in a log, an answer of a list, the audit or the store', async () => {
  const secrets: string[] = [ADMIN.client_secret];
  for (let i = 0; i < 3; i++) {
    const app = await api.application();
    secrets.push(app.clientSecret, await api.accessToken(app));
    await api.token({
      grant_type: 'client_credentials',
      client_id: app.clientId,
      client_secret: `${app.clientSecret}x`,
    });
    const { body } = await api.manage('POST', `/v1/external-applications/${app.id}/rotate-secret`);
    secrets.push(body.clientSecret);
    await api.call('GET', `/v1/external-applications?search=${body.clientSecret}`, { token: 'bad' });
  }
  const { store } = await api.instance();
  const documents = await Promise.all(
    (['applications', 'audit', 'keys', 'grants'] as const).map((name) => store.all(name, { query: 'SELECT * FROM c' })),
  );
  const everything = [
    JSON.stringify(documents),
    ...api.log,
    ...stderr,
    (await api.manage('GET', '/v1/audit')).text,
    (await api.manage('GET', '/v1/external-applications')).text,
  ].join('\n');
  expect(everything.length).toBeGreaterThan(5000);
  expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
});

test('the store dies: probes tell, requests are 503 with Retry-After and nothing of the inside, known tokens go on', async () => {
  const app = await api.application();
  const token = await api.accessToken(app);
  const probe = async () => (await api.call('GET', '/readyz')).body;
  expect(await probe()).toEqual({ status: 'ok' });
  expect((await api.call('GET', '/readyz', { token })).body).toEqual({ status: 'ok' });
  expect((await api.manage('GET', '/readyz')).body).toEqual({ status: 'ok', checks: { store: 'ok' } });
  expect(await api.call('GET', '/v1/me/devices', { token })).toMatchObject({ status: 200 });
  api.cosmos.faults.add({ kind: 'unavailable', count: -1 });
  expect(await api.call('GET', '/healthz')).toMatchObject({ status: 200 });
  expect(await api.call('GET', '/readyz')).toMatchObject({ status: 503 });
  expect(await probe()).toEqual({ status: 'unavailable' });
  expect(await api.manage('GET', '/readyz')).toMatchObject({ status: 503, body: { checks: { store: 'unavailable' } } });
  const credentials = { client_id: app.clientId, client_secret: app.clientSecret };
  // A document that was read just before still says yes.
  const refused = await until(async () => {
    const answer = await api.token({ grant_type: 'client_credentials', ...credentials });
    return answer.status === 200 ? undefined : answer;
  });
  expect([refused.status, refused.body.error]).toEqual([503, 'temporarily_unavailable']);
  expect(refused.headers.get('retry-after')).toBe('2');
  const listed = await api.manage('GET', '/v1/external-applications');
  expect([listed.status, listed.body.type]).toEqual([503, 'urn:sluice:problem:unavailable']);
  for (const { text } of [refused, listed]) expect(text).not.toMatch(/ECONN|127\.0\.0\.1|at .*\.ts/);
  expect(await api.call('GET', '/oauth/token/info', { token })).toMatchObject({ status: 200 });
  api.cosmos.faults.clear();
  expect(await api.token({ grant_type: 'client_credentials', ...credentials })).toMatchObject({ status: 200 });
  expect(await api.call('GET', '/readyz')).toMatchObject({ status: 200 });
});
