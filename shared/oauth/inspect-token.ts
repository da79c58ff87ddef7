/** What a token is worth now: for introspection (RFC 7662), revocation (RFC 7009) and the token's own holder. */
import type { Application } from '../applications/applications.ts';
import type { ClientId, TenantId } from '../identity/ids.ts';
import type { AccessTokenClaims } from './access-token.ts';
import type { TokenGuardServices } from './token-guard.ts';

/** A token that holds now. The application is absent for a service principal's. */
export interface LiveToken {
  claims: AccessTokenClaims;
  application?: Application;
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
  });
  return standing.allowed ? { claims, application: standing.application } : undefined;
}

/** The scopes of a token as one text. */
export function scopeText({ scope }: AccessTokenClaims): string {
  return typeof scope === 'string' ? scope : scope.join(' ');
}
