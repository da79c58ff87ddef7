/**
 * The grants of the token endpoint. Each takes a client that is known, and for confidential ones proven, and gives a
 * token, or throws the OAuth error that refuses it.
 */
import type { Application } from '../applications/applications.ts';
import { clientSettingsOf } from '../applications/client-settings.ts';
import type { ClientId, TenantId } from '../identity/ids.ts';
import type { User } from '../identity/users.ts';
import {
  isApplicationScope,
  isUserScope,
  type AccessTokens,
  type IssuedToken,
  type UserTerms,
} from './access-token.ts';
import type { AuthorizationCodes } from './authorization-code.ts';
import type { Client } from './client-authentication.ts';
import { parameter, requiredParameter } from './form-parameters.ts';
import type { GrantFamilies, GrantFamily, NewFamily } from './grant-family.ts';
import { applicationScopes, givesRefreshToken, narrowedScopes, userScopes } from './granted-scopes.ts';
import { issueIdToken } from './id-token.ts';
import type { KeyRing } from './key-ring.ts';
import { oauthError } from './oauth-error.ts';
import { signInByExternalToken, signInByPassword, type SignInOutcome, type SignInServices } from './sign-in.ts';
import type { UserStanding } from '../identity/user-standing.ts';

/** What grants need. */
export interface GrantServices extends SignInServices {
  tokens: AccessTokens;
  keys: KeyRing;
  codes: AuthorizationCodes;
  families: GrantFamilies;
  userStanding: UserStanding;
  issuer: string;
}

/** A token request whose client is known. */
interface GrantRequest {
  client: Client;
  form: URLSearchParams;
  headers: Headers;
  requestId: string;
  /** The thumbprint of the key that the token is bound to (RFC 9449). */
  boundTo: string | undefined;
}

/** What a grant gives. */
export interface Granted {
  issued: IssuedToken;
  scopes: readonly string[];
  refreshToken?: string | undefined;
  idToken?: string | undefined;
}

type Grant = (services: GrantServices, request: GrantRequest) => Promise<Granted>;

const GRANTS = {
  client_credentials: clientCredentials,
  authorization_code: authorizationCode,
  refresh_token: refreshToken,
  password,
} satisfies Record<string, Grant>;

/** Grants that are served. `password` only for applications that an administrator opted in. */
export type GrantType = keyof typeof GRANTS;

/** The grant of a name. */
export function grantOf(name: string): Grant | undefined {
  return Object.hasOwn(GRANTS, name) ? GRANTS[name as GrantType] : undefined;
}

/** A token of the application itself (RFC 6749 §4.4). */
async function clientCredentials(services: GrantServices, { client, form, boundTo }: GrantRequest): Promise<Granted> {
  if (client.kind === 'console' || (client.kind === 'application' && client.method === 'none')) {
    throw oauthError('unauthorized_client', 'A public client cannot use client_credentials: it has no secret.');
  }
  const scopes = applicationScopes(client, parameter(form, 'scope'));
  if (client.kind === 'service')
    return { issued: await services.tokens.issueForService(client.account, { boundTo }), scopes };
  const { application, used } = client;
  // §4.4.3 wants none, but clients of older servers expect one, so an application can ask for it.
  const opened = givesRefreshToken(client, 'application')
    ? await openFamily(services, {
        tenantId: application.tenantId,
        clientId: application.id,
        scopes,
        authenticatedAtMs: services.now(),
      })
    : undefined;
  const issued = await services.tokens.issueForApplication(application, {
    scopes,
    boundTo,
    used,
    familyId: opened?.family.familyId,
  });
  return { issued, scopes, refreshToken: opened?.refreshToken };
}

/** A code that a person's browser brought (§4.1.3, RFC 7636). */
async function authorizationCode(services: GrantServices, request: GrantRequest): Promise<Granted> {
  const { client, form, requestId, boundTo } = request;
  const { clientId, application } = userClient(client);
  if (application && clientSettingsOf(application).redirectUris.length === 0) {
    throw oauthError('unauthorized_client', 'This application may not sign people in: it has no redirect URI.');
  }
  const redeemed = await services.codes.redeem(requiredParameter(form, 'code'), {
    clientId,
    redirectUri: parameter(form, 'redirect_uri'),
    verifier: parameter(form, 'code_verifier'),
    boundTo,
  });
  if (redeemed.kind === 'reused') {
    await services.families.end(redeemed.familyId);
    await services.audit({
      tenantId: redeemed.tenantId,
      actor: actorOf(client),
      action: 'authorization-code-reused',
      target: `family:${redeemed.familyId}`,
      requestId,
    });
  }
  // One answer for all: it must not tell a thief which part was right.
  if (redeemed.kind !== 'granted')
    throw invalidGrant('The code is not valid, was used, or was made for another request.');
  const { grant, familyId } = redeemed;
  const user = await services.userStanding.userOf(grant.tenantId, grant.userId, grant.userEpoch);
  if (!user) throw invalidGrant('The person who allowed this may not sign in any more.');
  return grantToUser(services, request, {
    user,
    clientId,
    application,
    scopes: grant.scopes,
    familyId,
    authenticatedAtMs: grant.authenticatedAtMs,
    nonce: grant.nonce,
  });
}

/** A refresh token, which is traded for the next one (§6, RFC 9700 §4.14.2). */
async function refreshToken(services: GrantServices, request: GrantRequest): Promise<Granted> {
  const { client, form, requestId, boundTo } = request;
  if (client.kind === 'service') throw oauthError('unauthorized_client', 'This client has no refresh tokens.');
  const clientId = client.kind === 'console' ? client.clientId : client.application.id;
  const requested = parameter(form, 'scope');
  let scopes: string[] = [];
  const redeemed = await services.families.redeem(requiredParameter(form, 'refresh_token'), (family) => {
    if (family.clientId !== clientId) throw invalidRefreshToken();
    // RFC 9449 §5: of a client without a secret, the key is all there is to tell it from a thief.
    if (family.boundTo !== undefined && family.boundTo !== boundTo) throw invalidRefreshToken();
    scopes = narrowedScopes(family.scopes, requested);
  });
  if (redeemed.kind === 'reused') {
    const { tenantId, familyId } = redeemed.family;
    await services.audit({
      tenantId,
      actor: actorOf(client),
      action: 'refresh-token-reused',
      target: `family:${familyId}`,
      requestId,
    });
  }
  if (redeemed.kind !== 'rotated') throw invalidRefreshToken();
  const { family, refreshToken: next } = redeemed;
  if (family.userId === undefined) {
    if (client.kind !== 'application') throw invalidRefreshToken();
    const held = scopes
      .filter((scope) => isApplicationScope(scope))
      .filter((scope) => client.application.scopes.includes(scope));
    if (held.length === 0) throw invalidGrant('The application has lost the right to these scopes.');
    const issued = await services.tokens.issueForApplication(client.application, {
      scopes: held,
      boundTo,
      used: client.used,
      familyId: family.familyId,
    });
    return { issued, scopes: held, refreshToken: next };
  }
  const user = await services.userStanding.userOf(family.tenantId, family.userId, family.userEpoch);
  if (!user) {
    await services.families.end(family.familyId);
    throw invalidRefreshToken();
  }
  return tokenForUser(
    services,
    request,
    {
      user,
      clientId: family.clientId,
      application: client.kind === 'application' ? client.application : undefined,
      scopes: scopes.filter((scope) => isUserScope(scope)),
      familyId: family.familyId,
      authenticatedAtMs: family.authenticatedAtMs,
    },
    next,
  );
}

/** A login with password, or an external authentication token, that the application was told (§4.3). */
async function password(services: GrantServices, request: GrantRequest): Promise<Granted> {
  const { client, form, headers, requestId } = request;
  const { clientId, application } = userClient(client);
  const { userAuthentication } = application ? clientSettingsOf(application) : { userAuthentication: 'none' as const };
  if (!application || userAuthentication === 'none') {
    throw oauthError(
      'unauthorized_client',
      'This application may not use the password grant: use the authorization code grant, or ask its administrator.',
    );
  }
  const attempt = { tenantId: application.tenantId, headers, requestId };
  const scopes = userScopes(parameter(form, 'scope'));
  const outcome =
    userAuthentication === 'password'
      ? await signInByPassword(services, attempt, {
          login: requiredParameter(form, 'username'),
          password: requiredParameter(form, 'password'),
        })
      : await signInByExternalToken(services, attempt, requiredParameter(form, 'external_authentication_token'));
  const user = signedIn(outcome);
  return grantToUser(services, request, { user, clientId, application, scopes, authenticatedAtMs: services.now() });
}

/** Everything a user's token is made of. */
interface UserGrantInput {
  user: User;
  clientId: ClientId;
  application: Application | undefined;
  scopes: UserGrantScopes;
  familyId?: string;
  authenticatedAtMs: number;
  nonce?: string | undefined;
}
type UserGrantScopes = UserTerms['scopes'];

async function grantToUser(services: GrantServices, request: GrantRequest, input: UserGrantInput): Promise<Granted> {
  const { client, boundTo } = request;
  const proven = client.kind === 'application' && client.method !== 'none';
  const { user, clientId, scopes, familyId, authenticatedAtMs } = input;
  const { family, refreshToken: first } = await openFamily(services, {
    tenantId: user.tenantId,
    clientId,
    userId: user.id,
    userEpoch: user.epoch,
    scopes: [...scopes],
    authenticatedAtMs,
    ...(familyId === undefined ? {} : { familyId }),
    ...(proven || boundTo === undefined ? {} : { boundTo }),
  });
  const given = client.kind === 'console' || givesRefreshToken(client, 'user') ? first : undefined;
  return tokenForUser(services, request, { ...input, familyId: family.familyId }, given);
}

async function tokenForUser(
  services: GrantServices,
  { client, boundTo }: GrantRequest,
  input: UserGrantInput & { familyId: string },
  given: string | undefined,
): Promise<Granted> {
  const { user, clientId, scopes, authenticatedAtMs, nonce } = input;
  const used = client.kind === 'application' ? client.used : undefined;
  const issued = await services.tokens.issueForUser(user, { ...input, boundTo, used });
  const idToken = scopes.includes('openid')
    ? await issueIdToken(services, { user, clientId, scopes, accessToken: issued.token, authenticatedAtMs, nonce })
    : undefined;
  return { issued, scopes, refreshToken: given, idToken };
}

/** @throws Problem invalid_grant when a second use of the same code ended the family already */
async function openFamily(
  services: GrantServices,
  family: NewFamily,
): Promise<{ family: GrantFamily; refreshToken: string }> {
  const opened = await services.families.open(family);
  if (opened) return opened;
  throw invalidGrant('The code was used twice.');
}

/** The client of a grant in a person's name. */
function userClient(client: Client): { clientId: ClientId; application: Application | undefined; tenantId?: TenantId } {
  switch (client.kind) {
    case 'service':
      throw oauthError(
        'unauthorized_client',
        'A service principal acts for nobody but itself: use client_credentials.',
      );
    case 'console':
      return { clientId: client.clientId, application: undefined };
    case 'application':
      return { clientId: client.application.id, application: client.application };
  }
}

/** @throws Problem invalid_grant, 429 after many failures */
function signedIn(outcome: SignInOutcome): User {
  switch (outcome.kind) {
    case 'signed-in':
      return outcome.user;
    case 'refused':
      throw invalidGrant('The credentials of the user are not right.');
    case 'throttled':
      throw oauthError('invalid_grant', 'Too many failed attempts: wait, then send the right credentials.', {
        status: 429,
        headers: { 'retry-after': String(outcome.retryAfterSeconds) },
      });
  }
}

function actorOf(client: Client): string {
  return client.kind === 'application' ? `application:${client.application.applicationId}` : client.kind;
}

function invalidGrant(description: string) {
  return oauthError('invalid_grant', description);
}

function invalidRefreshToken() {
  return invalidGrant('The refresh token is not valid, was used before, or belongs to another client.');
}
