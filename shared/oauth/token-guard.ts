/**
 * Lets holders of our access tokens in: signature, issuer, audience, type and time by the token, everything else by the
 * application's document as it was at most 2 s ago.
 */
import type { HttpRequest } from '@azure/functions';
import type { Policies } from '../applications/application-policy.ts';
import { accessTokenOf, insufficientScope, invalidToken, type TokenScheme } from '../http/bearer.ts';
import type { Guard } from '../http/guard.ts';
import { Problem } from '../http/problem.ts';
import { tenantId, type ClientId, type TenantId } from '../identity/ids.ts';
import type { ApplicationPrincipal, ApplicationScope, Principal, ServicePrincipal } from '../identity/principal.ts';
import { permits, type Permission } from '../identity/roles.ts';
import type { RevokedTokens } from '../identity/revoked-tokens.ts';
import type { FindServiceAccount } from '../identity/service-principals.ts';
import { keyIdOf, type AccessTokenClaims, type AccessTokens } from './access-token.ts';
import { proofWithToken, type DpopServices } from './dpop-proof.ts';

/** The header by which a platform administrator says for which tenant it acts. */
const TENANT_HEADER = 'sluice-tenant';

/** What the guard needs. */
export interface TokenGuardServices extends DpopServices {
  tokens: AccessTokens;
  policies: Policies;
  findServiceAccount: FindServiceAccount;
  revokedTokens: RevokedTokens;
}

/** A token as a request presents it: ours by its signature, and with the proof of its key where it is bound to one. */
interface PresentedToken {
  scheme: TokenScheme;
  token: string;
  claims: AccessTokenClaims;
}

/** The access token of a request. Whether its owner may go on is not asked yet. @throws Problem 401 by RFC 6750 or RFC 9449 */
export async function presentedToken(services: TokenGuardServices, request: HttpRequest): Promise<PresentedToken> {
  const { scheme, token } = accessTokenOf(request);
  const claims = await services.tokens.verify(token);
  if (!claims) throw invalidToken('The access token is not valid here, or has expired: ask for a new one.', scheme);
  if (scheme === 'Bearer') {
    // RFC 9449 §7.2: whoever copied a bound token must not get in by leaving the proof away.
    if (claims.cnf) throw invalidToken('This access token is bound to a key: send it as DPoP, with a proof.', 'DPoP');
    return { scheme, token, claims };
  }
  const proof = await proofWithToken(services, request, token);
  if (claims.cnf?.jkt !== proof.thumbprint) {
    throw invalidToken('This access token is not bound to the key of the DPoP proof.', scheme);
  }
  await proof.spend();
  return { scheme, token, claims };
}

/** The principal behind an access token. @throws Problem 401, 503 when access cannot be checked */
export async function authenticate(services: TokenGuardServices, request: HttpRequest): Promise<Principal> {
  const { claims, token } = await presentedToken(services, request);
  const common = {
    tenantId: claims.tid as TenantId,
    clientId: claims.client_id as ClientId,
    tokenId: claims.jti,
    expiresAtMs: claims.exp * 1000,
  };
  if ('roles' in claims) {
    const account = services.findServiceAccount(common.clientId);
    if (!account) throw invalidToken('The service principal of this access token does not exist any more.');
    if (await services.revokedTokens.has(common.tokenId)) throw invalidToken('The access token was revoked.');
    return { kind: 'service', ...common, roles: account.roles };
  }
  const { ep: epoch, crd: credential } = claims;
  const issuedAtMs = claims.iat * 1000;
  const held = { ...common, scopes: claims.scope, issuedAtMs, epoch, credential, signingKey: keyIdOf(token) };
  const standing = await services.policies.standingOf(held);
  if (!standing.allowed) throw invalidToken(`The access token has ended: the application is ${standing.reason}.`);
  const { applicationId } = standing.application;
  return { kind: 'application', ...held, applicationId, policyVersion: claims.pv };
}

/** Lets service principals in whose roles give the permission, each acting in its tenant. */
export function manageGuard(
  services: () => Promise<TokenGuardServices>,
  permission: Permission,
): Guard<ServicePrincipal> {
  return async (request) => {
    const principal = await authenticate(await services(), request);
    if (principal.kind !== 'service') {
      throw insufficientScope('This needs the token of an administrator; an application may not manage.');
    }
    if (!permits(principal.roles, permission)) {
      throw new Problem('forbidden', 403, `Your roles do not allow this; it needs the permission ${permission}.`);
    }
    return { ...principal, tenantId: actingTenant(request, principal) };
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

function actingTenant(request: HttpRequest, principal: ServicePrincipal): TenantId {
  const named = request.headers.get(TENANT_HEADER);
  if (named === null || named === principal.tenantId) return principal.tenantId;
  if (!principal.roles.includes('platform-admin')) {
    throw new Problem('forbidden', 403, `Only a platform administrator may name another tenant in ${TENANT_HEADER}.`);
  }
  const parsed = tenantId.safeParse(named);
  if (parsed.success) return parsed.data;
  throw new Problem('invalid-tenant', 400, `${TENANT_HEADER}: ${parsed.error.issues[0]?.message ?? 'is not valid'}.`);
}
