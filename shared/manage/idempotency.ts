/**
 * `Idempotency-Key`: a creation that is sent again, because its answer was lost, makes nothing new. The ids of what is
 * made are reserved under the key before it is made, so a repeat finds it whatever happened in between.
 */
import { createHash } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Document, Store } from '../store/store.ts';

/** Seconds that a key is remembered. */
const KEY_SECONDS = 24 * 3600;
/** Characters of a key. */
const KEY_CHARS_MAX = 255;

interface Reservation<Ids> extends Document {
  fingerprint: string;
  ids: Ids;
}

/** Ids to create with. `repeated` tells that the key was used before, so what they name may exist. */
export interface ReservedIds<Ids> {
  ids: Ids;
  repeated: boolean;
}

/**
 * Reserves ids under the key of a request; without a key they are simply new.
 * @param purpose what is created, so that one key may serve two kinds of things
 * @throws Problem 400 for a malformed key, 422 when the key was used for another body
 */
export async function reserveIds<Ids>(
  store: Store,
  { tenantId, purpose, key, body }: { tenantId: TenantId; purpose: string; key: string | null; body: unknown },
  newIds: () => Ids,
): Promise<ReservedIds<Ids>> {
  if (key === null) return { ids: newIds(), repeated: false };
  if (key.length > KEY_CHARS_MAX || !/^[\x21-\x7e]+$/.test(key)) {
    const detail = `Idempotency-Key must be 1 to ${KEY_CHARS_MAX} visible ASCII characters.`;
    throw new Problem('invalid-idempotency-key', 400, detail);
  }
  const id = `idempotency|${tenantId}|${digest([purpose, key])}`;
  const fingerprint = digest(body);
  const mine: Reservation<Ids> = { id, fingerprint, ids: newIds(), ttl: KEY_SECONDS };
  if (await store.create('grants', mine)) return { ids: mine.ids, repeated: false };
  const known = await store.read<Reservation<Ids>>('grants', id, id);
  if (!known) return { ids: mine.ids, repeated: false };
  if (known.fingerprint !== fingerprint) {
    throw new Problem('idempotency-key-reused', 422, 'This Idempotency-Key was used with another body: use a new key.');
  }
  return { ids: known.ids, repeated: true };
}

/**
 * Whether something whose id the caller chose was made under a key: it is not older than the key's first use. What was
 * there before was refused then, and is refused again.
 */
export function wasMadeUnder({ atMs }: { atMs: number }, { createdAt }: { createdAt: string }): boolean {
  return Date.parse(createdAt) >= atMs;
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
