/**
 * By what the client of a request says who it is: exactly one of `client_secret_basic`, `client_secret_post` (RFC 6749
 * §2.3.1), `private_key_jwt` (RFC 7523) and, for a public client, its bare id (`none`).
 */
import type { HttpRequest } from '@azure/functions';
import { ASSERTION_TYPE, clientOfAssertion } from './client-assertion.ts';
import { parameter } from './form-parameters.ts';
import { oauthError } from './oauth-error.ts';

/** What a client says of itself, not yet believed. */
export type ClaimedCredentials =
  | { method: 'basic' | 'post'; clientId: string; clientSecret: string }
  | { method: 'private_key_jwt'; clientId: string; assertion: string }
  | { method: 'none'; clientId: string };

const CHALLENGE = { 'www-authenticate': 'Basic realm="sluice", charset="UTF-8"' };

/**
 * The challenge of a refusal: not for a client that used another way, because some clients hide the error behind a challenge.
 */
export function challengeFor({ method }: ClaimedCredentials): Record<string, string> {
  return method === 'basic' ? CHALLENGE : {};
}

/** Reads the credentials. @throws Problem invalid_client when there are none, invalid_request for two ways at once */
export function readClientCredentials(request: HttpRequest, form: URLSearchParams): ClaimedCredentials {
  const header = request.headers.get('authorization');
  const clientId = parameter(form, 'client_id');
  const clientSecret = parameter(form, 'client_secret');
  const assertion = readAssertion(form, clientId);
  if ([header, clientSecret, assertion].filter((way) => way !== null && way !== undefined).length > 1) {
    throw oauthError('invalid_request', 'Use one way to authenticate: Basic, client_secret, or client_assertion.');
  }
  if (assertion) return assertion;
  if (header !== null) {
    const basic = decodeBasic(header);
    if (clientId === undefined || clientId === basic.clientId) return basic;
    throw oauthError('invalid_request', 'client_id in the body is not the one in the Authorization header.');
  }
  if (clientId === undefined) {
    // RFC 9110 §15.5.2: whoever did not try is told how.
    throw oauthError('invalid_client', 'Client credentials are missing: send client_id and client_secret, or Basic.', {
      headers: CHALLENGE,
    });
  }
  return clientSecret === undefined ? { method: 'none', clientId } : { method: 'post', clientId, clientSecret };
}

function readAssertion(form: URLSearchParams, clientId: string | undefined): ClaimedCredentials | undefined {
  const type = parameter(form, 'client_assertion_type');
  const assertion = parameter(form, 'client_assertion');
  if (type === undefined && assertion === undefined) return undefined;
  if (type !== ASSERTION_TYPE || assertion === undefined) {
    throw oauthError('invalid_request', `Send client_assertion together with client_assertion_type=${ASSERTION_TYPE}.`);
  }
  const claimed = clientOfAssertion(assertion);
  if (clientId !== undefined && claimed !== undefined && clientId !== claimed) {
    // RFC 7521 §4.2: the two must be the same client.
    throw oauthError('invalid_client', 'client_id is not the client of client_assertion.');
  }
  return { method: 'private_key_jwt', clientId: claimed ?? clientId ?? '', assertion };
}

/** RFC 7617 with RFC 6749 §2.3.1: both halves are form-encoded inside. Ours need no encoding, so plain senders work too. */
function decodeBasic(header: string): ClaimedCredentials {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header.trim());
  if (match?.[1] === undefined) {
    throw oauthError('invalid_client', 'The Authorization header is not Basic with base64.', { headers: CHALLENGE });
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(match[1], 'base64'));
    const colon = text.indexOf(':');
    if (colon < 0) throw new TypeError('no colon');
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '));
    return { method: 'basic', clientId: decode(text.slice(0, colon)), clientSecret: decode(text.slice(colon + 1)) };
  } catch (error) {
    throw oauthError('invalid_client', 'The Basic credentials are not id:secret, form-encoded in UTF-8.', {
      headers: CHALLENGE,
      cause: error,
    });
  }
}
