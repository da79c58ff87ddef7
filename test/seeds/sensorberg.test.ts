/**
 * The Sensorberg page "Authentication", as far as machines, transport and the shape of requests go; what it says about
 * people is in test/conformance/rfc6749-code.test.ts. docs/seeds.md lists all of it.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { HttpRequest } from '@azure/functions';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { formBody } from '../../shared/http/body.ts';
import { endpoint } from '../../shared/http/endpoint.ts';
import { issueToken } from '../../shared/oauth/issue-token.ts';
import { renderOAuthError as renderProblem } from '../../shared/oauth/oauth-error.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';

let api: Living;
let app: TestApplication;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/users.ts');
  });
  app = await api.application({ scopes: ['app', 'basic'] });
});
afterAll(() => api.close());

const form = () => ({ grant_type: 'client_credentials', client_id: app.clientId, client_secret: app.clientSecret });

test('B1: a token in the name of an app is one of the app', async () => {
  const { body } = await api.token({ ...form(), scope: 'app' });
  const info = await api.call('GET', '/oauth/token/info', { token: body.access_token });
  expect(info.body).toMatchObject({ resource_owner_id: null, application: { uid: app.clientId }, scope: ['app'] });
});

test('B3: credentials that came unencrypted are refused, and not redirected', async () => {
  const services = await api.instance();
  const secure = { ...services, issuer: 'https://gate.example' };
  const token = endpoint({ route: 'oauth/token', method: 'POST', body: formBody(), renderProblem }, (call) =>
    issueToken(secure, call),
  );
  const ask = async (hop: string) => {
    const request = new HttpRequest({
      method: 'POST',
      url: 'https://gate.example/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-proto': hop },
      body: { string: new URLSearchParams(form()).toString() },
    });
    const answer = await token(request, {} as never);
    return { status: (answer as { status: number }).status, body: String((answer as { body: string }).body) };
  };
  expect(await ask('http')).toMatchObject({ status: 400, body: expect.stringContaining('HTTPS only') });
  expect(await ask('https, http')).toMatchObject({ status: 400 });
  expect(await ask('https')).toMatchObject({ status: 200 });
});

test('B4: /oauth/authorize takes POST and DELETE', async () => {
  const { headers } = await api.call('OPTIONS', '/oauth/authorize');
  expect(headers.get('allow')).toMatch(/GET.*POST.*DELETE/);
});

test('B5: /oauth/token takes POST and DELETE', async () => {
  const { headers } = await api.call('OPTIONS', '/oauth/token');
  expect(headers.get('allow')).toBe('POST, DELETE, OPTIONS');
  const token = await api.accessToken(app);
  expect(await api.call('DELETE', '/oauth/token', { token })).toMatchObject({ status: 204 });
  expect(await api.call('GET', '/oauth/token/info', { token })).toMatchObject({ status: 401 });
});

test('B10: machines use client_credentials; user_credentials, as the page calls it once, is answered with the right name', async () => {
  expect(await api.token(form())).toMatchObject({ status: 200 });
  const { status, body } = await api.token({ ...form(), grant_type: 'user_credentials' });
  expect([status, body.error]).toEqual([400, 'unsupported_grant_type']);
  expect(body.error_description).toContain('Did you mean client_credentials?');
});

test('B11: the curl of the page gets a token with the scope app', async () => {
  const fields = Object.entries({ ...form(), scope: 'app' }).flatMap(([name, value]) => [
    '--data-urlencode',
    `${name}=${value}`,
  ]);
  const type = ['--header', 'Content-Type: application/x-www-form-urlencoded'];
  const url = `${api.url}/oauth/token`;
  const { stdout } = await promisify(execFile)('curl', [
    '-sS',
    '--location',
    '--request',
    'POST',
    url,
    ...type,
    ...fields,
  ]);
  expect(JSON.parse(stdout)).toMatchObject({ scope: 'app', token_type: 'Bearer', created_at: expect.any(Number) });
});

test('A21: users, roles and settings of a tenant are managed by the API beside the external applications', async () => {
  for (const path of ['/v1/users', '/v1/roles', '/v1/tenants', '/v1/audit', '/v1/external-applications']) {
    expect(await api.manage('GET', path)).toMatchObject({ status: 200, body: { items: expect.any(Array) } });
  }
});
