/**
 * Reads an authorization request (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1). Until client and redirect
 * URI are known to belong together, a fault is shown to the person; after that it is sent back to the application.
 */
import type { Application } from '../applications/applications.ts';
import type { ApplicationsRepository } from '../applications/applications-repository.ts';
import { isClientId } from '../applications/client-credentials.ts';
import { clientSettingsOf, isRegistered } from '../applications/client-settings.ts';
import { Problem } from '../http/problem.ts';
import { tenantId as tenantIdOf, type ClientId, type TenantId } from '../identity/ids.ts';
import { USER_SCOPES, type UserScope } from '../identity/principal.ts';
import { isUserScope } from './access-token.ts';
import { isChallenge } from './authorization-code.ts';
import { CONSOLE_CLIENT_ID, consoleRedirectUris } from './console-client.ts';
import { parameter, refuseRepeated } from './form-parameters.ts';
import { wantsOtherResource } from './resource-indicator.ts';

/** Characters of a state or a nonce. */
const OPAQUE_CHARS_MAX = 2048;

/** The client that asks. */
export interface AuthorizingClient {
  clientId: ClientId;
  name: string;
  /** Absent for our own console, which is trusted and asks for no consent. */
  application?: Application;
  /** The tenant whose people it signs in; absent for our own console, whose people say it themselves. */
  tenantId?: TenantId;
}

/** A request whose answer may be sent to its redirect URI. */
export interface AuthorizationRequest {
  client: AuthorizingClient;
  redirectUri: string;
  /** Whether the request named it: then the token request must repeat it. */
  redirectUriNamed: boolean;
  state: string | undefined;
  scopes: UserScope[];
  challenge: string;
  nonce: string | undefined;
  /** The thumbprint of the key that only may redeem the code (RFC 9449 §10). */
  boundTo: string | undefined;
  prompt: ReadonlySet<string>;
  maxAgeSeconds: number | undefined;
  loginHint: string | undefined;
  tenantHint: TenantId | undefined;
}

/** A fault that is told to the application (RFC 6749 §4.1.2.1). */
export class AuthorizationError extends Error {
  override name = 'AuthorizationError';
  readonly code: string;
  readonly target: RedirectTarget;

  constructor(code: string, description: string, target: RedirectTarget) {
    super(description);
    this.code = code;
    this.target = target;
  }
}

/** Where an answer is sent. */
export interface RedirectTarget {
  redirectUri: string;
  state: string | undefined;
}

interface RequestServices {
  applications: Pick<ApplicationsRepository, 'byClientId'>;
  issuer: string;
  now: () => number;
}

/**
 * Finds the client and where its answers go.
 * @throws Problem 400 when either is not known: then nothing may be sent anywhere (§10.15, open redirectors)
 */
export async function readTarget(
  services: RequestServices,
  form: URLSearchParams,
): Promise<{ client: AuthorizingClient; redirectUri: string; redirectUriNamed: boolean; state: string | undefined }> {
  refuseRepeated(form);
  const client = await findClient(services, parameter(form, 'client_id'));
  const registered = client.application
    ? clientSettingsOf(client.application).redirectUris
    : consoleRedirectUris(services.issuer);
  const named = parameter(form, 'redirect_uri');
  if (registered.length === 0) throw refused('This application may not sign people in: it has no redirect URI.');
  if (named === undefined && registered.length > 1)
    throw refused('redirect_uri is missing, and several are registered.');
  if (named !== undefined && !isRegistered(registered, named)) {
    throw refused('redirect_uri is not registered for this application.');
  }
  const redirectUri = named ?? registered[0] ?? '';
  return { client, redirectUri, redirectUriNamed: named !== undefined, state: parameter(form, 'state') };
}

/** Reads the whole request. @throws Problem 400, AuthorizationError */
export async function readAuthorizationRequest(
  services: RequestServices,
  form: URLSearchParams,
): Promise<AuthorizationRequest> {
  const { client, redirectUri, redirectUriNamed, state } = await readTarget(services, form);
  const fail = (code: string, description: string): never => {
    throw new AuthorizationError(code, description, { redirectUri, state });
  };
  if ((state?.length ?? 0) > OPAQUE_CHARS_MAX)
    fail('invalid_request', `state is longer than ${OPAQUE_CHARS_MAX} characters.`);
  if (form.has('request')) fail('request_not_supported', 'Request objects are not supported.');
  if (form.has('request_uri')) fail('request_uri_not_supported', 'Request objects are not supported.');
  const responseType = parameter(form, 'response_type');
  if (responseType === undefined) fail('invalid_request', 'response_type is missing.');
  if (responseType !== 'code') fail('unsupported_response_type', 'response_type must be code.');
  const mode = parameter(form, 'response_mode');
  if (mode !== undefined && mode !== 'query') fail('invalid_request', 'response_mode must be query.');
  if (wantsOtherResource(form, services.issuer)) {
    fail('invalid_target', `The only resource is ${services.issuer}.`);
  }
  const challenge =
    parameter(form, 'code_challenge') ?? fail('invalid_request', 'code_challenge is missing: use PKCE.');
  if (parameter(form, 'code_challenge_method') !== 'S256') {
    fail('invalid_request', 'code_challenge_method must be S256.');
  }
  if (!isChallenge(challenge)) fail('invalid_request', 'code_challenge is not SHA-256 in base64url.');
  const words = [...new Set((parameter(form, 'scope') ?? 'me').split(' ').filter((word) => word !== ''))];
  const scopes = words.filter((word) => isUserScope(word));
  if (scopes.length < words.length) {
    fail('invalid_scope', `Scopes of people are ${USER_SCOPES.join(', ')}; app and basic are for applications.`);
  }
  const prompt = new Set((parameter(form, 'prompt') ?? '').split(' ').filter((word) => word !== ''));
  if (prompt.has('none') && prompt.size > 1) fail('invalid_request', 'prompt=none stands alone.');
  const maxAge = parameter(form, 'max_age');
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) fail('invalid_request', 'max_age must be seconds.');
  const nonce = parameter(form, 'nonce');
  if ((nonce?.length ?? 0) > OPAQUE_CHARS_MAX)
    fail('invalid_request', `nonce is longer than ${OPAQUE_CHARS_MAX} characters.`);
  const boundTo = parameter(form, 'dpop_jkt');
  if (boundTo !== undefined && !isChallenge(boundTo)) fail('invalid_request', 'dpop_jkt is not a SHA-256 thumbprint.');
  const tenant = tenantIdOf.safeParse(parameter(form, 'tenant'));
  return {
    client,
    redirectUri,
    redirectUriNamed,
    state,
    scopes,
    challenge,
    nonce,
    boundTo,
    prompt,
    maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
    loginHint: parameter(form, 'login_hint')?.slice(0, 128),
    tenantHint: tenant.success ? tenant.data : undefined,
  };
}

async function findClient(
  { applications, now }: RequestServices,
  clientId: string | undefined,
): Promise<AuthorizingClient> {
  if (clientId === undefined) throw refused('client_id is missing.');
  if (clientId === CONSOLE_CLIENT_ID) return { clientId: CONSOLE_CLIENT_ID, name: 'Sluice' };
  const application = isClientId(clientId) ? await applications.byClientId(clientId) : undefined;
  if (!application) throw refused('There is no application with this client_id.');
  if (!application.enabled || Date.parse(application.expiresAt) <= now()) {
    throw refused('This application is disabled or has expired: ask its administrator.');
  }
  return { clientId: application.id, name: application.name, application, tenantId: application.tenantId };
}

function refused(detail: string): Problem {
  return new Problem('invalid_request', 400, detail);
}
