/** The token endpoint (RFC 6749 §3.2): one service behind `/connect/token` and `/oauth/token`. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { clientSettingsOf } from '../applications/client-settings.ts';
import type { RecordUse } from '../applications/record-use.ts';
import { Problem } from '../http/problem.ts';
import { count } from '../observability.ts';
import { isApplicationScope, type AccessTokens } from './access-token.ts';
import { authenticateClient, type Client, type ClientAuthenticationServices } from './client-authentication.ts';
import { proofAtTokenEndpoint, type DpopProof, type DpopServices } from './dpop-proof.ts';
import { parameter, refuseRepeated, requiredParameter } from './form-parameters.ts';
import { NO_STORE, oauthError } from './oauth-error.ts';
import { APPLICATION_SCOPES, type ApplicationScope } from '../identity/principal.ts';

/** Grants that are served, and advertised. */
export const GRANT_TYPES = ['client_credentials'] as const;
/** RFC 6749 §3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** What issuing needs. */
export interface TokenServices extends ClientAuthenticationServices, DpopServices {
  tokens: AccessTokens;
  recordUse: RecordUse;
  issuer: string;
}

/** A token request: its form, read. */
export interface TokenRequest {
  body: URLSearchParams;
  request: HttpRequest;
  requestId: string;
}

/** Serves a token request. @throws Problem with an OAuth error code */
export async function issueToken(services: TokenServices, call: TokenRequest): Promise<HttpResponseInit> {
  try {
    const response = await issue(services, call);
    count('sluice.token.issued', 1, { grant: GRANT_TYPES[0] });
    return response;
  } catch (error) {
    if (error instanceof Problem) count('sluice.token.rejected', 1, { error: error.kind });
    throw error;
  }
}

async function issue(
  services: TokenServices,
  { body: form, request, requestId }: TokenRequest,
): Promise<HttpResponseInit> {
  refuseCredentialsInQuery(request);
  refuseRepeated(form);
  const grantType = requiredParameter(form, 'grant_type');
  // Before anything is used up: whoever is told to use a nonce sends the same request again.
  const proof = await proofAtTokenEndpoint(services, request);
  const client = await authenticateClient(services, request, form, requestId);
  requireBinding(client, proof);
  if (!GRANT_TYPES.some((known) => known === grantType)) throw unsupportedGrant(grantType);
  if (client.kind === 'application' && client.method === 'none') {
    throw oauthError('unauthorized_client', 'A public client cannot use client_credentials: it has no secret.');
  }
  requireOwnResource(form, services.issuer);
  const scopes = grantedScopes(client, parameter(form, 'scope'));
  await proof?.spend();
  const boundTo = proof?.thumbprint;
  const issued =
    client.kind === 'application'
      ? await services.tokens.issueForApplication(client.application, { scopes, boundTo, used: client.used })
      : await services.tokens.issueForService(client.account, { boundTo });
  if (client.kind === 'application' && client.used) await services.recordUse(client.application, client.used);
  return {
    status: 200,
    headers: { ...NO_STORE, ...(proof ? { 'dpop-nonce': services.nonces.current() } : {}) },
    jsonBody: {
      access_token: issued.token,
      token_type: proof ? 'DPoP' : 'Bearer',
      expires_in: issued.expiresInSeconds,
      scope: scopes.join(' '),
      created_at: issued.issuedAtSeconds,
    },
  };
}

/** RFC 9449 §5.2: an application may have chosen to get no tokens but bound ones. */
function requireBinding(client: Client, proof: DpopProof | undefined): void {
  if (client.kind !== 'application' || proof || !clientSettingsOf(client.application).dpopBoundAccessTokens) return;
  throw oauthError(
    'invalid_dpop_proof',
    'This application gets only tokens that are bound to a key: send a DPoP proof.',
  );
}

/** URLs are logged, so a secret in one is refused before it is looked at. */
function refuseCredentialsInQuery(request: HttpRequest): void {
  const query = new URL(request.url).searchParams;
  const found = ['client_id', 'client_secret', 'grant_type', 'token'].find((name) => query.has(name));
  if (found !== undefined) {
    throw oauthError('invalid_request', `${found} is refused in the query: send it in the body.`);
  }
}

function unsupportedGrant(grantType: string) {
  // The documentation of existing clients calls it so in one place, while its example is right.
  const hint = grantType === 'user_credentials' ? ' Did you mean client_credentials?' : '';
  return oauthError(
    'unsupported_grant_type',
    `This grant_type is not served; served: ${GRANT_TYPES.join(', ')}.${hint}`,
  );
}

/** RFC 8707: the only resource is this service. */
function requireOwnResource(form: URLSearchParams, issuer: string): void {
  const resource = parameter(form, 'resource');
  if (resource !== undefined && resource.replace(/\/$/, '') !== issuer) {
    throw oauthError('invalid_target', `The only resource is ${issuer}.`);
  }
}

function grantedScopes(client: Client, requested: string | undefined): ApplicationScope[] {
  const allowed: readonly ApplicationScope[] = client.kind === 'application' ? client.application.scopes : ['app'];
  if (requested === undefined) return defaultScopes(allowed);
  const words = [...new Set(requested.split(' ').filter((word) => word !== ''))];
  if (words.length === 0) return defaultScopes(allowed);
  return words.map((word) => {
    if (!SCOPE_TOKEN.test(word)) throw oauthError('invalid_scope', 'A scope holds a character that no scope may hold.');
    if (word === 'me') throw oauthError('invalid_scope', 'me is for tokens of users; use app.');
    if (!isApplicationScope(word)) {
      throw oauthError('invalid_scope', `A scope is unknown; known: ${APPLICATION_SCOPES.join(', ')}.`);
    }
    if (!allowed.includes(word)) throw oauthError('invalid_scope', `This client has no right to the scope ${word}.`);
    return word;
  });
}

function defaultScopes(allowed: readonly ApplicationScope[]): ApplicationScope[] {
  return allowed.includes('app') ? ['app'] : allowed.slice(0, 1);
}
