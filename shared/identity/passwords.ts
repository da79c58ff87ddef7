/**
 * Passwords of people: argon2id of node:crypto (RFC 9106), stored as a PHC string that carries its parameters, so that
 * they can be raised later. Node's own needs no native add-on and no download, which a single-file bundle could not have.
 * Why a slow hash here and not for client secrets: people choose what can be guessed.
 */
import crypto, { randomBytes, timingSafeEqual, type Argon2Parameters } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '../http/problem.ts';

/** Characters of a password, the fewest and the most. */
export const PASSWORD_CHARS_MIN = 12;
export const PASSWORD_CHARS_MAX = 256;

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane; about 20 ms of one core. */
const MEMORY_KIB = 19 * 1024;
const PASSES = 2;
const LANES = 1;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** Hashes at the same time: each takes MEMORY_KIB and a core, and an instance has few of both. */
const AT_ONCE_MAX = 2;
/** Hashes that wait; beyond it a caller is asked to come again, or guessing would starve everybody else. */
const WAITING_MAX = 64;

const LENGTH_RULE = `must have ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`;
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** A password as somebody chooses it: long rather than strange (NIST SP 800-63B). */
export const newPassword = z
  .string(LENGTH_RULE)
  .min(PASSWORD_CHARS_MIN, LENGTH_RULE)
  .max(PASSWORD_CHARS_MAX, LENGTH_RULE)
  .refine((text) => new Set(text).size >= 5, 'must not repeat a few characters only');

/** Hashes and checks passwords, a few at a time. */
export interface Passwords {
  /** The hash to store. @throws Problem 503 when too many wait, 501 where Node has no argon2id */
  hash(password: string): Promise<string>;
  /**
   * Whether a password is the stored one. Without a stored one it takes as long and is false, so that nobody learns
   * from the time whether there is such a user. @throws Problem as hash
   */
  matches(password: string, stored: string | undefined): Promise<boolean>;
}

/** Makes a key of a password. */
type Derive = (parameters: Argon2Parameters) => Promise<Buffer>;

/** Node's own argon2id; undefined before Node 24.7, which must still be able to load this file. */
function argon2OfNode(): Derive | undefined {
  const { argon2 } = crypto as Partial<typeof crypto>;
  return (
    argon2 &&
    ((parameters) =>
      new Promise((resolve, reject) => {
        argon2('argon2id', parameters, (error, key) => (error ? reject(error) : resolve(key)));
      }))
  );
}

/** For a Node without argon2id: everything but passwords works, and who tries one is told so. */
function withoutArgon2(): Promise<never> {
  const detail =
    'Passwords need Node 24.7 or newer here: sign in another way, or ask the operator to set nodeVersion 24.';
  return Promise.reject(new Problem('passwords-unavailable', 501, detail));
}

/** Makes the hasher of an instance. @param derive argon2id; for tests */
export function createPasswords(derive: Derive = argon2OfNode() ?? withoutArgon2): Passwords {
  const waiting: (() => void)[] = [];
  let busy = 0;
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (busy >= AT_ONCE_MAX) {
      if (waiting.length >= WAITING_MAX) {
        const headers = { 'retry-after': '2' };
        throw new Problem('busy', 503, 'Too many people sign in at the moment: try again shortly.', { headers });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else busy++;
    try {
      return await work();
    } finally {
      // The place is handed over, so that nobody overtakes who waits.
      const next = waiting.shift();
      if (next) next();
      else busy--;
    }
  };
  const compute = (password: string, nonce: Buffer, memory: number, passes: number, parallelism: number) =>
    inTurn(() =>
      derive({
        message: Buffer.from(password.normalize('NFC')),
        nonce,
        memory,
        passes,
        parallelism,
        tagLength: HASH_BYTES,
      }),
    );
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const hash = await compute(password, salt, MEMORY_KIB, PASSES, LANES);
      return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(salt)}$${unpadded(hash)}`;
    },
    async matches(password, stored) {
      if (password.length > PASSWORD_CHARS_MAX) return false;
      const [, memory, passes, lanes, salt, hash] = (stored === undefined ? null : PHC.exec(stored)) ?? [];
      if (salt === undefined || hash === undefined) {
        await compute(password, Buffer.alloc(SALT_BYTES), MEMORY_KIB, PASSES, LANES);
        return false;
      }
      const expected = Buffer.from(hash, 'base64');
      const nonce = Buffer.from(salt, 'base64');
      const given = await compute(password, nonce, Number(memory), Number(passes), Number(lanes));
      return expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
