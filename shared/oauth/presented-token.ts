/** The access token of a request: ours by its signature, and with the proof of its key where it is bound to one. */
import type { HttpRequest } from '@azure/functions';
import { accessTokenOf, invalidToken, type TokenScheme } from '../http/bearer.ts';
import type { AccessTokenClaims, AccessTokens } from './access-token.ts';
import { proofWithToken, type DpopServices } from './dpop-proof.ts';

/** A token as a request presents it. */
interface PresentedToken {
  scheme: TokenScheme;
  claims: AccessTokenClaims;
}

/** Reads it. Whether its owner may go on is not asked yet. @throws Problem 401 by RFC 6750 or RFC 9449 */
export async function presentedToken(
  services: DpopServices & { tokens: AccessTokens },
  request: HttpRequest,
): Promise<PresentedToken> {
  const { scheme, token } = accessTokenOf(request);
  const claims = await services.tokens.verify(token);
  if (!claims) throw invalidToken('The access token is not valid here, or has expired: ask for a new one.', scheme);
  if (scheme === 'Bearer') {
    // RFC 9449 §7.2: whoever copied a bound token must not get in by leaving the proof away.
    if (claims.cnf) throw invalidToken('This access token is bound to a key: send it as DPoP, with a proof.', 'DPoP');
    return { scheme, claims };
  }
  const proof = await proofWithToken(services, request, token);
  if (claims.cnf?.jkt !== proof.thumbprint) {
    throw invalidToken('This access token is not bound to the key of the DPoP proof.', scheme);
  }
  await proof.spend();
  return { scheme, claims };
}
