/**
 * Ids that count once, in every instance: of assertions and of proofs. The store decides, because the second request may
 * reach another host.
 */
import { createHash } from 'node:crypto';
import type { Store } from '../store/store.ts';

/**
 * Uses an id up; false when it was used before.
 * @param purpose keeps the ids of one kind apart from those of another
 * @param parts what makes the id: an issuer chooses its own, so the issuer belongs to it
 * @param untilMs when the id would be refused anyway, epoch milliseconds; it is remembered no longer
 */
export type UseOnce = (purpose: string, parts: readonly string[], untilMs: number) => Promise<boolean>;

/** Makes the memory over the store. */
export function createUseOnce(store: Store, now: () => number = Date.now): UseOnce {
  return async (purpose, parts, untilMs) => {
    const digest = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
    const ttl = Math.max(1, Math.ceil((untilMs - now()) / 1000));
    return (await store.create('grants', { id: `used|${purpose}|${digest}`, ttl })) !== undefined;
  };
}
