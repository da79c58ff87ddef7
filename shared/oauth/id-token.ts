/** ID tokens (OpenID Connect Core §2): who signed in, for the application alone. Never taken by our own endpoints. */
import { createHash } from 'node:crypto';
import { SignJWT } from 'jose';
import type { User } from '../identity/users.ts';
import type { KeyRing } from './key-ring.ts';

/** Seconds that an ID token may be used to learn who signed in. */
const ID_TOKEN_SECONDS = 600;

/** What an ID token is made of. */
export interface IdTokenInput {
  user: User;
  clientId: string;
  scopes: readonly string[];
  accessToken: string;
  authenticatedAtMs: number;
  nonce?: string | undefined;
}

/** Makes an ID token. */
export async function issueIdToken(
  { keys, issuer, now }: { keys: KeyRing; issuer: string; now: () => number },
  { user, clientId, scopes, accessToken, authenticatedAtMs, nonce }: IdTokenInput,
): Promise<string> {
  const { kid, algorithm, privateKey } = await keys.signer();
  const issuedAt = Math.floor(now() / 1000);
  return new SignJWT({
    iss: issuer,
    aud: clientId,
    iat: issuedAt,
    exp: issuedAt + ID_TOKEN_SECONDS,
    auth_time: Math.floor(authenticatedAtMs / 1000),
    at_hash: halfHash(accessToken, algorithm),
    ...(nonce === undefined ? {} : { nonce }),
    ...personClaims(user, scopes),
  })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid })
    .sign(privateKey);
}

/** What the scopes tell about a person (§5.4). */
export function personClaims(user: User, scopes: readonly string[]): Record<string, unknown> & { sub: string } {
  return {
    sub: user.id,
    ...(scopes.includes('profile') || scopes.includes('me')
      ? { name: user.name, preferred_username: user.login, tenant: user.tenantId, roles: user.roles }
      : {}),
    ...(scopes.includes('email') && user.login.includes('@') ? { email: user.login, email_verified: false } : {}),
  };
}

/** §3.1.3.6: the left half of the hash that belongs to the algorithm; Ed25519 uses SHA-512. */
function halfHash(accessToken: string, algorithm: string): string {
  const digest = createHash(algorithm === 'EdDSA' ? 'sha512' : 'sha256')
    .update(accessToken)
    .digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}
