/**
 * Lets holders of access tokens in: signature, issuer, audience, type and time by the token, everything else by the
 * documents of its owner as they were at most 2 s ago.
 */
import type { HttpRequest } from '@azure/functions';
import { accessTokenOf, insufficientScope, invalidToken } from '../http/bearer.ts';
import type { Guard } from '../http/guard.ts';
import { Problem } from '../http/problem.ts';
import { tenantId, type ClientId, type TenantId } from '../identity/ids.ts';
import type { ExternalUsers } from '../identity/external-users.ts';
import type {
  ApplicationPrincipal,
  ApplicationScope,
  Manager,
  Principal,
  UserPrincipal,
  UserScope,
} from '../identity/principal.ts';
import { permits, type Permission } from '../identity/roles.ts';
import { keyIdOf } from './access-token.ts';
import { inspectPresented, type LiveToken, type TokenInspectionServices } from './inspect-token.ts';

/** The header by which a platform administrator says for which tenant it acts. */
const TENANT_HEADER = 'sluice-tenant';

/** What the guard needs. */
export interface TokenGuardServices extends TokenInspectionServices {
  externalUsers: ExternalUsers;
}

/**
 * The principal behind an access token: one of ours, or one of an OpenID provider that the deployment trusts.
 * @throws Problem 401 by RFC 6750, 403 for a person who is no user here, 503 when access cannot be checked
 */
export async function authenticate(services: TokenGuardServices, request: HttpRequest): Promise<Principal> {
  const { scheme, token } = accessTokenOf(request);
  if (scheme === 'Bearer' && services.externalUsers.isForeign(token)) {
    const outcome = await services.externalUsers.userOf(token, namedTenant(request));
    if (outcome.kind === 'invalid') throw invalidToken(outcome.reason);
    if (outcome.kind === 'unknown') throw new Problem('forbidden', 403, outcome.reason);
    return outcome.principal;
  }
  return principalOf(await inspectPresented(services, request), keyIdOf(token));
}

/** Lets in users and service principals whose roles give the permission, each acting in its tenant. */
export function manageGuard(services: () => Promise<TokenGuardServices>, permission: Permission): Guard<Manager> {
  return async (request) => {
    const principal = await authenticate(await services(), request);
    if (principal.kind === 'application') {
      throw insufficientScope('This needs the token of an administrator; an application may not manage.', 'me');
    }
    if (principal.kind === 'user') requireScope(principal, 'me');
    if (!permits(principal.roles, permission)) {
      throw new Problem('forbidden', 403, `Your roles do not allow this; it needs the permission ${permission}.`);
    }
    return { ...principal, tenantId: actingTenant(request, principal) };
  };
}

/** Lets users in whose token has the scope. */
export function userGuard(services: () => Promise<TokenGuardServices>, scope: UserScope = 'me'): Guard<UserPrincipal> {
  return async (request) => {
    const principal = await authenticate(await services(), request);
    if (principal.kind !== 'user') throw insufficientScope(`This needs the token of a user.`, scope);
    requireScope(principal, scope);
    return principal;
  };
}

/** Lets applications in whose token has the scope. */
export function applicationGuard(
  services: () => Promise<TokenGuardServices>,
  scope: ApplicationScope = 'app',
): Guard<ApplicationPrincipal> {
  return async (request) => {
    const principal = await authenticate(await services(), request);
    if (principal.kind !== 'application' || !principal.scopes.includes(scope)) {
      throw insufficientScope(`This needs the token of an external application with the scope ${scope}.`, scope);
    }
    return principal;
  };
}

function principalOf(live: LiveToken, signingKey: string | undefined): Principal {
  const { claims } = live;
  const common = {
    tenantId: claims.tid as TenantId,
    clientId: claims.client_id as ClientId,
    tokenId: claims.jti,
    expiresAtMs: claims.exp * 1000,
  };
  switch (live.kind) {
    case 'service':
      return { kind: 'service', ...common, roles: live.account.roles };
    case 'user':
      return {
        kind: 'user',
        ...common,
        homeTenantId: common.tenantId,
        userId: live.user.id,
        roles: live.user.roles,
        scopes: live.claims.scope,
      };
    case 'application':
      return {
        kind: 'application',
        ...common,
        scopes: live.claims.scope,
        issuedAtMs: live.claims.iat * 1000,
        epoch: live.claims.ep,
        signingKey,
        credential: live.claims.crd,
        familyId: live.claims.sid,
        applicationId: live.application.applicationId,
        policyVersion: live.claims.pv,
      };
  }
}

function requireScope({ scopes }: UserPrincipal, scope: UserScope): void {
  if (!scopes.includes(scope)) throw insufficientScope(`This needs a user's token with the scope ${scope}.`, scope);
}

function actingTenant(request: HttpRequest, principal: Manager): TenantId {
  const named = namedTenant(request);
  if (named === undefined || named === principal.tenantId) return principal.tenantId;
  if (principal.roles.includes('platform-admin')) return named;
  throw new Problem('forbidden', 403, `Only a platform administrator may name another tenant in ${TENANT_HEADER}.`);
}

function namedTenant(request: HttpRequest): TenantId | undefined {
  const named = request.headers.get(TENANT_HEADER);
  if (named === null) return undefined;
  const parsed = tenantId.safeParse(named);
  if (parsed.success) return parsed.data;
  throw new Problem('invalid-tenant', 400, `${TENANT_HEADER}: ${parsed.error.issues[0]?.message ?? 'is not valid'}.`);
}
