/** Reads a bearer token from a request and makes the challenges of RFC 6750 §3. */
import type { HttpRequest } from '@azure/functions';
import { Problem } from './problem.ts';

const REALM = 'Bearer realm="sluice"';
/** RFC 6750 §2.1: b64token. */
const B64_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
/** Bytes of a token that are looked at; ours stay below 4 KB. */
const TOKEN_BYTES_MAX = 8192;

/**
 * The bearer token of the `Authorization` header.
 * @throws Problem 401 without an error code when there is none, 400 when it is sent in the query (RFC 9700 §4.3.2) or malformed
 */
export function bearerToken(request: HttpRequest): string {
  const header = request.headers.get('authorization');
  const inQuery = new URL(request.url).searchParams.has('access_token');
  if (inQuery) {
    const detail = header
      ? 'Send the access token once, in the Authorization header; it was sent in the query as well.'
      : 'An access token in the query is refused, because URLs are logged: send it in the Authorization header.';
    throw new Problem('invalid-request', 400, detail, {
      headers: { 'www-authenticate': `${REALM}, error="invalid_request"` },
    });
  }
  if (header === null || !/^bearer(\s|$)/i.test(header)) {
    throw new Problem('unauthenticated', 401, 'This needs an access token: send `Authorization: Bearer <token>`.', {
      headers: { 'www-authenticate': REALM },
    });
  }
  const token = header.slice('bearer'.length).trim();
  if (token.length > TOKEN_BYTES_MAX || !B64_TOKEN.test(token)) throw invalidToken('The access token is malformed.');
  return token;
}

/** RFC 6750 §3.1 `invalid_token`: malformed, expired, revoked or foreign. */
export function invalidToken(detail: string): Problem {
  return new Problem('invalid-token', 401, detail, {
    headers: { 'www-authenticate': `${REALM}, error="invalid_token", error_description="${quotable(detail)}"` },
  });
}

/** RFC 6750 §3.1 `insufficient_scope`: the token is good, but not for this. */
export function insufficientScope(detail: string, scope?: string): Problem {
  const needed = scope === undefined ? '' : `, scope="${quotable(scope)}"`;
  return new Problem('insufficient-scope', 403, detail, {
    headers: { 'www-authenticate': `${REALM}, error="insufficient_scope"${needed}` },
  });
}

/** RFC 6749 allows %x20-21 / %x23-5B / %x5D-7E in an error description. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
