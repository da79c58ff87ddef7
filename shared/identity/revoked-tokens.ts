/**
 * Tokens of service principals that were revoked before their end. Tokens of applications are listed in the
 * application's own document, so that one read answers everything about them.
 */
import { CachedReads } from '../store/cached-reads.ts';
import type { Document, Store } from '../store/store.ts';

/** Milliseconds after which a revocation is seen by every instance. */
const FRESH_MS = 2_000;
/** Tokens that an instance remembers. */
const TOKENS_MAX = 1_000;

/** Revoked tokens, by their `jti`. */
export interface RevokedTokens {
  has(tokenId: string): Promise<boolean>;
  /** @param expiresAtMs when the token would end by itself, epoch milliseconds; the note is kept no longer */
  add(tokenId: string, expiresAtMs: number): Promise<void>;
}

/** Makes the list over the store. */
export function createRevokedTokens(store: Store, now: () => number = Date.now): RevokedTokens {
  const idOf = (tokenId: string) => `revoked|${tokenId}`;
  const cache = new CachedReads(
    async (tokenId: string) => (await store.read<Document>('grants', idOf(tokenId), idOf(tokenId))) !== undefined,
    { freshMs: FRESH_MS, entriesMax: TOKENS_MAX, now },
  );
  return {
    has: (tokenId) => cache.get(tokenId),
    async add(tokenId, expiresAtMs) {
      const ttl = Math.max(1, Math.ceil((expiresAtMs - now()) / 1000));
      await store.upsert('grants', { id: idOf(tokenId), ttl });
      cache.forget(tokenId);
    },
  };
}
