/**
 * Nonces for DPoP proofs (RFC 9449 §8): they limit how long before its use a proof can have been made. A nonce is a
 * minute and a keyed hash of it, so every instance knows those of all others and none is stored.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { deriveKeys } from '../identity/master-key.ts';

/** Milliseconds after which another nonce is handed out. */
export const PERIOD_MS = 60_000;
/** Periods for which a nonce is taken: its own and two more. */
export const PERIODS = 3;
const HASH_BYTES = 16;

/** Makes and checks nonces. */
export interface DpopNonces {
  current(): string;
  holds(nonce: string): boolean;
}

/** Makes them under the keys of the settings. */
export function createDpopNonces(masterKeys: readonly Buffer[], now: () => number = Date.now): DpopNonces {
  const keys = deriveKeys(masterKeys, 'dpop-nonce');
  const make = (period: number, key: Buffer) => {
    const hash = createHmac('sha256', key).update(String(period)).digest().subarray(0, HASH_BYTES);
    return `${period.toString(36)}.${hash.toString('base64url')}`;
  };
  const period = () => Math.floor(now() / PERIOD_MS);
  return {
    current: () => make(period(), keys[0].key),
    holds(nonce) {
      const given = Buffer.from(nonce.slice(0, 64));
      const present = period();
      return Array.from({ length: PERIODS }, (_, age) => present - age).some((candidate) =>
        keys.some(({ key }) => {
          const expected = Buffer.from(make(candidate, key));
          return expected.length === given.length && timingSafeEqual(expected, given);
        }),
      );
    },
  };
}
