/**
 * Public keys by which an application proves who it is instead of by a secret (`private_key_jwt`, RFC 7523): the private
 * half never leaves the application, so nothing of ours can leak it.
 */
import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto';
import { z } from 'zod';

/** Keys of one application: one in use, one for its replacement, and two spare. */
export const CLIENT_KEYS_MAX = 4;
/** Bits of an RSA key. Below is weak, above is a way to make us compute. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 4096;
/** Members that only private and symmetric keys have (RFC 7518 §6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const base64url = z.string().regex(/^[\w-]{1,1024}$/, 'must be base64url');
const common = { kid: z.string().min(1).max(128).exactOptional(), alg: z.string().max(20).exactOptional() };
const members = z.discriminatedUnion(
  'kty',
  [
    z.object({ ...common, kty: z.literal('EC'), crv: z.literal('P-256'), x: base64url, y: base64url }),
    z.object({ ...common, kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64url }),
    z.object({ ...common, kty: z.literal('RSA'), n: base64url, e: base64url }),
  ],
  'must be a public key of the type EC (P-256), OKP (Ed25519) or RSA',
);

/** A public key of an application. `kid` is the one given, or the thumbprint. */
export type ClientKey = z.output<typeof members> & { kid: string };

/** One public key, as a JWK. */
export const clientKey = z
  .looseObject({}, 'must be a JWK')
  .superRefine((jwk, context) => {
    const secret = PRIVATE_MEMBERS.find((name) => name in jwk);
    if (secret === undefined) return;
    context.addIssue({ code: 'custom', path: [secret], message: 'is private: send the public key only', input: '…' });
  })
  .pipe(members)
  .superRefine((jwk, context) => {
    const fault = weakness(jwk);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault, input: jwk.kty });
  })
  .transform((jwk): ClientKey => ({ ...jwk, kid: jwk.kid ?? thumbprint(jwk) }));

/** The public keys of an application, as a JWK set. */
export const clientKeys = z.strictObject({
  keys: z
    .array(clientKey, 'must be an array of JWKs')
    .max(CLIENT_KEYS_MAX, `must hold at most ${CLIENT_KEYS_MAX} keys`)
    .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, 'must hold keys with different kid'),
});

/** RFC 7638: SHA-256 over the required members in the order of their names. */
export function thumbprint(jwk: z.output<typeof members>): string {
  const required =
    jwk.kty === 'EC'
      ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
      : jwk.kty === 'OKP'
        ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x }
        : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return createHash('sha256').update(JSON.stringify(required)).digest('base64url');
}

/** What is wrong with a key; undefined when it is sound. */
function weakness(jwk: JsonWebKey): string | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    if (bits === undefined || (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)) return undefined;
    return `must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits`;
  } catch {
    return 'is not a valid key';
  }
}
