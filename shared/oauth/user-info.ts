/** UserInfo (OpenID Connect Core §5.3): who the person behind a token is, as far as its scopes tell. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { insufficientScope } from '../http/bearer.ts';
import { personClaims } from './id-token.ts';
import { inspectPresented, type TokenInspectionServices } from './inspect-token.ts';
import { NO_STORE } from './oauth-error.ts';

/** Serves the claims. @throws Problem 401, 403 for a token that is not a person's */
export async function userInfo(
  services: TokenInspectionServices,
  { request }: { request: HttpRequest },
): Promise<HttpResponseInit> {
  const live = await inspectPresented(services, request);
  const scopes: readonly string[] = live.kind === 'user' ? live.claims.scope : [];
  if (live.kind !== 'user' || !(scopes.includes('me') || scopes.includes('openid'))) {
    throw insufficientScope('This needs the token of a user with the scope me or openid.', 'me');
  }
  return { headers: { ...NO_STORE }, jsonBody: personClaims(live.user, scopes) };
}
