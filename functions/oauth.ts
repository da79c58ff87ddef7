/** Tokens: OneSense's paths (`/connect/…`) and Sensorberg's (`/oauth/…`) are one service. */
import { app } from '@azure/functions';
import { formBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import { introspectToken } from '../shared/oauth/introspect-token.ts';
import { issueToken } from '../shared/oauth/issue-token.ts';
import { dropKey, keyPath, listKeys } from '../shared/oauth/manage-keys.ts';
import { authorizationServerMetadata, keySet } from '../shared/oauth/metadata.ts';
import { renderOAuthError as renderProblem } from '../shared/oauth/oauth-error.ts';
import { revokeOwnToken, revokeToken } from '../shared/oauth/revoke-token.ts';
import { tokenInfo } from '../shared/oauth/token-info.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const form = { body: formBody(), renderProblem };
const issue = operation({ ...form, summary: 'Issue an access token' }, async (call) =>
  issueToken(await services(), call),
);
const introspect = operation({ ...form, summary: 'Tell what a token is worth (RFC 7662)' }, async (call) =>
  introspectToken(await services(), call),
);
const revoke = operation({ ...form, summary: 'Revoke a token (RFC 7009)' }, async (call) =>
  revokeToken(await services(), call),
);

httpRoute('connect-token', 'connect/token', { POST: issue });
httpRoute('connect-introspect', 'connect/introspect', { POST: introspect });
httpRoute('connect-revocation', 'connect/revocation', { POST: revoke });

httpRoute('oauth-token', 'oauth/token', {
  POST: issue,
  DELETE: operation({ summary: 'Revoke the token of this request' }, async (call) =>
    revokeOwnToken(await services(), call),
  ),
});
httpRoute('oauth-token-info', 'oauth/token/info', {
  GET: operation({ summary: 'Show details of the token of this request' }, async (call) =>
    tokenInfo(await services(), call),
  ),
});
httpRoute('oauth-introspect', 'oauth/introspect', { POST: introspect });
httpRoute('oauth-revoke', 'oauth/revoke', { POST: revoke });

const metadata = operation({ summary: 'Describe the authorization server (RFC 8414)' }, async () => {
  const { issuer, config } = await services();
  return authorizationServerMetadata(issuer, config.TOKEN_ALG);
});
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
