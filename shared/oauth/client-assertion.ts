/** `private_key_jwt`: a client proves who it is by a JWT that it signed (RFC 7521 §4.2, RFC 7523 §3). */
import { decodeJwt, errors, importJWK, jwtVerify, type JWTPayload, type JWTVerifyResult } from 'jose';
import type { ClientKey } from '../applications/client-keys.ts';
import { PROOF_ALGORITHMS } from '../http/bearer.ts';
import type { UseOnce } from '../identity/single-use.ts';
import { isCompactJwt } from './compact-jwt.ts';

/** The only `client_assertion_type`. */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Seconds from now that an assertion may live. */
export const ASSERTION_SECONDS_MAX = 300;
/** Seconds that the clock of a client may differ from ours. */
const SKEW_SECONDS = 60;
const ASSERTION_ID_CHARS_MAX = 256;

/** What checking assertions needs. */
export interface AssertionServices {
  /** What an assertion may be addressed to: the issuer, or an endpoint of it. */
  issuer: string;
  useOnce: UseOnce;
  now: () => number;
}

/** The client that an assertion says it is from, not yet believed; undefined when it says none. */
export function clientOfAssertion(assertion: string): string | undefined {
  try {
    const { iss, sub } = decodeJwt(assertion);
    return iss === sub ? sub : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Checks an assertion under the keys of its client, and uses it up.
 * @returns the key that signed it, or why it is refused
 */
export async function checkAssertion(
  { issuer, useOnce, now }: AssertionServices,
  assertion: string,
  clientId: string,
  keys: readonly ClientKey[],
): Promise<{ key: ClientKey } | { refused: string }> {
  if (!isCompactJwt(assertion)) return { refused: 'assertion that is no compact JWT' };
  const nowMs = now();
  const signed = await signedBy(assertion, keys, {
    algorithms: PROOF_ALGORITHMS,
    issuer: clientId,
    subject: clientId,
    requiredClaims: ['exp', 'jti', 'aud'],
    clockTolerance: SKEW_SECONDS,
    currentDate: new Date(nowMs),
  });
  if ('refused' in signed) return signed;
  const { payload, key } = signed;
  const { exp = 0, iat, jti } = payload;
  if (!addressedToUs(payload, issuer)) return { refused: 'assertion for another audience' };
  if (exp > nowMs / 1000 + ASSERTION_SECONDS_MAX + SKEW_SECONDS) return { refused: 'assertion lives too long' };
  if (iat !== undefined && iat > nowMs / 1000 + SKEW_SECONDS) return { refused: 'assertion of the future' };
  if (typeof jti !== 'string' || jti === '' || jti.length > ASSERTION_ID_CHARS_MAX) {
    return { refused: 'assertion without a sound jti' };
  }
  const fresh = await useOnce('assertion', [clientId, jti], (exp + SKEW_SECONDS) * 1000);
  return fresh ? { key } : { refused: 'assertion used before' };
}

/** The issuer, or one of its token, introspection and revocation endpoints; nobody else beside it. */
function addressedToUs({ aud }: JWTPayload, issuer: string): boolean {
  const audiences = aud === undefined ? [] : [aud].flat();
  const ours = ['', '/', '/connect/token', '/oauth/token', '/oauth/introspect', '/oauth/revoke'];
  return audiences.length > 0 && audiences.every((audience) => ours.some((path) => audience === `${issuer}${path}`));
}

async function signedBy(
  assertion: string,
  keys: readonly ClientKey[],
  rules: Parameters<typeof jwtVerify>[2],
): Promise<{ payload: JWTPayload; key: ClientKey } | { refused: string }> {
  let refused = 'no key of the client signed the assertion';
  for (const key of keys) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the next key is tried only when this one is not it
      const { payload } = await verifyUnder(assertion, key, rules);
      return { payload, key };
    } catch (error) {
      if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
      // Of several keys, the one that did sign says what else is wrong.
      if (error instanceof errors.JWTExpired) refused = 'assertion expired';
      else if (error instanceof errors.JWTClaimValidationFailed) refused = `assertion with a wrong ${error.claim}`;
    }
  }
  return { refused };
}

function verifyUnder(
  assertion: string,
  key: ClientKey,
  rules: Parameters<typeof jwtVerify>[2],
): Promise<JWTVerifyResult> {
  return jwtVerify(
    assertion,
    ({ kid, alg }) => {
      if (kid !== undefined && kid !== key.kid) throw new errors.JWKSNoMatchingKey();
      if (key.alg !== undefined && key.alg !== alg) throw new errors.JWKSNoMatchingKey();
      return importJWK(key, alg);
    },
    rules,
  );
}
