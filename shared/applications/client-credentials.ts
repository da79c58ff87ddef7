/**
 * Client ids and secrets: made by us only, 256 random bits, recognisable by prefix and checksum, kept as a keyed hash.
 * A slow hash would protect secrets that can be guessed; these cannot, and a token endpoint that hashes slowly is an
 * invitation to overload it. The key makes the database alone useless.
 */
import { createHmac, createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { deriveKeys, type DerivedKey } from '../identity/master-key.ts';
import type { ClientId } from '../identity/ids.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 43 characters of base 62 carry 256 bits. */
const SECRET_CHARS = 43;
const CHECKSUM_CHARS = 6;
/** 22 characters of base 62 carry 130 bits. */
const CLIENT_ID_CHARS = 22;
/** Bytes below this are an unbiased choice among 62 characters. */
const UNBIASED_BELOW = 248;

const CLIENT_ID = new RegExp(`^slca_[0-9A-Za-z]{${CLIENT_ID_CHARS}}$`);
const CLIENT_SECRET = new RegExp(`^slc_([0-9A-Za-z]{${SECRET_CHARS}})([0-9A-Za-z]{${CHECKSUM_CHARS}})$`);

/** What is stored of a secret. */
export interface SecretHash {
  /** Which derived key made the hash. */
  keyId: string;
  hash: string;
}

/** Hashes and checks secrets under the keys of the settings. */
export interface SecretHasher {
  hash(secret: string): SecretHash;
  /** In constant time; false for a key that is no longer configured. */
  matches(secret: string, stored: SecretHash): boolean;
}

/** A new client id. */
export function newClientId(): ClientId {
  return `slca_${randomCharacters(CLIENT_ID_CHARS)}` as ClientId;
}

/** A new client secret, with its checksum. It is shown once and never stored. */
export function newClientSecret(): string {
  const body = randomCharacters(SECRET_CHARS);
  return `slc_${body}${checksum(body)}`;
}

/** Whether a text can be a client id of an application: lets the token endpoint refuse others without a read. */
export function isClientId(text: string): text is ClientId {
  return CLIENT_ID.test(text);
}

/** Whether a text is a client secret by form and checksum. Secret scanners can do the same offline. */
export function isClientSecret(text: string): boolean {
  const match = CLIENT_SECRET.exec(text);
  return match?.[1] !== undefined && checksum(match[1]) === match[2];
}

/** Makes the hasher. */
export function createSecretHasher(masterKeys: readonly Buffer[]): SecretHasher {
  // Prepared once: a hash under raw bytes would prepare them each time.
  const prepare = ({ keyId, key }: DerivedKey) => ({ keyId, key: createSecretKey(key) });
  const [first, ...older] = deriveKeys(masterKeys, 'client-secret');
  const current = prepare(first);
  const keys = [current, ...older.map(prepare)];
  return {
    hash: (secret) => ({ keyId: current.keyId, hash: hmac(secret, current.key).toString('base64url') }),
    matches: (secret, stored) => {
      const used = keys.find(({ keyId }) => keyId === stored.keyId);
      if (!used) return false;
      const expected = Buffer.from(stored.hash, 'base64url');
      const given = hmac(secret, used.key);
      return expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

function hmac(secret: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(secret).digest();
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_CHARS; i++) {
    text = ALPHABET.charAt(rest % ALPHABET.length) + text;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return text;
}

/** Rejection sampling: the remainder of a byte by 62 would prefer the first eight characters. */
function randomCharacters(count: number): string {
  let text = '';
  while (text.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte < UNBIASED_BELOW && text.length < count) text += ALPHABET.charAt(byte % ALPHABET.length);
    }
  }
  return text;
}
