/** What clients discover: RFC 8414 and OpenID discovery, advertising only what exists, and the key set (RFC 7517). */
import type { HttpResponseInit } from '@azure/functions';
import { PROOF_ALGORITHMS } from '../http/bearer.ts';
import { APPLICATION_SCOPES } from '../identity/principal.ts';
import { GRANT_TYPES } from './issue-token.ts';
import type { KeyRing } from './key-ring.ts';

/** Seconds that a document may be cached: below the time a key is published before it signs. */
const CACHE_SECONDS = 300;
const CACHED = {
  'cache-control': `public, max-age=${CACHE_SECONDS}`,
  // Discovery documents hold nothing that a browser of another origin may not see.
  'access-control-allow-origin': '*',
};
const CLIENT_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

/** The metadata document. */
export function authorizationServerMetadata(issuer: string, algorithm: string): HttpResponseInit {
  return {
    headers: CACHED,
    jsonBody: {
      issuer,
      token_endpoint: `${issuer}/connect/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
      grant_types_supported: GRANT_TYPES,
      response_types_supported: [],
      scopes_supported: APPLICATION_SCOPES,
      token_endpoint_auth_methods_supported: CLIENT_METHODS,
      token_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      introspection_endpoint_auth_methods_supported: CLIENT_METHODS,
      introspection_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      revocation_endpoint_auth_methods_supported: CLIENT_METHODS,
      revocation_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
      access_token_signing_alg_values_supported: [algorithm],
    },
  };
}

/** The public keys. */
export async function keySet(keys: KeyRing): Promise<HttpResponseInit> {
  const published = await keys.publicKeys();
  return { headers: CACHED, jsonBody: { keys: published } };
}
