/** What strangers send to the authorization endpoint: never a failure of ours, never a redirect to where nobody registered. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { authorizationRequest, Browser, CALLBACK, pkce } from '../support/people.ts';

let api: Living;
let app: TestApplication;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
  });
  app = await api.application({ redirectUris: [CALLBACK] });
});
afterAll(() => api.close());

const NAMES = ['client_id', 'redirect_uri', 'state', 'scope', 'nonce', 'prompt', 'max_age', 'response_type', 'tenant'];

test('any values of any parameters: a page, or a redirect to the registered address', async () => {
  const holds = fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...NAMES), fc.string({ unit: 'binary' })), async (change) => {
      const query = authorizationRequest(app, pkce().challenge, change).toString();
      const { status, location } = await new Browser(api.url).get(`/oauth/authorize?${query}`);
      // 503: the store of a busy machine was asked for too long.
      const fine = location ? location.href.startsWith(`${CALLBACK}?`) : [200, 400, 503].includes(status);
      if (!fine) throw new Error(`${status} ${String(location)}`);
    }),
    { numRuns: 60 },
  );
  await expect(holds).resolves.toBeUndefined();
});

test.each<[string, string]>([
  ['a repeated parameter', '&scope=me&scope=openid'],
  ['malformed percent-encoding', '&x=%zz'],
  ['bytes that are no UTF-8', '&x=%ff%fe'],
  ['the key by which the platform lets headers be replaced', '&Headers=x'],
  ['a parameter that is too long', `&state=${'x'.repeat(5_000)}`],
])('%s is a page with 400', async (_, addition) => {
  const query = authorizationRequest(app, pkce().challenge, { state: undefined }).toString();
  const { status, location } = await new Browser(api.url).get(`/oauth/authorize?${query}${addition}`);
  expect([status, location]).toEqual([400, undefined]);
});

test('a body that is too large, of another type, or nothing but a form token', async () => {
  const query = authorizationRequest(app, pkce().challenge).toString();
  const post = async (body: string, type = 'application/x-www-form-urlencoded') =>
    (await api.call('POST', `/oauth/authorize?${query}`, { body, headers: { 'content-type': type } })).status;
  expect(await post(`x=${'x'.repeat(100_000)}`)).toBe(413);
  expect(await post('{}', 'application/json')).toBe(415);
  expect(await post('action=allow&form_token=x')).toBe(403);
  expect(await post('action=allow')).toBe(403);
});

test.each(['', 'sluice-session=', 'sluice-session=x; y', `sluice-session=${'A'.repeat(43)}`, 'a=b; ; =;'])(
  'the cookie "%s" signs nobody in',
  async (cookie) => {
    const browser = new Browser(api.url);
    browser.cookie = cookie;
    const query = authorizationRequest(app, pkce().challenge).toString();
    expect((await browser.get(`/oauth/authorize?${query}`)).text).toContain('name="password"');
  },
);
