/** Errors of the OAuth endpoints: RFC 6749 §5.2 wants its own JSON, not problem details. */
import type { HttpResponseInit } from '@azure/functions';
import { Problem } from '../http/problem.ts';

/** Error codes that our endpoints answer. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce';

/** Makes an OAuth error; the kind of the Problem is its code. */
export function oauthError(
  code: OAuthErrorCode,
  description: string,
  options: { status?: number; headers?: Record<string, string> | undefined; cause?: unknown } = {},
): Problem {
  const { status = code === 'invalid_client' ? 401 : 400, headers = {}, cause } = options;
  return new Problem(code, status, description, { headers, cause });
}

/**
 * Renders any problem as an OAuth error. What the body readers refuse becomes `invalid_request` with 400, save for a
 * body that is too large; what the bearer guard refuses keeps its status, with the code of RFC 6750.
 */
export function renderOAuthError(problem: Problem): HttpResponseInit {
  const { error, status } = codeAndStatus(problem);
  return {
    status,
    headers: { ...NO_STORE, ...problem.headers },
    jsonBody: { error, error_description: describable(problem.detail) },
  };
}

/** What every answer of a token endpoint carries (RFC 6749 §5.1). */
export const NO_STORE: Readonly<Record<string, string>> = { 'cache-control': 'no-store', pragma: 'no-cache' };

function codeAndStatus({ kind, status }: Problem): { error: string; status: number } {
  if (kind.includes('_')) return { error: kind, status };
  if (status === 401) return { error: 'invalid_token', status };
  if (status === 403) return { error: 'insufficient_scope', status };
  if (status === 503) return { error: 'temporarily_unavailable', status };
  if (status >= 500) return { error: 'server_error', status };
  return { error: 'invalid_request', status: status === 413 ? 413 : 400 };
}

/** RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E. */
function describable(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
