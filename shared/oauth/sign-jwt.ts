/**
 * Signs a JWT in the compact form (RFC 7515 §7.1) by node:crypto: jose signs by WebCrypto, whose way through the thread
 * pool costs as much processor time again as an elliptic signature itself.
 */
import { sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWTPayload } from 'jose';
import { concatenatedSignature } from './ecdsa-signature.ts';
import type { SigningAlgorithm } from './signing-key.ts';

/** What the header says. */
export interface JwtHeader {
  alg: SigningAlgorithm;
  typ: string;
  kid: string;
}

const signBeside = promisify(sign);

/** Signs claims. */
export async function signJwt(header: JwtHeader, claims: JWTPayload, privateKey: KeyObject): Promise<string> {
  const signed = `${encodedHeader(header)}.${encode(claims)}`;
  const signature = await signatureOf(header.alg, Buffer.from(signed, 'latin1'), privateKey);
  return `${signed}.${signature.toString('base64url')}`;
}

function signatureOf(alg: SigningAlgorithm, data: Buffer, key: KeyObject): Buffer | Promise<Buffer> {
  switch (alg) {
    case 'ES256':
      // Node's own `ieee-p1363` costs as much again as the signature.
      return concatenatedSignature(sign('sha256', data, key));
    case 'EdDSA':
      return sign(null, data, key);
    case 'RS256':
      // It takes ten times as long: on this thread it would hold up everybody else.
      return signBeside('sha256', data, key);
  }
}

/** The header that was encoded last, by type: it is the same until another key signs. */
const lastHeaders = new Map<string, { header: JwtHeader; text: string }>();

function encodedHeader(header: JwtHeader): string {
  const { alg, typ, kid } = header;
  const last = lastHeaders.get(typ);
  if (last?.header.kid === kid && last.header.alg === alg) return last.text;
  const text = encode({ alg, typ, kid });
  lastHeaders.set(typ, { header, text });
  return text;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
