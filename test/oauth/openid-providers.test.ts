/** People of OpenID providers: through the sign-in page, and by the provider's own access tokens [B9]. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { admitDeployer } from '../../shared/identity/first-administrator.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { startOpenIdProvider, type TestProvider } from '../support/openid-provider.ts';
import { authorizationRequest, Browser, CALLBACK, newUser, pkce } from '../support/people.ts';

let api: Living;
let provider: TestProvider;
let mixedUp: TestProvider;
let app: TestApplication;
let userId: string;

beforeAll(async () => {
  provider = await startOpenIdProvider('sluice-there');
  mixedUp = await startOpenIdProvider('sluice-there');
  process.env['OPENID_PROVIDERS'] = JSON.stringify([
    { id: 'corporate', name: 'Corporate', issuer: provider.issuer, clientId: 'sluice-there', audience: 'sluice-api' },
    { id: 'other', name: 'Other', issuer: mixedUp.issuer, clientId: 'sluice-there' },
  ]);
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/users.ts');
  });
  app = await api.application({ redirectUris: [CALLBACK] });
  const identities = [{ issuer: provider.issuer, subject: 'ada' }];
  userId = (await newUser(api, { name: 'Ada', roles: ['operator'], externalIdentities: identities })).id;
});
afterAll(async () => {
  delete process.env['OPENID_PROVIDERS'];
  await api.close();
  await Promise.all([provider.close(), mixedUp.close()]);
});
beforeEach(() => {
  provider.person = { subject: 'ada' };
  provider.twist = {};
});

/** Goes to the provider and comes back. @returns the page after that, and the browser */
async function through(browser = new Browser(api.url), name = 'corporate') {
  const { verifier, challenge } = pkce();
  const page = await browser.get(`/oauth/authorize?${authorizationRequest(app, challenge).toString()}`);
  const link = new RegExp(`href="(/oauth/external/${name}[^"]*)"`).exec(page.text)?.[1]?.replaceAll('&amp;', '&');
  const there = await browser.get(link ?? '');
  const answer = await fetch(there.location ?? '', { redirect: 'manual' });
  const callback = answer.headers.get('location') ?? '';
  return { browser, verifier, callback, come: (address = callback) => browser.get(address) };
}

describe('through the sign-in page', () => {
  test('[B9] a person of a provider signs in, allows, and the application gets a token in their name', async () => {
    const { browser, verifier, come } = await through();
    const back = await come();
    expect(back.status).toBe(303);
    const consent = await browser.get(back.location ?? '');
    const { location } = await browser.submit(consent, 'allow');
    const { body } = await api.token({
      grant_type: 'authorization_code',
      code: location?.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      client_id: app.clientId,
      client_secret: app.clientSecret,
    });
    expect((await api.call('GET', '/v1/me', { token: body.access_token })).body).toMatchObject({ id: userId });
  });

  test('who is no user here is turned away, and the audit knows', async () => {
    provider.person = { subject: 'stranger' };
    const { come } = await through();
    expect(await come()).toMatchObject({ status: 403 });
    const { body } = await api.manage('GET', '/v1/audit?action=sign-in-failed');
    expect(body.items[0]).toMatchObject({ target: 'provider:corporate', reason: 'no such user, or disabled' });
  });

  test('a state is good once, in the browser that it was made for, and for its provider', async () => {
    const { come, callback } = await through();
    expect((await new Browser(api.url).get(callback)).status).toBe(400);
    expect((await come()).status).toBe(400);
    const fresh = await through();
    expect((await fresh.come(fresh.callback.replace('/corporate', '/other'))).status).toBe(400);
    const mixed = await through();
    expect((await mixed.come(`${mixed.callback}&iss=${encodeURIComponent(mixedUp.issuer)}`)).status).toBe(400);
  });

  test.each<[string, Record<string, unknown>]>([
    ['another nonce', { nonce: 'other' }],
    ['another audience', { aud: 'somebody-else' }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['no subject', { sub: '' }],
  ])('an ID token with %s signs nobody in', async (_, twist) => {
    provider.twist = twist;
    const { come } = await through();
    expect((await come()).status).toBe(502);
  });

  test('a provider that says no, and one that there is not', async () => {
    const { come, callback } = await through();
    const denied = new URL(callback);
    denied.searchParams.delete('code');
    denied.searchParams.set('error', 'access_denied');
    expect((await come(denied.href)).status).toBe(403);
    expect((await new Browser(api.url).get('/oauth/external/nowhere')).status).toBe(404);
  });
});

describe('by a token of the provider', () => {
  const claims = { sub: 'ada', aud: 'sluice-api' };
  const read = async (token: string, path = '/v1/devices', tenant?: string) =>
    api.call('GET', path, { token, ...(tenant === undefined ? {} : { tenant }) });

  test('manages with the roles of now', async () => {
    const token = await provider.token(claims);
    expect((await read(token)).status).toBe(200);
    expect((await read(token, '/v1/me')).body).toMatchObject({ id: userId, roles: ['operator'] });
    expect((await read(token, '/v1/users')).status).toBe(403);
  });

  test.each<[string, Record<string, unknown>]>([
    ['for somebody else', { aud: 'other-api' }],
    ['that is an ID token', { nonce: 'n' }],
    ['without a subject', { sub: undefined }],
    ['that has expired', { exp: 1 }],
  ])('a token %s is refused', async (_, change) => {
    expect((await read(await provider.token({ ...claims, ...change }))).status).toBe(401);
  });

  test('a token of a provider whose tokens are not taken, and one signed by another key', async () => {
    expect((await read(await mixedUp.token(claims))).status).toBe(401);
    const forged = await mixedUp.token({ ...claims, iss: provider.issuer });
    expect((await read(forged)).status).toBe(401);
  });

  test('a valid token makes nobody a user', async () => {
    const { status, body } = await read(await provider.token({ ...claims, sub: 'stranger' }));
    expect([status, body.type]).toEqual([403, 'urn:sluice:problem:forbidden']);
  });

  test('does not reach another tenant', async () => {
    expect((await read(await provider.token(claims), '/v1/devices', 'elsewhere')).status).toBe(403);
  });
});

describe('the first administrator of a deployment', () => {
  test('is who deployed, by object id, once', async () => {
    const { store, users, now } = await api.instance();
    const services = { store, users, now };
    const identity = { issuer: provider.issuer, subject: 'the-deployer' };
    const settings = { tenant: 'fresh', identity };
    const fresh = 'fresh' as never;
    expect(await admitDeployer(services, settings, { ...identity, subject: 'other' }, fresh)).toBeUndefined();
    expect(await admitDeployer(services, settings, identity, 'elsewhere' as never)).toBeUndefined();
    const both = await Promise.all([1, 2].map(() => admitDeployer(services, settings, identity, fresh)));
    const id = both.find((each) => each !== undefined) ?? '';
    expect(both.filter((each) => each !== undefined)).toHaveLength(1);
    expect((await users.find(fresh, id))?.roles).toEqual(['platform-admin', 'owner']);
    await users.remove(fresh, id, () => undefined);
    expect(await admitDeployer(services, settings, identity, fresh)).toBeUndefined();
  });
});
