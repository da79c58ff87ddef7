/** A signing key as stored: the public half in the clear, the private half wrapped under the master key (AES-256-GCM). */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { DerivedKey } from '../identity/master-key.ts';
import type { KeyLife } from './key-schedule.ts';

/** Algorithms that a deployment may choose. */
export type SigningAlgorithm = 'ES256' | 'RS256' | 'EdDSA';

const IV_BYTES = 12;

/** The document: container `keys`. Its id is its slot, so that instances which start at once agree on one key. */
export interface SigningKeyDocument extends KeyLife {
  id: string;
  kind: 'signing-key';
  slot: number;
  algorithm: SigningAlgorithm;
  /** RFC 7638 thumbprint of the public key. */
  kid: string;
  publicJwk: JWK;
  wrapped: { keyId: string; iv: string; data: string; tag: string };
}

/** Makes a key for a slot. */
export async function makeSigningKey(
  algorithm: SigningAlgorithm,
  slot: number,
  life: KeyLife,
  wrapKey: DerivedKey,
): Promise<SigningKeyDocument> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const publicJwk = { ...jwk, kid, alg: algorithm, use: 'sig' };
  const wrapped = wrap(JSON.stringify(await exportJWK(privateKey)), kid, wrapKey);
  return { id: `signing-${algorithm}-${slot}`, kind: 'signing-key', slot, algorithm, kid, publicJwk, wrapped, ...life };
}

/** The private key; undefined when the master key that wrapped it is not configured any more. Throws when it was altered. */
export function unwrapSigningKey(
  { kid, wrapped }: SigningKeyDocument,
  wrapKeys: readonly DerivedKey[],
): JWK | undefined {
  const used = wrapKeys.find(({ keyId }) => keyId === wrapped.keyId);
  if (!used) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', used.key, Buffer.from(wrapped.iv, 'base64'));
  decipher.setAAD(Buffer.from(kid)).setAuthTag(Buffer.from(wrapped.tag, 'base64'));
  const text = Buffer.concat([decipher.update(Buffer.from(wrapped.data, 'base64')), decipher.final()]).toString();
  return JSON.parse(text) as JWK;
}

function wrap(text: string, kid: string, { keyId, key }: DerivedKey): SigningKeyDocument['wrapped'] {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(kid));
  const data = Buffer.concat([cipher.update(text), cipher.final()]).toString('base64');
  return { keyId, iv: iv.toString('base64'), data, tag: cipher.getAuthTag().toString('base64') };
}
