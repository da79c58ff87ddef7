/** Real OAuth clients, each as its documentation shows it, through the authorization code grant and a refresh. */
import { AuthorizationCode } from 'simple-oauth2';
import { generateCodeVerifier, OAuth2Client } from '@badgateway/oauth2-client';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type IncomingMessage } from 'node:http';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import OAuth2Strategy from 'passport-oauth2';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { Browser, CALLBACK, newUser, pkce, type TestUser } from '../support/people.ts';

let api: Living;
let confidential: TestApplication;
let open: TestApplication;
let person: TestUser;
/** The local host speaks plain HTTP on loopback. */
const insecure = { [oauth.allowInsecureRequests]: true };

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

/** What the person does: signs in, allows, and is sent back. */
const back = (authorizationUrl: URL | string) =>
  new Browser(api.url).allow(new URL(authorizationUrl).searchParams, person);
/** Whom a token acts for. */
const personOf = async (token: string): Promise<string> => (await api.call('GET', '/v1/me', { token })).body.id;

test.each([
  ['public', () => open, () => openid.None()],
  ['confidential', () => confidential, () => openid.ClientSecretBasic(confidential.clientSecret)],
])(
  'openid-client, %s: discovery, PKCE, state, nonce, issuer, ID token, UserInfo, refresh, revocation',
  async (_, application, authentication) => {
    const config = await openid.discovery(new URL(api.url), application().clientId, undefined, authentication(), {
      execute: [openid.allowInsecureRequests],
    });
    const [pkceCodeVerifier, expectedState, expectedNonce] = [
      openid.randomPKCECodeVerifier(),
      openid.randomState(),
      openid.randomNonce(),
    ];
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid me offline_access',
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
    });
    const tokens = await openid.authorizationCodeGrant(config, await back(url), {
      pkceCodeVerifier,
      expectedState,
      expectedNonce,
      idTokenExpected: true,
    });
    expect(tokens.claims()?.sub).toBe(person.id);
    expect(await openid.fetchUserInfo(config, tokens.access_token, person.id)).toMatchObject({ sub: person.id });
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
    expect(await personOf(next.access_token)).toBe(person.id);
    await openid.tokenRevocation(config, next.refresh_token ?? '');
    await expect(openid.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  },
);

test('openid-client: DPoP, bound from the code to the refresh', async () => {
  const config = await openid.discovery(new URL(api.url), open.clientId, undefined, openid.None(), {
    execute: [openid.allowInsecureRequests],
  });
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'me',
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    dpop_jkt: await DPoP.calculateThumbprint(),
  });
  const tokens = await openid.authorizationCodeGrant(config, await back(url), { pkceCodeVerifier }, undefined, {
    DPoP,
  });
  expect(tokens.token_type).toBe('dpop');
  // A thief without the key gets nothing for the refresh token of a public client.
  await expect(openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP });
  const me = new URL(`${api.url}/v1/me`);
  const answer = await openid.fetchProtectedResource(config, next.access_token, me, 'GET', null, undefined, { DPoP });
  expect(await answer.json()).toMatchObject({ id: person.id });
});

test('oauth4webapi: code, PKCE, ID token, refresh', async () => {
  const issuer = new URL(api.url);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const client: oauth.Client = { client_id: confidential.clientId };
  const authentication = oauth.ClientSecretPost(confidential.clientSecret);
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint ?? '');
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: 'openid me',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  }).toString();
  const parameters = oauth.validateAuthResponse(as, client, await back(url), state);
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    authentication,
    parameters,
    CALLBACK,
    verifier,
    insecure,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
    expectedNonce: nonce,
    requireIdToken: true,
  });
  expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(person.id);
  const refreshed = await oauth.processRefreshTokenResponse(
    as,
    client,
    await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token ?? '', insecure),
  );
  expect(await personOf(refreshed.access_token)).toBe(person.id);
});

test.each(['header', 'body'] as const)(
  'simple-oauth2, credentials in the %s: code, refresh, revocation',
  async (place) => {
    const client = new AuthorizationCode<'client_id'>({
      client: { id: confidential.clientId, secret: confidential.clientSecret },
      auth: {
        tokenHost: api.url,
        tokenPath: '/oauth/token',
        authorizePath: '/oauth/authorize',
        revokePath: '/oauth/revoke',
      },
      options: { authorizationMethod: place },
    });
    const { verifier, challenge } = pkce();
    const request = { redirect_uri: CALLBACK, scope: 'me', state: 'state' };
    const url = client.authorizeURL({ ...request, code_challenge: challenge, code_challenge_method: 'S256' } as never);
    const code = (await back(url)).searchParams.get('code') ?? '';
    const token = await client.getToken({ code, redirect_uri: CALLBACK, code_verifier: verifier } as never);
    expect(token.expired()).toBe(false);
    const next = await token.refresh();
    expect(await personOf(String(next.token['access_token']))).toBe(person.id);
    await next.revokeAll();
    expect((await api.call('GET', '/v1/me', { token: String(next.token['access_token']) })).status).toBe(401);
  },
);

test('@badgateway/oauth2-client: code with PKCE as a public client, refresh', async () => {
  const client = new OAuth2Client({
    server: api.url,
    clientId: open.clientId,
    discoveryEndpoint: '/.well-known/oauth-authorization-server',
  });
  const codeVerifier = await generateCodeVerifier();
  const options = { redirectUri: CALLBACK, state: 'state', codeVerifier };
  const url = await client.authorizationCode.getAuthorizeUri({ ...options, scope: ['me'] });
  const token = await client.authorizationCode.getTokenFromCodeRedirect((await back(url)).href, options);
  const next = await client.refreshToken(token);
  expect(await personOf(next.accessToken)).toBe(person.id);
});

test('passport-oauth2: PKCE and state', async () => {
  const session: Record<string, unknown> = {};
  const verified: { accessToken: string; refreshToken: string }[] = [];
  const strategy = new OAuth2Strategy(
    {
      authorizationURL: `${api.url}/oauth/authorize`,
      tokenURL: `${api.url}/oauth/token`,
      clientID: confidential.clientId,
      clientSecret: confidential.clientSecret,
      callbackURL: CALLBACK,
      scope: ['me'],
      pkce: true,
      state: true,
      passReqToCallback: false,
    },
    (accessToken: string, refreshToken: string, _profile: unknown, done: (error: unknown, user: object) => void) => {
      verified.push({ accessToken, refreshToken });
      done(null, {});
    },
  );
  /** Passport's part: runs the strategy for one request. @returns where it redirects to, or that it succeeded */
  const pass = (query: Record<string, string>) =>
    new Promise<string>((resolve, reject) => {
      const run = Object.assign(Object.create(strategy) as typeof strategy, {
        redirect: (url: string) => resolve(url),
        success: () => resolve('success'),
        fail: (challenge: unknown) => reject(new Error(`refused: ${JSON.stringify(challenge)}`)),
        error: reject,
      });
      run.authenticate({ session, query, body: {}, headers: {} } as never, {});
    });
  const address = await back(await pass({}));
  expect(await pass(Object.fromEntries(address.searchParams))).toBe('success');
  expect(await personOf(verified[0]?.accessToken ?? '')).toBe(person.id);
  expect(verified[0]?.refreshToken).toMatch(/^slr_/);
});

test('a program on the own machine, as RFC 8252 describes it: a loopback server on any port', async () => {
  const native = await api.application({ clientType: 'public', redirectUris: ['http://127.0.0.1/callback'] });
  const arrived = Promise.withResolvers<IncomingMessage>();
  const server = createServer((request, response) => {
    response.end('You may close this page.');
    arrived.resolve(request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const { verifier, challenge } = pkce();
  const request = new URLSearchParams({
    response_type: 'code',
    client_id: native.clientId,
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  await fetch(await new Browser(api.url).allow(request, person));
  const code = new URL((await arrived.promise).url ?? '', redirectUri).searchParams.get('code') ?? '';
  await new Promise((resolve) => server.close(resolve));
  const form = { grant_type: 'authorization_code', client_id: native.clientId, redirect_uri: redirectUri };
  const { body } = await api.token({ ...form, code, code_verifier: verifier });
  expect(await personOf(body.access_token)).toBe(person.id);
});
