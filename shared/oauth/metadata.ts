/** What clients discover: RFC 8414 and OpenID discovery, advertising only what exists, and the key set (RFC 7517). */
import type { HttpResponseInit } from '@azure/functions';
import { PROOF_ALGORITHMS } from '../http/bearer.ts';
import { APPLICATION_SCOPES, USER_SCOPES } from '../identity/principal.ts';
import type { EnabledGrants } from './enabled-grants.ts';
import type { KeyRing } from './key-ring.ts';

/** Seconds that a document may be cached: below the time a key is published before it signs. */
const CACHE_SECONDS = 300;
const CACHED = {
  'cache-control': `public, max-age=${CACHE_SECONDS}`,
  // Discovery documents hold nothing that a browser of another origin may not see.
  'access-control-allow-origin': '*',
};
const CLIENT_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

/** What the document describes. */
export interface MetadataServices {
  issuer: string;
  enabledGrants: EnabledGrants;
  config: { TOKEN_ALG: string };
}

/** The metadata document: what is enabled, and nothing else. The same for OAuth (RFC 8414) and for OpenID Connect. */
export async function authorizationServerMetadata({
  issuer,
  enabledGrants,
  config,
}: MetadataServices): Promise<HttpResponseInit> {
  return {
    headers: CACHED,
    jsonBody: {
      issuer,
      authorization_endpoint: `${issuer}/oauth/authorize`,
      token_endpoint: `${issuer}/connect/token`,
      userinfo_endpoint: `${issuer}/connect/userinfo`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
      grant_types_supported: await enabledGrants(),
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      scopes_supported: [...APPLICATION_SCOPES, ...USER_SCOPES],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [config.TOKEN_ALG],
      claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'at_hash', ...PERSON_CLAIMS],
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      claims_parameter_supported: false,
      request_parameter_supported: false,
      request_uri_parameter_supported: false,
      token_endpoint_auth_methods_supported: [...CLIENT_METHODS, 'none'],
      introspection_endpoint_auth_methods_supported: CLIENT_METHODS,
      revocation_endpoint_auth_methods_supported: [...CLIENT_METHODS, 'none'],
      token_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      introspection_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      revocation_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
      dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
      access_token_signing_alg_values_supported: [config.TOKEN_ALG],
    },
  };
}

const PERSON_CLAIMS = ['name', 'preferred_username', 'email', 'email_verified', 'tenant', 'roles'];

/** The public keys. */
export async function keySet(keys: KeyRing): Promise<HttpResponseInit> {
  const published = await keys.publicKeys();
  return { headers: CACHED, jsonBody: { keys: published } };
}
