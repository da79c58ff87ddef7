/**
 * Clients that connect to Web PubSub themselves. Each access token that negotiated has a group of its own, in which only
 * what its application may see at that moment is published, until the token ends: Web PubSub looks at a client's token
 * only when it connects, so that what may be seen is decided at every publish instead.
 */
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Document, Store } from '../store/store.ts';

/** Milliseconds after which ingest hears of a new listener. */
const LISTENERS_FRESH_MS = 1_000;
/** Milliseconds for which the last known ones count while they are read anew: a publish must not wait for that. */
const LISTENERS_LAST_KNOWN_MS = 10_000;
/** Seconds that a listener is remembered after its token's end, so that its connections are ended and not only silent. */
const AFTERLIFE_SECONDS = 600;

/** A token whose holders connect to Web PubSub themselves. */
export interface DirectListener {
  readonly group: string;
  readonly principal: ApplicationPrincipal;
}

interface ListenerDocument extends Document {
  kind: 'direct';
  tenantId: string;
  principal: ApplicationPrincipal;
}

/** Keeps direct listeners in the store, beside the presence of streams. */
export interface DirectListeners {
  add(principal: ApplicationPrincipal): Promise<DirectListener>;
  remove(listener: DirectListener): Promise<void>;
  /** The listeners of a tenant, as last known; none where that is too long ago. Some tokens have ended. */
  ofTenant(tenantId: string): Promise<DirectListener[]>;
  /** The listeners of an application, as they are now. */
  ofApplication(clientId: string): Promise<DirectListener[]>;
}

/** Makes them over the store. */
export function createDirectListeners(
  store: Pick<Store, 'upsert' | 'delete' | 'all'>,
  now: () => number = Date.now,
): DirectListeners {
  const read = async () => {
    const query = { query: "SELECT c.principal FROM c WHERE STARTSWITH(c.id, 'direct|')" };
    const found = await store.all<Pick<ListenerDocument, 'principal'>>('presence', query);
    return found.map(({ principal }) => ({ group: groupOfToken(principal.tokenId), principal }));
  };
  const all = new CachedReads(read, {
    freshMs: LISTENERS_FRESH_MS,
    lastKnownMs: LISTENERS_LAST_KNOWN_MS,
    patienceMs: 0,
    entriesMax: 1,
    keyOf: () => 'all',
    now,
  });
  return {
    async add(principal) {
      const ttl = Math.max(1, Math.ceil((principal.expiresAtMs - now()) / 1000)) + AFTERLIFE_SECONDS;
      const { tenantId } = principal;
      const document: ListenerDocument = {
        id: documentId(principal.tokenId),
        ttl,
        kind: 'direct',
        tenantId,
        principal,
      };
      await store.upsert('presence', document);
      all.forget(undefined);
      return { group: groupOfToken(principal.tokenId), principal };
    },
    async remove({ principal }) {
      const id = documentId(principal.tokenId);
      await store.delete('presence', id, id);
      all.forget(undefined);
    },
    async ofTenant(tenantId) {
      const listeners = await all.get(undefined).catch(() => []);
      return listeners.filter((listener) => listener.principal.tenantId === tenantId);
    },
    async ofApplication(clientId) {
      return (await read()).filter((listener) => listener.principal.clientId === clientId);
    },
  };
}

/** Nobody but holders of URLs that we signed for this very group is in it. */
function groupOfToken(tokenId: string): string {
  return `d.${tokenId}`;
}

function documentId(tokenId: string): string {
  return `direct|${tokenId}`;
}
