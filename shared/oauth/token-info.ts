/** Details of the token that a request carries: both shapes that clients of older servers know, in one. */
import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { inspectPresented, scopeText } from './inspect-token.ts';
import { NO_STORE } from './oauth-error.ts';
import type { TokenGuardServices } from './token-guard.ts';

/** Serves the details. @throws Problem 401 */
export async function tokenInfo(
  services: TokenGuardServices & { now: () => number },
  { request }: { request: HttpRequest },
): Promise<HttpResponseInit> {
  const found = await inspectPresented(services, request);
  const { claims } = found;
  const scopes = scopeText(claims).split(' ');
  const seconds = Math.max(0, claims.exp - Math.floor(services.now() / 1000));
  return {
    headers: { ...NO_STORE },
    jsonBody: {
      // An application owns its own tokens.
      resource_owner_id: found.kind === 'user' ? found.user.id : null,
      scope: scopes,
      scopes,
      expires_in: seconds,
      expires_in_seconds: seconds,
      application: { uid: claims.client_id },
      created_at: claims.iat,
      tenant: claims.tid,
    },
  };
}
