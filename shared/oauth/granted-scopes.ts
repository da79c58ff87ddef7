/** Which scopes a grant gives (RFC 6749 §3.3): never more than asked for, never more than the client has a right to. */
import { clientSettingsOf } from '../applications/client-settings.ts';
import { APPLICATION_SCOPES, USER_SCOPES, type ApplicationScope, type UserScope } from '../identity/principal.ts';
import { isApplicationScope, isUserScope } from './access-token.ts';
import type { Client } from './client-authentication.ts';
import { oauthError } from './oauth-error.ts';

/** RFC 6749 §3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Scopes of a token of the client itself. @throws Problem invalid_scope */
export function applicationScopes(client: Client, requested: string | undefined): ApplicationScope[] {
  const allowed: readonly ApplicationScope[] = client.kind === 'application' ? client.application.scopes : ['app'];
  const words = wordsOf(requested);
  if (words.length === 0) return allowed.includes('app') ? ['app'] : allowed.slice(0, 1);
  return words.map((word) => {
    if (word === 'me') throw oauthError('invalid_scope', 'me is for tokens of users; use app.');
    if (!isApplicationScope(word)) {
      throw oauthError('invalid_scope', `A scope is unknown; known: ${APPLICATION_SCOPES.join(', ')}.`);
    }
    if (!allowed.includes(word)) throw oauthError('invalid_scope', `This client has no right to the scope ${word}.`);
    return word;
  });
}

/** Scopes of a user's token. @throws Problem invalid_scope */
export function userScopes(requested: string | undefined): UserScope[] {
  const words = wordsOf(requested);
  if (words.length === 0) return ['me'];
  return words.map((word) => {
    if (isUserScope(word)) return word;
    const hint = isApplicationScope(word) ? `${word} is for tokens of applications; use me.` : 'A scope is unknown.';
    throw oauthError('invalid_scope', `${hint} Scopes of users: ${USER_SCOPES.join(', ')}.`);
  });
}

/** Scopes of a refresh: some of those that were granted, by default all (§6). @throws Problem invalid_scope */
export function narrowedScopes(granted: readonly string[], requested: string | undefined): string[] {
  const words = wordsOf(requested);
  if (words.every((word) => granted.includes(word))) return words.length === 0 ? [...granted] : words;
  throw oauthError('invalid_scope', 'A refresh gives only scopes that were granted at first.');
}

/** Whether a grant comes with a refresh token, by the application's setting. */
export function givesRefreshToken(client: Client, owner: 'user' | 'application'): boolean {
  if (client.kind !== 'application') return false;
  const { refreshTokens } = clientSettingsOf(client.application);
  return refreshTokens === 'always' || (refreshTokens === 'user' && owner === 'user');
}

function wordsOf(requested: string | undefined): string[] {
  const words = [...new Set((requested ?? '').split(' ').filter((word) => word !== ''))];
  if (words.every((word) => SCOPE_TOKEN.test(word))) return words;
  throw oauthError('invalid_scope', 'A scope holds a character that no scope may hold.');
}
