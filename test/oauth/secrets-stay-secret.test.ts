/** No secret is written down anywhere: every log line and every stored document is searched for every secret there was. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { exportJWK } from 'jose';
import { proofFor, proofKey } from '../support/dpop.ts';
import { captureOutput, everyDocument } from '../support/everything-written.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { ADMIN } from '../support/stored-services.ts';

const PATH = '/v1/external-applications';
let api: Living;
let output: ReturnType<typeof captureOutput>;
/** Every secret by what it is. */
const secrets: { what: string; value: string }[] = [];
const keep = (what: string, value: unknown): string => {
  if (typeof value !== 'string' || value.length < 16) throw new Error(`${what} is no secret: ${String(value)}`);
  secrets.push({ what, value });
  return value;
};

beforeAll(async () => {
  output = captureOutput();
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/stream-telemetry.ts');
  });
});
afterAll(async () => {
  output.stop();
  await api.close();
});

/** An application, its first secret kept. */
async function application(input: Record<string, unknown> = {}): Promise<TestApplication> {
  const made = await api.application(input);
  keep('client secret', made.clientSecret);
  return made;
}

/** Sends a secret by every way that one could take by mistake. */
async function sendWrongly(clientId: string, clientSecret: string): Promise<void> {
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
  const query = new URLSearchParams(form).toString();
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  await api.call('GET', `/connect/token?${query}`);
  await api.call('POST', `/connect/token?${query}`, { body: new URLSearchParams(form) });
  await api.call('POST', '/connect/token', { json: form });
  await api.call('POST', '/connect/token', { body: `${query}&client_secret=${clientSecret}` });
  await api.token({ ...form, grant_type: clientSecret });
  await api.token({ ...form, scope: clientSecret });
  await api.token({ ...form, client_id: clientSecret });
  await api.token({ ...form, client_assertion: clientSecret, client_assertion_type: clientSecret });
  await api.token({ ...form, resource: `https://${clientSecret}.example` });
  await api.call('POST', '/oauth/token', {
    body: new URLSearchParams(form),
    headers: { authorization: `Basic ${basic}` },
  });
  await api.call('POST', '/oauth/introspect', { body: new URLSearchParams({ ...form, token: clientSecret }) });
  await api.call('POST', '/oauth/revoke', { body: new URLSearchParams({ ...form, token: clientSecret }) });
  await api.call('GET', '/oauth/token/info', { token: clientSecret });
  await api.call('GET', '/v1/me/devices', { headers: { authorization: `Basic ${basic}` } });
  await api.call('GET', `/v1/stream/telemetry?ticket=${clientSecret}`);
  await api.manage('GET', `${PATH}?search=${clientSecret}`);
  await api.manage('GET', `${PATH}/${clientSecret}`);
  await api.manage('POST', PATH, { name: 'Wrong', clientSecret, expiresAt: clientSecret });
  await api.manage('GET', `/${clientSecret}`);
}

test('no secret is in any log line or stored document, whatever was done with it', async () => {
  keep('administrator secret', ADMIN.client_secret);
  const app = await application({ name: 'Keeps its secret' });
  const other = await application();
  for (const graceSeconds of [3600, 0]) {
    const { body } = await api.manage('POST', `${PATH}/${app.id}/rotate-secret`, { graceSeconds });
    app.clientSecret = keep('rotated client secret', body.clientSecret);
  }
  const token = keep('access token', await api.accessToken(app));
  keep('signature of an access token', token.split('.')[2]);
  await api.call('GET', '/v1/me/devices', { token });
  await api.call('GET', `/oauth/token/info?access_token=${token}`);
  keep('ticket', (await api.call('POST', '/v1/stream/tickets', { token })).body.ticket);
  const credentials = { client_id: app.clientId, client_secret: app.clientSecret };
  await api.call('POST', '/oauth/introspect', { body: new URLSearchParams({ token, ...credentials }) });
  await sendWrongly(app.clientId, app.clientSecret);
  await sendWrongly(app.clientId, other.clientSecret);
  // Wrong secrets are often nearly right ones, or those of another system.
  await sendWrongly(app.clientId, keep('mistyped secret', `${app.clientSecret.slice(0, -1)}_`));
  await sendWrongly(app.clientId, keep('secret of another system', randomBytes(24).toString('hex')));

  const key = await proofKey();
  const jwk = await exportJWK(key.privateKey);
  keep('private key', jwk.d);
  await api.manage('POST', PATH, { name: 'Sent its private key', expiresAt: '2099-12-31', jwks: { keys: [jwk] } });
  const first = await api.token(
    { grant_type: 'client_credentials', ...credentials },
    { dpop: await proofFor(key, 'POST', `${api.url}/connect/token`) },
  );
  const nonce = first.headers.get('dpop-nonce') ?? '';
  const dpop = await proofFor(key, 'POST', `${api.url}/connect/token`, { nonce });
  const bound = await api.token({ grant_type: 'client_credentials', ...credentials }, { dpop });
  keep('bound access token', bound.body.access_token);

  for (const [method, path] of [
    ['POST', 'disable'],
    ['POST', 'enable'],
  ] as const) {
    await api.manage(method, `${PATH}/${app.id}/${path}`);
  }
  await api.call('POST', '/oauth/revoke', { body: new URLSearchParams({ token, ...credentials }) });
  await api.manage('DELETE', `${PATH}/${other.id}`);
  const { config } = await api.instance();
  for (const masterKey of config.SLUICE_MASTER_KEY) keep('master key', masterKey.toString('base64'));

  const documents = await everyDocument(api.cosmos);
  const written = [
    ...documents.map(({ container, text }) => ({ where: `container ${container}`, text })),
    ...api.log.map((line) => ({ where: 'log of the host', text: line })),
    { where: 'standard output', text: output.text() },
  ];
  // The search itself works: what is public is found.
  expect(documents.some(({ text }) => text.includes(app.clientId))).toBe(true);
  expect(new Set(documents.map(({ container }) => container))).toEqual(
    new Set(['applications', 'audit', 'grants', 'keys']),
  );
  const found = secrets.flatMap(({ what, value }) =>
    written
      .filter(({ text }) => text.includes(value) || text.includes(Buffer.from(value).toString('base64').slice(0, -3)))
      .map(({ where }) => `${what} in ${where}`),
  );
  expect(found).toEqual([]);
  expect(secrets.length).toBeGreaterThan(10);
});

test('a private signing key lies in the store only wrapped under the master key', async () => {
  const { keys } = await api.instance();
  await keys.signer();
  const stored = (await everyDocument(api.cosmos)).filter(({ container }) => container === 'keys');
  expect(stored.length).toBeGreaterThan(0);
  for (const { text } of stored) {
    expect(JSON.parse(text)).toMatchObject({ wrapped: { keyId: expect.any(String), data: expect.any(String) } });
    expect(text).not.toMatch(/"d":/);
  }
});
