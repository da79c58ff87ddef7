/**
 * Whether the client of a request is who it says: by its secret, by an assertion under one of its keys, or, for a public
 * client, not at all. An unknown client, a wrong secret, a disabled, deleted or expired application all answer the same
 * bytes; the audit gets the true reason.
 */
import type { HttpRequest } from '@azure/functions';
import { liveSecrets, type Application } from '../applications/applications.ts';
import type { ApplicationsRepository } from '../applications/applications-repository.ts';
import { isClientId, isClientSecret, type SecretHasher } from '../applications/client-credentials.ts';
import { clientSettingsOf, hasSecret } from '../applications/client-settings.ts';
import type { UsedCredential } from '../applications/record-use.ts';
import type { ClientId } from '../identity/ids.ts';
import { callerAddress, NO_TENANT, type Audit } from '../identity/audit.ts';
import type { FindServiceAccount, ServiceAccount } from '../identity/service-principals.ts';
import type { Stored } from '../store/store.ts';
import { checkAssertion, type AssertionServices } from './client-assertion.ts';
import { CONSOLE_CLIENT_ID } from './console-client.ts';
import type { FailureThrottle } from './failure-throttle.ts';
import { oauthError } from './oauth-error.ts';
import { challengeFor, readClientCredentials, type ClaimedCredentials } from './read-client-credentials.ts';

/** A client that proved who it is, or a public one, which cannot. */
export type Client =
  | {
      kind: 'application';
      application: Stored<Application>;
      /** `none` proves nothing: such a client may only do what its own user, or its own token, lets it. */
      method: ClaimedCredentials['method'];
      /** What it proved itself by. */
      used: UsedCredential | undefined;
    }
  | { kind: 'service'; account: ServiceAccount }
  /** Our own console: public, and built in. */
  | { kind: 'console'; clientId: ClientId };

/** What authentication needs. */
export interface ClientAuthenticationServices extends AssertionServices {
  applications: ApplicationsRepository;
  findServiceAccount: FindServiceAccount;
  hasher: SecretHasher;
  throttle: FailureThrottle;
  audit: Audit;
}

type Outcome = Client | Refusal;

interface Refusal {
  kind: 'refused';
  reason: string;
  tenantId: string;
}

/**
 * Authenticates the client of a request to a token, revocation or introspection endpoint.
 * @throws Problem invalid_client 401, 429 after many failures, invalid_request for two methods at once
 */
export async function authenticateClient(
  services: ClientAuthenticationServices,
  request: HttpRequest,
  form: URLSearchParams,
  requestId: string,
): Promise<Client> {
  refusePlainTransport(services.issuer, request);
  const credentials = readClientCredentials(request, form);
  const outcome = await check(services, credentials);
  if (outcome.kind !== 'refused') return outcome;
  const ip = callerAddress(request.headers);
  const verdict = services.throttle.fail(credentials.clientId, ip);
  if (!verdict.throttled || verdict.first) {
    await services.audit({
      tenantId: outcome.tenantId,
      actor: `client:…${credentials.clientId.slice(-4).replaceAll(/[^\w]/g, '?')}`,
      action: verdict.throttled ? 'client-authentication-throttled' : 'client-authentication-failed',
      target: 'token',
      reason: outcome.reason,
      requestId,
      ip,
    });
  }
  const headers = challengeFor(credentials);
  if (verdict.throttled) {
    throw oauthError('invalid_client', 'Too many failed attempts: wait, then send the right credentials.', {
      status: 429,
      headers: { ...headers, 'retry-after': String(verdict.retryAfterSeconds) },
    });
  }
  throw oauthError('invalid_client', 'The client credentials are not valid.', { headers });
}

/**
 * The application of a request that brings a secret, if a document read a moment ago is enough to let it in; it costs no
 * read. Undefined says nothing: ask `authenticateClient`, which refuses by the document as it is now.
 */
export function recentClient(
  services: Pick<ClientAuthenticationServices, 'issuer' | 'applications' | 'hasher' | 'now'>,
  request: HttpRequest,
  form: URLSearchParams,
): Client | undefined {
  refusePlainTransport(services.issuer, request);
  const credentials = readClientCredentials(request, form);
  if (!('clientSecret' in credentials) || !isClientSecret(credentials.clientSecret)) return undefined;
  const application = services.applications.recentByClientId(credentials.clientId);
  if (application === undefined || whyClosed(services, application) !== undefined) return undefined;
  const used = proveBySecret(services, credentials.clientSecret, application);
  if ('refused' in used) return undefined;
  return { kind: 'application', application, method: credentials.method, used };
}

/**
 * Credentials that came unencrypted are refused even when they are right, and never redirected: a client that follows the
 * redirect would have sent them in the clear every time without noticing.
 */
function refusePlainTransport(issuer: string, request: HttpRequest): void {
  // The last hop is what the platform itself wrote.
  const hop = request.headers.get('x-forwarded-proto')?.split(',').at(-1)?.trim().toLowerCase();
  if (!issuer.startsWith('https:') || hop !== 'http') return;
  const detail = 'Credentials are taken over HTTPS only. These were sent in the clear: send new ones, over HTTPS.';
  throw oauthError('invalid_request', detail);
}

async function check(services: ClientAuthenticationServices, credentials: ClaimedCredentials): Promise<Outcome> {
  const { clientId } = credentials;
  if (clientId === CONSOLE_CLIENT_ID) {
    return credentials.method === 'none'
      ? { kind: 'console', clientId: CONSOLE_CLIENT_ID }
      : refused('secret of a public client', NO_TENANT);
  }
  const account = services.findServiceAccount(clientId);
  if (account) {
    const right = 'clientSecret' in credentials && account.verifySecret(credentials.clientSecret);
    return right ? { kind: 'service', account } : refused('wrong secret', account.tenantId);
  }
  // The forms are checked before any read: strangers cost nothing but this.
  if (!isClientId(clientId)) return refused('unknown client', NO_TENANT);
  if ('clientSecret' in credentials && !isClientSecret(credentials.clientSecret)) {
    return refused('malformed secret', NO_TENANT);
  }
  const application = await services.applications.byClientId(clientId);
  if (!application) return refused('unknown client', NO_TENANT);
  const { tenantId } = application;
  const used = await prove(services, credentials, application);
  if (used !== undefined && 'refused' in used) return refused(used.refused, tenantId);
  const closed = whyClosed(services, application);
  if (closed !== undefined) return refused(closed, tenantId);
  return { kind: 'application', application, method: credentials.method, used };
}

/** What the application proved itself by, or why it did not; undefined for a public one, which proves nothing. */
async function prove(
  services: ClientAuthenticationServices,
  credentials: ClaimedCredentials,
  application: Application,
): Promise<UsedCredential | { refused: string } | undefined> {
  const { clientType, jwks } = clientSettingsOf(application);
  switch (credentials.method) {
    case 'none':
      return clientType === 'public' ? undefined : { refused: 'no secret' };
    case 'private_key_jwt':
      return checkAssertion(services, credentials.assertion, application.id, jwks.keys);
    case 'basic':
    case 'post':
      return proveBySecret(services, credentials.clientSecret, application);
  }
}

function proveBySecret(
  { hasher, now }: Pick<ClientAuthenticationServices, 'hasher' | 'now'>,
  clientSecret: string,
  application: Application,
): UsedCredential | { refused: string } {
  if (!hasSecret(application)) return { refused: 'secret of an application that has none' };
  const secret = liveSecrets(application, now()).find((stored) => hasher.matches(clientSecret, stored));
  return secret ? { secret } : { refused: 'wrong secret' };
}

/** Why an application that proved itself may still not act. */
function whyClosed(
  { now }: Pick<ClientAuthenticationServices, 'now'>,
  { enabled, expiresAt }: Application,
): string | undefined {
  if (!enabled) return 'application disabled';
  return Date.parse(expiresAt) <= now() ? 'application expired' : undefined;
}

function refused(reason: string, tenantId: string): Refusal {
  return { kind: 'refused', reason, tenantId };
}
