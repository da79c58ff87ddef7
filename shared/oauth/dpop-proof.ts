/**
 * DPoP (RFC 9449): a token that is bound to a key is worth nothing to whoever only copied it, because every request
 * proves the key anew. A proof is good for one request: its id is remembered in the store, so that a copy is refused by
 * every host.
 */
import { createHash } from 'node:crypto';
import type { HttpRequest } from '@azure/functions';
import { errors, importJWK, jwtVerify, type JWTHeaderParameters } from 'jose';
import { z } from 'zod';
import { clientKey, thumbprint, type ClientKey } from '../applications/client-keys.ts';
import { challenge, PROOF_ALGORITHMS } from '../http/bearer.ts';
import { Problem } from '../http/problem.ts';
import type { UseOnce } from '../identity/single-use.ts';
import { isCompactJwt } from './compact-jwt.ts';
import type { DpopNonces } from './dpop-nonce.ts';
import { oauthError } from './oauth-error.ts';

/** Seconds before and after now that a proof may have been made: it names its time by the clock of the sender. */
export const PROOF_SECONDS = 60;
/** Characters of a proof, and of its id. */
const PROOF_CHARS_MAX = 4096;
const PROOF_ID_CHARS_MAX = 256;

/** What checking proofs needs. */
export interface DpopServices {
  issuer: string;
  nonces: DpopNonces;
  useOnce: UseOnce;
  now: () => number;
}

/** A proof that is right in itself. It counts once `spend` says so. */
export interface DpopProof {
  /** The thumbprint of its key (RFC 7638): the `jkt` that a token is bound to. */
  thumbprint: string;
  /** Uses the proof up. @throws Problem when it was used before, on any host */
  spend(): Promise<void>;
}

const proofClaims = z.object({
  jti: z.string().min(1).max(PROOF_ID_CHARS_MAX),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
  nonce: z.string().optional(),
});

/**
 * Checks the proof of a request to the token endpoint; undefined when there is none.
 * @throws Problem `invalid_dpop_proof`, or `use_dpop_nonce` with the nonce to use (§5, §8)
 */
export function proofAtTokenEndpoint(services: DpopServices, request: HttpRequest): Promise<DpopProof | undefined> {
  return checkProof(services, request, undefined, (code, detail, headers) => oauthError(code, detail, { headers }));
}

/**
 * Checks the proof that comes with an access token (§7).
 * @throws Problem 401 with a DPoP challenge, also when there is no proof
 */
export async function proofWithToken(services: DpopServices, request: HttpRequest, token: string): Promise<DpopProof> {
  const refuse: Refuse = (code, detail, headers) =>
    new Problem(code.replaceAll('_', '-'), 401, detail, {
      headers: { ...headers, 'www-authenticate': challenge('DPoP', { error: code }) },
    });
  const proof = await checkProof(services, request, token, refuse);
  if (!proof) throw refuse('invalid_dpop_proof', 'This access token needs a proof: send it in the DPoP header.');
  return proof;
}

type Refuse = (
  code: 'invalid_dpop_proof' | 'use_dpop_nonce',
  detail: string,
  headers?: Record<string, string>,
) => Problem;

/** The checks of §4.3, in its order. */
async function checkProof(
  { issuer, nonces, useOnce, now }: DpopServices,
  request: HttpRequest,
  token: string | undefined,
  refuse: Refuse,
): Promise<DpopProof | undefined> {
  const text = request.headers.get('dpop');
  if (text === null) return undefined;
  const invalid = (detail: string) => refuse('invalid_dpop_proof', `The DPoP proof ${detail}.`);
  const { key, payload } = await verifySignature(text, now(), invalid);
  const parsed = proofClaims.safeParse(payload);
  if (!parsed.success) throw invalid(`lacks a sound ${parsed.error.issues[0]?.path.join('.') ?? 'claim'}`);
  const { jti, htm, htu, iat, ath, nonce } = parsed.data;
  if (htm !== request.method) throw invalid(`is for another method: htm must be ${request.method}`);
  // The public address of the settings counts, never what a proxy or the caller says the host is.
  const address = `${issuer}${new URL(request.url).pathname}`;
  if (withoutQuery(htu) !== withoutQuery(address)) throw invalid(`is for another address: htu must be ${address}`);
  const expectedHash = token === undefined ? undefined : createHash('sha256').update(token).digest('base64url');
  if (expectedHash !== undefined && ath !== expectedHash) throw invalid('is not for this access token: see ath');
  if (nonce === undefined || !nonces.holds(nonce)) {
    const detail = 'Make the DPoP proof with the nonce of the DPoP-Nonce header.';
    throw refuse('use_dpop_nonce', detail, { 'dpop-nonce': nonces.current() });
  }
  const nowMs = now();
  if (Math.abs(nowMs / 1000 - iat) > PROOF_SECONDS) throw invalid('was not made just now: see iat');
  const proven = thumbprint(key);
  return {
    thumbprint: proven,
    async spend() {
      const untilMs = (iat + 2 * PROOF_SECONDS) * 1000;
      if (!(await useOnce('dpop', [proven, jti], untilMs))) throw invalid('was used before: make a new one');
    },
  };
}

async function verifySignature(
  text: string,
  nowMs: number,
  invalid: (detail: string) => Problem,
): Promise<{ key: ClientKey; payload: unknown }> {
  if (text.length > PROOF_CHARS_MAX) throw invalid(`is longer than ${PROOF_CHARS_MAX} characters`);
  let key: ClientKey | undefined;
  try {
    if (!isCompactJwt(text)) throw new errors.JWSInvalid('it is no compact JWT');
    const { payload } = await jwtVerify(
      text,
      ({ jwk, alg }: JWTHeaderParameters) => {
        const parsed = clientKey.safeParse(jwk);
        if (!parsed.success) throw new errors.JWSInvalid('its header holds no sound public key');
        key = parsed.data;
        return importJWK(key, alg);
      },
      { typ: 'dpop+jwt', algorithms: PROOF_ALGORITHMS, currentDate: new Date(nowMs), clockTolerance: PROOF_SECONDS },
    );
    if (key) return { key, payload };
  } catch (error) {
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
  }
  throw invalid('is not a JWT of the type dpop+jwt, signed with the public key in its header');
}

/** §4.3: without query and fragment, normalised as RFC 3986 §6.2.2 says. Undefined for what is no URL. */
function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`;
}
