/**
 * The client of our own console: built in, public, and trusted to sign people of every tenant in without asking for
 * consent. Its redirect URIs are pages of this deployment and, for command-line tools, programs on the person's machine.
 */
import type { ClientId } from '../identity/ids.ts';

/** Its client id. */
export const CONSOLE_CLIENT_ID = 'sluice-console' as ClientId;

/** Where it may be sent back to. */
export function consoleRedirectUris(issuer: string): string[] {
  return [`${issuer}/console/`, `${issuer}/console/callback`, 'http://127.0.0.1/callback', 'http://[::1]/callback'];
}
