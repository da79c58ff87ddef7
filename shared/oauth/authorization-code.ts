/**
 * Authorization codes (RFC 6749 §4.1.2): 256 random bits, good for one use within a minute, kept as a hash. A code that
 * was used is remembered for a while, because its second use tells that it was stolen: then its tokens end.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientId, TenantId, UserId } from '../identity/ids.ts';
import type { UserScope } from '../identity/principal.ts';
import { withoutSystemFields, type Store } from '../store/store.ts';
import { newFamilyId } from './grant-family.ts';

/** Seconds in which a code must be used. */
export const CODE_SECONDS = 60;
/** Seconds for which a used code is remembered. */
const USED_SECONDS = 3600;
const CODE_BYTES = 32;
const CODE = /^slo_[A-Za-z0-9_-]{43}$/;
/** RFC 7636 §4.1. */
const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/;
/** SHA-256 in base64url (RFC 7636 §4.2). */
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;

/** What a code stands for. */
interface CodeGrant {
  tenantId: TenantId;
  clientId: ClientId;
  userId: UserId;
  userEpoch: number;
  scopes: UserScope[];
  /** As the authorization request named it; absent when it left it out. */
  redirectUri?: string | undefined;
  challenge: string;
  nonce?: string | undefined;
  /** The key that only may redeem the code (RFC 9449 §10). */
  boundTo?: string | undefined;
  authenticatedAtMs: number;
}

interface CodeDocument extends CodeGrant {
  id: string;
  kind: 'code';
  familyId: string;
  issuedAtMs: number;
  used?: true;
  ttl: number;
}

/** What came of a code. */
type RedeemedCode =
  | { kind: 'granted'; grant: CodeGrant; familyId: string }
  /** It was used before: the family that came of it must end. */
  | { kind: 'reused'; familyId: string; tenantId: TenantId }
  | { kind: 'refused'; reason: string };

/** Issues and redeems codes. */
export interface AuthorizationCodes {
  issue(grant: CodeGrant): Promise<string>;
  redeem(
    code: string,
    presented: {
      clientId: string;
      redirectUri: string | undefined;
      verifier: string | undefined;
      boundTo: string | undefined;
    },
  ): Promise<RedeemedCode>;
}

/** Whether a text can be a code challenge of the method S256. */
export function isChallenge(text: string): boolean {
  return CHALLENGE.test(text);
}

/** Makes the codes over the store. */
export function createAuthorizationCodes(store: Store, now: () => number = Date.now): AuthorizationCodes {
  return {
    async issue(grant) {
      const code = `slo_${randomBytes(CODE_BYTES).toString('base64url')}`;
      const document: CodeDocument = {
        id: documentId(code),
        kind: 'code',
        ...grant,
        familyId: newFamilyId(),
        issuedAtMs: now(),
        // The store's clock is not ours: the exact end is checked at the use.
        ttl: 2 * CODE_SECONDS,
      };
      await store.create('grants', document);
      return code;
    },
    async redeem(code, { clientId, redirectUri, verifier, boundTo }) {
      if (!CODE.test(code)) return { kind: 'refused', reason: 'malformed code' };
      const stored = await store.read<CodeDocument>('grants', documentId(code), documentId(code));
      if (!stored) return { kind: 'refused', reason: 'unknown code' };
      if (stored.clientId !== clientId) return { kind: 'refused', reason: 'code of another client' };
      const { familyId, tenantId } = stored;
      if (stored.used) return { kind: 'reused', familyId, tenantId };
      if (now() - stored.issuedAtMs > CODE_SECONDS * 1000) return { kind: 'refused', reason: 'expired code' };
      if (stored.redirectUri !== redirectUri) return { kind: 'refused', reason: 'other redirect_uri' };
      if (stored.boundTo !== undefined && stored.boundTo !== boundTo) {
        return { kind: 'refused', reason: 'proof of another key' };
      }
      if (!answers(stored.challenge, verifier)) return { kind: 'refused', reason: 'wrong code_verifier' };
      const used: CodeDocument = { ...withoutSystemFields<CodeDocument>(stored), used: true, ttl: USED_SECONDS };
      if (!(await store.replace('grants', used, stored._etag))) return { kind: 'reused', familyId, tenantId };
      return { kind: 'granted', grant: used, familyId };
    },
  };
}

/** RFC 7636 §4.6, with S256. */
function answers(challenge: string, verifier: string | undefined): boolean {
  if (verifier === undefined || !VERIFIER.test(verifier)) return false;
  const computed = createHash('sha256').update(verifier).digest();
  const expected = Buffer.from(challenge, 'base64url');
  return expected.length === computed.length && timingSafeEqual(expected, computed);
}

function documentId(code: string): string {
  return `code|${createHash('sha256').update(code).digest('hex')}`;
}
