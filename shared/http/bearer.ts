/**
 * Reads the access token of a request and makes the challenges of RFC 6750 §3 and RFC 9449 §7.1. A token is presented as
 * `Bearer`, or as `DPoP` together with a proof that the sender holds the key it is bound to.
 */
import type { HttpRequest } from '@azure/functions';
import { Problem } from './problem.ts';

/** How a token is presented. */
export type TokenScheme = 'Bearer' | 'DPoP';

/** Algorithms of DPoP proofs, and of the assertions of clients: asymmetric ones only. */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'];

/** RFC 6750 §2.1: b64token. */
const B64_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
/** Bytes of a token that are looked at; ours stay below 4 KB. */
const TOKEN_BYTES_MAX = 8192;

/**
 * The access token of the `Authorization` header.
 * @throws Problem 401 without an error code when there is none, 400 when it is sent in the query (RFC 9700 §4.3.2) or malformed
 */
export function accessTokenOf(request: HttpRequest): { scheme: TokenScheme; token: string } {
  const header = request.headers.get('authorization');
  const inQuery = new URL(request.url).searchParams.has('access_token');
  if (inQuery) {
    const detail = header
      ? 'Send the access token once, in the Authorization header; it was sent in the query as well.'
      : 'An access token in the query is refused, because URLs are logged: send it in the Authorization header.';
    throw new Problem('invalid-request', 400, detail, {
      headers: { 'www-authenticate': challenge('Bearer', { error: 'invalid_request' }) },
    });
  }
  const match = /^(bearer|dpop)(?:\s+(.*))?$/i.exec(header?.trim() ?? '');
  if (!match) {
    throw new Problem('unauthenticated', 401, 'This needs an access token: send `Authorization: Bearer <token>`.', {
      headers: { 'www-authenticate': `${challenge('Bearer')}, ${challenge('DPoP')}` },
    });
  }
  const scheme = match[1]?.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer';
  const token = match[2] ?? '';
  if (token.length > TOKEN_BYTES_MAX || !B64_TOKEN.test(token)) {
    throw invalidToken('The access token is malformed.', scheme);
  }
  return { scheme, token };
}

/** RFC 6750 §3.1 `invalid_token`: malformed, expired, revoked or foreign. */
export function invalidToken(detail: string, scheme: TokenScheme = 'Bearer'): Problem {
  const parameters = { error: 'invalid_token', error_description: quotable(detail) };
  return new Problem('invalid-token', 401, detail, { headers: { 'www-authenticate': challenge(scheme, parameters) } });
}

/** RFC 6750 §3.1 `insufficient_scope`: the token is good, but not for this. */
export function insufficientScope(detail: string, scope?: string): Problem {
  const needed = scope === undefined ? {} : { scope: quotable(scope) };
  return new Problem('insufficient-scope', 403, detail, {
    headers: { 'www-authenticate': challenge('Bearer', { error: 'insufficient_scope', ...needed }) },
  });
}

/** A challenge; that for DPoP says which algorithms a proof may use. */
export function challenge(scheme: TokenScheme, parameters: Record<string, string> = {}): string {
  const start = scheme === 'Bearer' ? { realm: 'sluice' } : {};
  const end = scheme === 'DPoP' ? { algs: PROOF_ALGORITHMS.join(' ') } : {};
  const all = Object.entries({ ...start, ...parameters, ...end });
  return `${scheme} ${all.map(([name, value]) => `${name}="${value}"`).join(', ')}`;
}

/** RFC 6749 allows %x20-21 / %x23-5B / %x5D-7E in an error description. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
