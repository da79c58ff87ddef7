/** DPoP proofs (RFC 9449), made as a client makes them, and wrongly on purpose. */
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTHeaderParameters } from 'jose';

/** A key of a client. */
export interface ProofKey {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
  alg: string;
}

/** How a proof differs from a right one. */
export interface ProofChange {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** The access token that it accompanies. */
  token?: string;
  nonce?: string | undefined;
  /** Signs it instead of the key that it names. */
  signedBy?: ProofKey;
}

/** A new key. */
export async function proofKey(alg = 'ES256'): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, publicKey, jwk: await exportJWK(publicKey), alg };
}

/** A proof for one request. */
export function proofFor(
  key: ProofKey,
  method: string,
  url: string,
  { claims = {}, header = {}, token, nonce, signedBy = key }: ProofChange = {},
): Promise<string> {
  const ath = token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') };
  const iat = Math.floor(Date.now() / 1000);
  const own = { jti: randomUUID(), htm: method, htu: url, iat, ...ath, ...(nonce === undefined ? {} : { nonce }) };
  return new SignJWT({ ...own, ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: key.alg, jwk: key.jwk, ...header } as JWTHeaderParameters)
    .sign(signedBy.privateKey);
}
