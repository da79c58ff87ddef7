/**
 * What a token is worth now: the signature says that it was ours, the documents of its owner say whether it still holds.
 * One place for the guard, introspection (RFC 7662), revocation (RFC 7009) and the token's own holder.
 */
import type { HttpRequest } from '@azure/functions';
import type { Policies } from '../applications/application-policy.ts';
import type { Application } from '../applications/applications.ts';
import { invalidToken, type TokenScheme } from '../http/bearer.ts';
import type { ClientId, TenantId, UserId } from '../identity/ids.ts';
import type { RevokedTokens } from '../identity/revoked-tokens.ts';
import type { FindServiceAccount, ServiceAccount } from '../identity/service-principals.ts';
import type { Tenants } from '../identity/tenants.ts';
import type { UserStanding } from '../identity/user-standing.ts';
import type { User } from '../identity/users.ts';
import type { AccessTokenClaims, AccessTokens } from './access-token.ts';
import { CONSOLE_CLIENT_ID } from './console-client.ts';
import type { DpopServices } from './dpop-proof.ts';
import type { GrantFamilies } from './grant-family.ts';
import { presentedToken } from './presented-token.ts';

/** What looking at a token needs. */
export interface TokenInspectionServices extends DpopServices {
  tokens: AccessTokens;
  policies: Policies;
  findServiceAccount: FindServiceAccount;
  revokedTokens: RevokedTokens;
  families: GrantFamilies;
  userStanding: UserStanding;
  tenants: Tenants;
}

type ClaimsWith<Key extends string> = Extract<AccessTokenClaims, Record<Key, unknown>>;

/** A token that holds now, by its owner. */
export type LiveToken =
  | { kind: 'service'; claims: ClaimsWith<'roles'>; account: ServiceAccount }
  /** Without an application: through our own console. */
  | { kind: 'user'; claims: ClaimsWith<'uep'>; user: User; application: Application | undefined }
  | { kind: 'application'; claims: ClaimsWith<'pv'>; application: Application };

/** A token that does not hold, and the sentence that says why. */
interface EndedToken {
  kind: 'ended';
  reason: string;
}

/** The token with its owner; undefined unless it would be let in now. */
export async function inspectToken(services: TokenInspectionServices, token: string): Promise<LiveToken | undefined> {
  const claims = await services.tokens.verify(token);
  const found = claims && (await examine(services, claims));
  return found === undefined || found.kind === 'ended' ? undefined : found;
}

/**
 * The token that a request itself carries, with the proof of its key where it is bound to one.
 * @throws Problem 401 by RFC 6750 or RFC 9449, 503 when it cannot be found out whether the token holds
 */
export async function inspectPresented(
  services: TokenInspectionServices,
  request: HttpRequest,
): Promise<LiveToken & { scheme: TokenScheme }> {
  const { claims, scheme } = await presentedToken(services, request);
  const found = await examine(services, claims);
  if (found.kind === 'ended') throw invalidToken(found.reason, scheme);
  return { ...found, scheme };
}

/** The owner of a token, or why the token does not hold. */
async function examine(services: TokenInspectionServices, claims: AccessTokenClaims): Promise<LiveToken | EndedToken> {
  if ('roles' in claims) return examineService(services, claims);
  if (await services.tenants.disabled(claims.tid as TenantId)) {
    return ended('The access token has ended: the tenant is disabled.');
  }
  if (claims.sid !== undefined && !(await services.families.holds(claims.sid))) {
    return ended('The access token has ended: its grant was revoked.');
  }
  return 'uep' in claims ? examineUser(services, claims) : examineApplication(services, claims);
}

/** The scopes of a token as one text. */
export function scopeText({ scope }: AccessTokenClaims): string {
  return typeof scope === 'string' ? scope : scope.join(' ');
}

async function examineService(
  services: TokenInspectionServices,
  claims: ClaimsWith<'roles'>,
): Promise<LiveToken | EndedToken> {
  const account = services.findServiceAccount(claims.client_id);
  if (!account) return ended('The service principal of this access token does not exist any more.');
  if (await services.revokedTokens.has(claims.jti)) return ended('The access token was revoked.');
  return { kind: 'service', claims, account };
}

async function examineUser(
  services: TokenInspectionServices,
  claims: ClaimsWith<'uep'>,
): Promise<LiveToken | EndedToken> {
  const user = await services.userStanding.userOf(claims.tid as TenantId, claims.sub as UserId, claims.uep);
  if (!user) return ended('The access token has ended: the user is disabled or deleted, or has to sign in again.');
  if (claims.ep === undefined) {
    return claims.client_id === CONSOLE_CLIENT_ID
      ? { kind: 'user', claims, user, application: undefined }
      : ended('The access token names no application.');
  }
  const standing = await services.policies.standingOf(tokenOf(claims, claims.ep));
  return standing.allowed
    ? { kind: 'user', claims, user, application: standing.application }
    : ended(`The access token has ended: the application is ${standing.reason}.`);
}

async function examineApplication(
  services: TokenInspectionServices,
  claims: ClaimsWith<'pv'>,
): Promise<LiveToken | EndedToken> {
  const standing = await services.policies.standingOf(tokenOf(claims, claims.ep));
  return standing.allowed
    ? { kind: 'application', claims, application: standing.application }
    : ended(`The access token has ended: the application is ${standing.reason}.`);
}

function tokenOf({ tid, client_id, jti, crd }: ClaimsWith<'uep'> | ClaimsWith<'pv'>, epoch: number) {
  return { tenantId: tid as TenantId, clientId: client_id as ClientId, tokenId: jti, epoch, credential: crd };
}

function ended(reason: string): EndedToken {
  return { kind: 'ended', reason };
}
