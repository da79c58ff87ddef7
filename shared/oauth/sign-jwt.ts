/**
 * Signs a JWT in the compact form (RFC 7515 §7.1). By node:crypto on this thread where that is quick: jose signs by
 * WebCrypto, whose way through the thread pool costs as much processor time again as an elliptic signature itself.
 */
import { sign, type KeyObject } from 'node:crypto';
import { SignJWT, type JWTPayload } from 'jose';
import type { SigningAlgorithm } from './signing-key.ts';

/** What the header says. */
export interface JwtHeader {
  alg: SigningAlgorithm;
  typ: string;
  kid: string;
}

/** Signs claims. */
export function signJwt(header: JwtHeader, claims: JWTPayload, privateKey: KeyObject): string | Promise<string> {
  // An RSA signature takes ten times as long: it would hold up everybody else on this thread.
  if (header.alg === 'RS256') return new SignJWT(claims).setProtectedHeader({ ...header }).sign(privateKey);
  const signed = `${encode(header)}.${encode(claims)}`;
  const [digest, dsaEncoding] = header.alg === 'ES256' ? ['sha256', 'ieee-p1363' as const] : [null, undefined];
  const key = dsaEncoding === undefined ? privateKey : { key: privateKey, dsaEncoding };
  return `${signed}.${sign(digest ?? null, Buffer.from(signed), key).toString('base64url')}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
