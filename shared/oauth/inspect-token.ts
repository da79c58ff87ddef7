/** What a token is worth now: for introspection (RFC 7662), revocation (RFC 7009) and the token's own holder. */
import type { HttpRequest } from '@azure/functions';
import type { Application } from '../applications/applications.ts';
import { invalidToken, type TokenScheme } from '../http/bearer.ts';
import type { ClientId, TenantId } from '../identity/ids.ts';
import type { AccessTokenClaims } from './access-token.ts';
import { presentedToken, type TokenGuardServices } from './token-guard.ts';

/** A token that holds now. The application is absent for a service principal's. */
export interface LiveToken {
  claims: AccessTokenClaims;
  application?: Application;
}

/**
 * The token that a request itself carries, with the proof of its key where it is bound to one.
 * @throws Problem 401 by RFC 6750 or RFC 9449
 */
export async function inspectPresented(
  services: TokenGuardServices,
  request: HttpRequest,
): Promise<LiveToken & { scheme: TokenScheme }> {
  const { claims, scheme, token } = await presentedToken(services, request);
  const found = await inspectToken(services, token);
  if (!found) throw invalidToken('The access token has ended: ask for a new one.', scheme);
  return { ...found, claims, scheme };
}

/** The token with its claims; undefined unless it would be let in now. */
export async function inspectToken(services: TokenGuardServices, token: string): Promise<LiveToken | undefined> {
  const claims = await services.tokens.verify(token);
  if (!claims) return undefined;
  if ('roles' in claims) {
    const known = services.findServiceAccount(claims.client_id) !== undefined;
    return known && !(await services.revokedTokens.has(claims.jti)) ? { claims } : undefined;
  }
  const standing = await services.policies.standingOf({
    tenantId: claims.tid as TenantId,
    clientId: claims.client_id as ClientId,
    tokenId: claims.jti,
    epoch: claims.ep,
    credential: claims.crd,
  });
  return standing.allowed ? { claims, application: standing.application } : undefined;
}

/** The scopes of a token as one text. */
export function scopeText({ scope }: AccessTokenClaims): string {
  return typeof scope === 'string' ? scope : scope.join(' ');
}
