/** The token endpoint (RFC 6749 §3.2): one service behind `/connect/token` and `/oauth/token`. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { clientSettingsOf } from '../applications/client-settings.ts';
import type { RecordUse } from '../applications/record-use.ts';
import { Problem } from '../http/problem.ts';
import { count, record } from '../observability.ts';
import {
  authenticateClient,
  recentClient,
  type Client,
  type ClientAuthenticationServices,
} from './client-authentication.ts';
import { proofAtTokenEndpoint, type DpopProof, type DpopServices } from './dpop-proof.ts';
import type { EnabledGrants } from './enabled-grants.ts';
import { refuseRepeated, requiredParameter } from './form-parameters.ts';
import { grantOf, type Granted, type GrantServices } from './grants.ts';
import { NO_STORE, oauthError } from './oauth-error.ts';
import { wantsOtherResource } from './resource-indicator.ts';

/** What issuing needs. */
export interface TokenServices extends ClientAuthenticationServices, DpopServices, GrantServices {
  recordUse: RecordUse;
  enabledGrants: EnabledGrants;
}

/** A token request: its form, read. */
export interface TokenRequest {
  body: URLSearchParams;
  request: HttpRequest;
  requestId: string;
}

/** Serves a token request. @throws Problem with an OAuth error code */
export async function issueToken(services: TokenServices, call: TokenRequest): Promise<HttpResponseInit> {
  const startedMs = performance.now();
  try {
    const { grantType, granted, bound } = await issue(services, call);
    count('sluice.token.issued', 1, { grant: grantType });
    return answer(granted, bound ? services.nonces.current() : undefined);
  } catch (error) {
    if (error instanceof Problem) count('sluice.token.rejected', 1, { error: error.kind });
    throw error;
  } finally {
    record('sluice.token.duration', performance.now() - startedMs);
  }
}

interface Issued {
  grantType: string;
  granted: Granted;
  bound: boolean;
}

async function issue(services: TokenServices, call: TokenRequest): Promise<Issued> {
  const { body: form, request, requestId } = call;
  refuseCredentialsInQuery(request);
  refuseRepeated(form);
  const grantType = requiredParameter(form, 'grant_type');
  // Before anything is used up: whoever is told to use a nonce sends the same request again.
  const proof = await proofAtTokenEndpoint(services, request);
  // Nothing is used up by this grant without a proof, so what a recent document refuses may be asked again.
  const recent = grantType === 'client_credentials' && !proof ? recentClient(services, request, form) : undefined;
  const granted = recent && (await unlessRefused(grant(services, call, recent, grantType, undefined)));
  if (granted) return granted;
  const client = await authenticateClient(services, request, form, requestId);
  return grant(services, call, client, grantType, proof);
}

/** Undefined for a request that is refused. */
async function unlessRefused(granting: Promise<Issued>): Promise<Issued | undefined> {
  try {
    return await granting;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** Serves a client that is known. @throws Problem with an OAuth error code */
async function grant(
  services: TokenServices,
  { body: form, request, requestId }: TokenRequest,
  client: Client,
  grantType: string,
  proof: DpopProof | undefined,
): Promise<Issued> {
  requireBinding(client, proof);
  if (client.kind === 'application' && (await services.tenants.disabled(client.application.tenantId))) {
    throw oauthError('invalid_client', 'The client credentials are not valid.');
  }
  const give = grantOf(grantType);
  if (!give) throw unsupportedGrant(grantType, await services.enabledGrants());
  requireOwnResource(form, services.issuer);
  await proof?.spend();
  const boundTo = proof?.thumbprint;
  const granted = await give(services, { client, form, headers: request.headers, requestId, boundTo });
  if (client.kind === 'application' && client.used) await services.recordUse(client.application, client.used);
  return { grantType, granted, bound: proof !== undefined };
}

/** RFC 9449 §5.2: an application may have chosen to get no tokens but bound ones. */
function requireBinding(client: Client, proof: DpopProof | undefined): void {
  if (client.kind !== 'application' || proof || !clientSettingsOf(client.application).dpopBoundAccessTokens) return;
  throw oauthError(
    'invalid_dpop_proof',
    'This application gets only tokens that are bound to a key: send a DPoP proof.',
  );
}

/** RFC 6749 §5.1, with the time of issue that clients of older servers read. */
function answer({ issued, scopes, refreshToken, idToken }: Granted, nonce: string | undefined): HttpResponseInit {
  return {
    status: 200,
    headers: { ...NO_STORE, ...(nonce === undefined ? {} : { 'dpop-nonce': nonce }) },
    jsonBody: {
      access_token: issued.token,
      token_type: nonce === undefined ? 'Bearer' : 'DPoP',
      expires_in: issued.expiresInSeconds,
      refresh_token: refreshToken,
      id_token: idToken,
      scope: scopes.join(' '),
      created_at: issued.issuedAtSeconds,
    },
  };
}

/** URLs are logged, so a secret in one is refused before it is looked at. */
function refuseCredentialsInQuery(request: HttpRequest): void {
  // Hardly any has a query, and taking a URL apart is dear.
  if (!request.url.includes('?')) return;
  const query = new URL(request.url).searchParams;
  const found = CREDENTIALS.find((name) => query.has(name));
  if (found !== undefined) {
    throw oauthError('invalid_request', `${found} is refused in the query: send it in the body.`);
  }
}

const CREDENTIALS = [
  'client_id',
  'client_secret',
  'grant_type',
  'token',
  'code',
  'code_verifier',
  'refresh_token',
  'username',
  'password',
  'external_authentication_token',
];

function unsupportedGrant(grantType: string, served: readonly string[]) {
  // The documentation of existing clients calls it so in one place, while its example is right.
  const hint = grantType === 'user_credentials' ? ' Did you mean client_credentials?' : '';
  return oauthError('unsupported_grant_type', `This grant_type is not served; served: ${served.join(', ')}.${hint}`);
}

/** RFC 8707: the only resource is this service. */
function requireOwnResource(form: URLSearchParams, issuer: string): void {
  if (wantsOtherResource(form, issuer)) throw oauthError('invalid_target', `The only resource is ${issuer}.`);
}
