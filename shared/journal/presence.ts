/**
 * Which tenants have listeners: an instance with open streams says so, ingest publishes only for those. Being wrong is
 * harmless: a stream that opens catches up from the journal, and its first audits are close together.
 */
import { CachedReads } from '../store/cached-reads.ts';
import type { Store } from '../store/store.ts';

/** Milliseconds between two announcements of a tenant that is listened to. */
export const ANNOUNCE_MS = 40_000;
/** Seconds that an announcement holds: two may fail. */
const PRESENCE_SECONDS = 120;
/** Milliseconds after which ingest hears of a new listener. */
const PRESENCE_FRESH_MS = 1_000;
/**
 * Milliseconds for which the last known listeners count, while they are read anew and while the store does not answer: a
 * publish must not wait for the store every second.
 */
const PRESENCE_LAST_KNOWN_MS = 30_000;

/** See the top of the file. */
export interface Presence {
  /** Says that a tenant has a listener; repeat it every ANNOUNCE_MS. A failure is no trouble: the next one repeats it. */
  announce(tenantId: string): Promise<void>;
  /**
   * Whether a tenant has a listener, as of the last call at least, and of a second ago where calls are that frequent; true
   * where that cannot be told.
   */
  hasListener(tenantId: string): Promise<boolean>;
}

/** Keeps presence in the store: one document per tenant, and one query for all of them. */
export function createPresence(store: Pick<Store, 'upsert' | 'all'>, now: () => number = Date.now): Presence {
  const listened = new CachedReads(
    async () => {
      const query = { query: "SELECT c.tenantId FROM c WHERE STARTSWITH(c.id, 'streams|')" };
      return new Set((await store.all<{ tenantId: string }>('presence', query)).map(({ tenantId }) => tenantId));
    },
    {
      freshMs: PRESENCE_FRESH_MS,
      lastKnownMs: PRESENCE_LAST_KNOWN_MS,
      patienceMs: 0,
      entriesMax: 1,
      keyOf: () => 'all',
      now,
    },
  );
  return {
    async announce(tenantId) {
      const document = { id: `streams|${tenantId}`, kind: 'streams', tenantId, ttl: PRESENCE_SECONDS };
      await store.upsert('presence', document).catch(() => undefined);
    },
    async hasListener(tenantId) {
      const tenants = await listened.get(undefined).catch(() => undefined);
      return tenants?.has(tenantId) ?? true;
    },
  };
}
