/** RFC 7636, Proof Key for Code Exchange; numbers in brackets are those of its sections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { authorizationRequest, Browser, CALLBACK, newUser, pkce, type TestUser } from '../support/people.ts';

let api: Living;
let confidential: TestApplication;
let open: TestApplication;
let person: TestUser;

beforeAll(async () => {
  api = await living(async () => {
    await import('../../functions/oauth.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/users.ts');
  });
  confidential = await api.application({ redirectUris: [CALLBACK] });
  open = await api.application({ clientType: 'public', redirectUris: [CALLBACK] });
  person = await newUser(api);
});
afterAll(() => api.close());

const kinds = [
  ['a confidential client', () => confidential],
  ['a public client', () => open],
] as const;
const form = ({ clientId, clientSecret }: TestApplication, rest: Record<string, string>) =>
  api.token({
    grant_type: 'authorization_code',
    redirect_uri: CALLBACK,
    client_id: clientId,
    ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
    ...rest,
  });

describe.each(kinds)('%s', (_, application) => {
  const refusal = async (change: Record<string, string | undefined>) => {
    const request = authorizationRequest(application(), pkce().challenge, change);
    const { location } = await new Browser(api.url).get(`/oauth/authorize?${request.toString()}`);
    return location?.searchParams.get('error');
  };
  const code = async (challenge: string) => {
    const back = await new Browser(api.url).allow(authorizationRequest(application(), challenge), person);
    return back.searchParams.get('code') ?? '';
  };

  test.each<[string, Record<string, string | undefined>]>([
    ['without a challenge [4.4.1]', { code_challenge: undefined, code_challenge_method: undefined }],
    ['with the method plain [4.2, 7.2]', { code_challenge_method: 'plain' }],
    ['without a method, which means plain [4.3]', { code_challenge_method: undefined }],
    ['with an unknown method', { code_challenge_method: 'S512' }],
    ['with a challenge that is no SHA-256', { code_challenge: 'abc' }],
    ['with padding in the challenge', { code_challenge: `${'A'.repeat(43)}=` }],
  ])('a request %s is invalid_request', async (_name, change) => {
    expect(await refusal(change)).toBe('invalid_request');
  });

  test('the right verifier gets a token [4.6]', async () => {
    const { verifier, challenge } = pkce();
    expect((await form(application(), { code: await code(challenge), code_verifier: verifier })).status).toBe(200);
  });

  test.each<[string, (verifier: string, challenge: string) => Record<string, string>]>([
    ['no verifier', () => ({})],
    ['another verifier', () => ({ code_verifier: pkce().verifier })],
    ['the challenge for a verifier', (_verifier, challenge) => ({ code_verifier: challenge })],
    ['a verifier that is too short [4.1]', () => ({ code_verifier: 'short' })],
    ['a verifier that is too long [4.1]', () => ({ code_verifier: 'x'.repeat(129) })],
    ['a verifier of other characters [4.1]', () => ({ code_verifier: 'ä'.repeat(43) })],
  ])('%s is invalid_grant, and the code stays good for its owner', async (_name, wrong) => {
    const { verifier, challenge } = pkce();
    const own = await code(challenge);
    const { status, body } = await form(application(), { code: own, ...wrong(verifier, challenge) });
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
    expect((await form(application(), { code: own, code_verifier: verifier })).status).toBe(200);
  });
});

test('the example of appendix B', async () => {
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  const request = authorizationRequest(open, 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
  const back = await new Browser(api.url).allow(request, person);
  const answer = await form(open, { code: back.searchParams.get('code') ?? '', code_verifier: verifier });
  expect(answer.status).toBe(200);
});

test('metadata names S256 and nothing else [6.2]', async () => {
  const { body } = await api.call('GET', '/.well-known/oauth-authorization-server');
  expect(body.code_challenge_methods_supported).toEqual(['S256']);
});
