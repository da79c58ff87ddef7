/**
 * External authentication tokens: a secret that an administrator writes for a user, with which a trusted application
 * signs that user in (`grant_type=password`). Made by us, or brought along from another system if long enough; kept as a
 * keyed hash, by which it is also found.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { deriveKeys } from './master-key.ts';

/** Fewest characters of a token that was made elsewhere: 128 bits in base 64. */
const CHARS_MIN = 22;
const CHARS_MAX = 512;
const RANDOM_BYTES = 32;
const RULE = `must be ${CHARS_MIN} to ${CHARS_MAX} visible ASCII characters, random (128 bits or more)`;

/** A token from another system. */
export const importedToken = z
  .string(RULE)
  .min(CHARS_MIN, RULE)
  .max(CHARS_MAX, RULE)
  .regex(/^[\x21-\x7e]+$/, RULE)
  .refine((text) => new Set(text).size >= 8, RULE);

/** What is stored. Times are ISO 8601. */
export interface ExternalToken {
  keyId: string;
  hash: string;
  /** Its last four characters, so that a person can tell two apart. */
  hint: string;
  createdAt: string;
  expiresAt?: string | undefined;
}

/** Hashes external authentication tokens under the keys of the settings. */
export interface ExternalTokenHasher {
  hash(token: string): Pick<ExternalToken, 'keyId' | 'hash'>;
  /** Every hash under which it may be stored, while a master key is being replaced. */
  candidates(token: string): Pick<ExternalToken, 'keyId' | 'hash'>[];
}

/** A new token, recognisable by its prefix. */
export function newExternalToken(): string {
  return `slu_${randomBytes(RANDOM_BYTES).toString('base64url')}`;
}

/** Makes the hasher. */
export function createExternalTokenHasher(masterKeys: readonly Buffer[]): ExternalTokenHasher {
  const keys = deriveKeys(masterKeys, 'external-token');
  const under = ({ keyId, key }: (typeof keys)[number], token: string) => ({
    keyId,
    hash: createHmac('sha256', key).update(token).digest('base64url'),
  });
  return {
    hash: (token) => under(keys[0], token),
    candidates: (token) => keys.map((key) => under(key, token)),
  };
}
