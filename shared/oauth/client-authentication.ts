/**
 * Who asks for a token: `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1), exactly one of them; a public
 * client only says its id (`none`).
 * An unknown client, a wrong secret, a disabled, deleted or expired application all answer the same bytes; the audit
 * gets the true reason.
 */
import type { HttpRequest } from '@azure/functions';
import { liveSecrets, type Application, type StoredSecret } from '../applications/applications.ts';
import type { ApplicationsRepository } from '../applications/applications-repository.ts';
import { isClientId, isClientSecret, type SecretHasher } from '../applications/client-credentials.ts';
import { callerAddress, NO_TENANT, type Audit } from '../identity/audit.ts';
import type { FindServiceAccount, ServiceAccount } from '../identity/service-principals.ts';
import type { Stored } from '../store/store.ts';
import type { FailureThrottle } from './failure-throttle.ts';
import { parameter } from './form-parameters.ts';
import { oauthError } from './oauth-error.ts';

/** A client that proved its secret, or a public one, which has none. */
export type Client =
  | {
      kind: 'application';
      application: Stored<Application>;
      /** `none` proves nothing: such a client may only do what its own user, or its own token, lets it. */
      method: 'basic' | 'post' | 'none';
      secret: StoredSecret | undefined;
    }
  | { kind: 'service'; account: ServiceAccount };

/** What authentication needs. */
export interface ClientAuthenticationServices {
  applications: ApplicationsRepository;
  findServiceAccount: FindServiceAccount;
  hasher: SecretHasher;
  throttle: FailureThrottle;
  audit: Audit;
  now: () => number;
}

type Credentials =
  | { method: 'basic' | 'post'; clientId: string; clientSecret: string }
  | { method: 'none'; clientId: string; clientSecret?: undefined };

type Outcome = Client | { kind: 'refused'; reason: string; tenantId: string };

/**
 * Authenticates the client of a request to a token, revocation or introspection endpoint.
 * @throws Problem invalid_client 401 (with a Basic challenge only when Basic was used: some clients hide the error
 *   behind a challenge), 429 after many failures, invalid_request for two methods at once
 */
export async function authenticateClient(
  services: ClientAuthenticationServices,
  request: HttpRequest,
  form: URLSearchParams,
  requestId: string,
): Promise<Client> {
  const credentials = readCredentials(request, form);
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
  const headers: Record<string, string> =
    credentials.method === 'basic' ? { 'www-authenticate': 'Basic realm="sluice", charset="UTF-8"' } : {};
  if (verdict.throttled) {
    throw oauthError('invalid_client', 'Too many failed attempts: wait, then send the right credentials.', {
      status: 429,
      headers: { ...headers, 'retry-after': String(verdict.retryAfterSeconds) },
    });
  }
  throw oauthError('invalid_client', 'The client credentials are not valid.', { headers });
}

function readCredentials(request: HttpRequest, form: URLSearchParams): Credentials {
  const header = request.headers.get('authorization');
  const bodyId = parameter(form, 'client_id');
  const bodySecret = parameter(form, 'client_secret');
  if (header === null) {
    if (bodyId === undefined) {
      throw oauthError('invalid_client', 'Client credentials are missing: send client_id and client_secret, or Basic.');
    }
    return bodySecret === undefined
      ? { method: 'none', clientId: bodyId }
      : { method: 'post', clientId: bodyId, clientSecret: bodySecret };
  }
  const basic = decodeBasic(header);
  if (bodySecret !== undefined) {
    throw oauthError('invalid_request', 'Use one way to authenticate: Basic, or client_secret in the body.');
  }
  if (bodyId !== undefined && bodyId !== basic.clientId) {
    throw oauthError('invalid_request', 'client_id in the body is not the one in the Authorization header.');
  }
  return basic;
}

/** RFC 7617 with RFC 6749 §2.3.1: both halves are form-encoded inside. Ours need no encoding, so plain senders work too. */
function decodeBasic(header: string): Credentials {
  const challenge = { headers: { 'www-authenticate': 'Basic realm="sluice", charset="UTF-8"' } };
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header.trim());
  if (match?.[1] === undefined) {
    throw oauthError('invalid_client', 'The Authorization header is not Basic with base64.', challenge);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(match[1], 'base64'));
    const colon = text.indexOf(':');
    if (colon < 0) throw new TypeError('no colon');
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '));
    return { method: 'basic', clientId: decode(text.slice(0, colon)), clientSecret: decode(text.slice(colon + 1)) };
  } catch (error) {
    throw oauthError('invalid_client', 'The Basic credentials are not id:secret, form-encoded in UTF-8.', {
      ...challenge,
      cause: error,
    });
  }
}

async function check(services: ClientAuthenticationServices, credentials: Credentials): Promise<Outcome> {
  const { clientId, clientSecret } = credentials;
  const account = services.findServiceAccount(clientId);
  if (account) {
    const right = clientSecret !== undefined && account.verifySecret(clientSecret);
    return right ? { kind: 'service', account } : refused('wrong secret', account.tenantId);
  }
  // The forms are checked before any read: strangers cost nothing but this.
  if (!isClientId(clientId)) return refused('unknown client', NO_TENANT);
  if (clientSecret !== undefined && !isClientSecret(clientSecret)) return refused('malformed secret', NO_TENANT);
  const application = await services.applications.byClientId(clientId);
  if (!application) return refused('unknown client', NO_TENANT);
  const nowMs = services.now();
  const secret = liveSecrets(application, nowMs).find(
    (stored) => clientSecret !== undefined && services.hasher.matches(clientSecret, stored),
  );
  const proven = clientSecret === undefined ? application.clientType === 'public' : secret !== undefined;
  if (!proven) return refused(clientSecret === undefined ? 'no secret' : 'wrong secret', application.tenantId);
  if (!application.enabled) return refused('application disabled', application.tenantId);
  if (Date.parse(application.expiresAt) <= nowMs) return refused('application expired', application.tenantId);
  return { kind: 'application', application, method: credentials.method, secret };
}

function refused(reason: string, tenantId: string): Outcome {
  return { kind: 'refused', reason, tenantId };
}
