/** Tokens: OneSense's paths (`/connect/…`) and Sensorberg's (`/oauth/…`) are one service. */
import { app } from '@azure/functions';
import { formBody, optionalFormBody } from '../shared/http/body.ts';
import { EVERY_PAGE as crossOrigin } from '../shared/http/cross-origin.ts';
import { operation } from '../shared/http/endpoint.ts';
import { deleteAuthorize, getAuthorize, postAuthorize, showNativeCode } from '../shared/oauth/authorize.ts';
import { renderFault } from '../shared/oauth/authorization-answer.ts';
import { finishExternalSignIn, providerPath, startExternalSignIn } from '../shared/oauth/external-sign-in.ts';
import { introspectToken } from '../shared/oauth/introspect-token.ts';
import { issueToken } from '../shared/oauth/issue-token.ts';
import { dropKey, keyPath, listKeys } from '../shared/oauth/manage-keys.ts';
import { authorizationServerMetadata, keySet } from '../shared/oauth/metadata.ts';
import { renderOAuthError as renderProblem } from '../shared/oauth/oauth-error.ts';
import { revokeOwnToken, revokeToken } from '../shared/oauth/revoke-token.ts';
import { tokenInfo } from '../shared/oauth/token-info.ts';
import { userInfo } from '../shared/oauth/user-info.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const form = { body: formBody(), renderProblem };
// Pages of other origins may ask: a page that is a public client has no other way, and no cookie counts here.
const issue = operation({ ...form, crossOrigin, summary: 'Issue an access token' }, async (call) =>
  issueToken(await services(), call),
);
const introspect = operation({ ...form, summary: 'Tell what a token is worth (RFC 7662)' }, async (call) =>
  introspectToken(await services(), call),
);
const revoke = operation({ ...form, crossOrigin, summary: 'Revoke a token (RFC 7009)' }, async (call) =>
  revokeToken(await services(), call),
);

httpRoute('connect-token', 'connect/token', { POST: issue });
httpRoute('connect-introspect', 'connect/introspect', { POST: introspect });
httpRoute('connect-revocation', 'connect/revocation', { POST: revoke });

httpRoute('oauth-token', 'oauth/token', {
  POST: issue,
  DELETE: operation(
    { body: optionalFormBody(), renderProblem, crossOrigin, summary: 'Revoke the token of this request' },
    async (call) => revokeOwnToken(await services(), call),
  ),
});
httpRoute('oauth-token-info', 'oauth/token/info', {
  GET: operation({ summary: 'Show details of the token of this request' }, async (call) =>
    tokenInfo(await services(), call),
  ),
});
httpRoute('oauth-introspect', 'oauth/introspect', { POST: introspect });
httpRoute('oauth-revoke', 'oauth/revoke', { POST: revoke });

const who = operation({ crossOrigin, summary: 'Tell who the person behind the token is' }, async (call) =>
  userInfo(await services(), call),
);
httpRoute('connect-userinfo', 'connect/userinfo', { GET: who, POST: who });

// People come here with a browser: faults are pages, and no page of another origin may read anything.
const page = { renderProblem: renderFault };
const authorize = {
  GET: operation({ ...page, summary: 'Ask a person for access (RFC 6749 §4.1.1)' }, async (call) =>
    getAuthorize(await services(), call),
  ),
  POST: operation({ ...page, body: optionalFormBody(), summary: 'Sign in, allow or deny' }, async (call) =>
    postAuthorize(await services(), call),
  ),
  DELETE: operation({ ...page, body: optionalFormBody(), summary: 'Deny access' }, async (call) =>
    deleteAuthorize(await services(), call),
  ),
};
httpRoute('oauth-authorize', 'oauth/authorize', authorize);
httpRoute('connect-authorize', 'connect/authorize', authorize);
httpRoute('oauth-authorize-native', 'oauth/authorize/native', {
  GET: operation({ ...page, summary: 'Show an authorization code to a person' }, async (call) => showNativeCode(call)),
});
httpRoute('oauth-external', 'oauth/external/{provider}', {
  GET: operation({ ...page, params: providerPath, summary: 'Sign in through an OpenID provider' }, async (call) =>
    startExternalSignIn(await services(), call),
  ),
});
httpRoute('oauth-callback', 'oauth/callback/{provider}', {
  GET: operation({ ...page, params: providerPath, summary: 'Come back from an OpenID provider' }, async (call) =>
    finishExternalSignIn(await services(), call),
  ),
});

const metadata = operation({ summary: 'Describe the authorization server (RFC 8414)' }, async () =>
  authorizationServerMetadata(await services()),
);
httpRoute('oauth-metadata', '.well-known/oauth-authorization-server', { GET: metadata });
httpRoute('openid-metadata', '.well-known/openid-configuration', { GET: metadata });
httpRoute('oauth-keys', '.well-known/jwks.json', {
  GET: operation({ summary: 'Publish the public keys' }, async () => keySet((await services()).keys)),
});

const guard = may('operate-platform');
httpRoute('signing-keys', 'v1/signing-keys', {
  GET: operation({ guard, summary: 'List the signing keys' }, async () => listKeys(await services())),
});
httpRoute('signing-key', 'v1/signing-keys/{kid}', {
  DELETE: operation(
    { guard, params: keyPath, summary: 'Drop a signing key that leaked, and its tokens' },
    async (call) => dropKey(await services(), call),
  ),
});

app.timer('rotate-signing-keys', {
  schedule: '0 17 3 * * *',
  handler: async () => (await services()).keys.rotate(),
});
