/**
 * A tenant: whose devices, rules, applications and users they are. A tenant works without a document of its own: the
 * document gives it a name, and lets the platform switch it off.
 */
import { Problem } from '../http/problem.ts';
import { CachedReads } from '../store/cached-reads.ts';
import { withoutSystemFields, type Store, type Stored } from '../store/store.ts';
import type { TenantId } from './ids.ts';

/** Milliseconds after which a tenant that was switched off is refused by every instance. */
const FRESH_MS = 2_000;
/** Milliseconds for which the last known state holds while the store does not answer. */
const LAST_KNOWN_MS = 60_000;
/** Tenants that an instance keeps. */
const TENANTS_MAX = 10_000;
/** Times a change is tried again when somebody else wrote meanwhile. */
const CHANGE_TRIES = 8;
const DOCUMENT_ID = 'tenant';

/** The document: container `identity`. Times are ISO 8601. */
export interface Tenant {
  id: typeof DOCUMENT_ID;
  kind: 'tenant';
  tenantId: TenantId;
  name: string;
  enabled: boolean;
  version: number;
  createdAt: string;
  updatedAt: string;
}

/** A tenant as the API shows it. */
export function viewOfTenant({ tenantId, name, enabled, createdAt, updatedAt }: Tenant) {
  return { id: tenantId, name, status: enabled ? ('enabled' as const) : ('disabled' as const), createdAt, updatedAt };
}

/** Access to tenants. */
export class Tenants {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #cache: CachedReads<TenantId, Stored<Tenant> | undefined>;

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
    this.#cache = new CachedReads((tenantId: TenantId) => this.find(tenantId), {
      freshMs: FRESH_MS,
      lastKnownMs: LAST_KNOWN_MS,
      entriesMax: TENANTS_MAX,
      now,
    });
  }

  find(tenantId: TenantId): Promise<Stored<Tenant> | undefined> {
    return this.#store.read<Tenant>('identity', DOCUMENT_ID, tenantId);
  }

  /** Whether the tenant was switched off, as of at most 2 s ago. */
  async disabled(tenantId: TenantId): Promise<boolean> {
    return (await this.#cache.get(tenantId))?.enabled === false;
  }

  /** Tenants with a document, in the order of their ids. */
  list({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<Stored<Tenant>[]> {
    const query = `SELECT * FROM c WHERE c.kind = 'tenant' AND c.tenantId > @after ORDER BY c.tenantId ASC OFFSET 0 LIMIT ${limit}`;
    return this.#store.all<Tenant>('identity', { query, parameters: [{ name: '@after', value: after }] });
  }

  /** Creates a tenant; undefined when there is one with this id. */
  create(tenantId: TenantId, name: string): Promise<Tenant | undefined> {
    const at = new Date(this.#now()).toISOString();
    const document: Tenant = {
      id: DOCUMENT_ID,
      kind: 'tenant',
      tenantId,
      name,
      enabled: true,
      version: 1,
      createdAt: at,
      updatedAt: at,
    };
    return this.#store.create('identity', document);
  }

  /** Changes a tenant under its etag. @param change may throw a Problem */
  async change(tenantId: TenantId, change: (tenant: Tenant) => Partial<Tenant>): Promise<Tenant | undefined> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.find(tenantId);
      if (!current) return undefined;
      const tenant = withoutSystemFields<Tenant>(current);
      const next = {
        ...tenant,
        ...change(tenant),
        version: tenant.version + 1,
        updatedAt: new Date(this.#now()).toISOString(),
      };
      if (await this.#store.replace('identity', next, current._etag)) {
        this.#cache.forget(tenantId);
        return next;
      }
    }
    throw Object.assign(new Error(`Tenant ${tenantId} is being changed too often.`), { code: 449 });
  }

  /** Deletes the document of a tenant; false when there is none. */
  async remove(tenantId: TenantId): Promise<boolean> {
    const removed = await this.#store.delete('identity', DOCUMENT_ID, tenantId);
    this.#cache.forget(tenantId);
    return removed;
  }
}

/** The answer for a tenant that there is not. */
export function noSuchTenant(tenantId: string): Problem {
  return new Problem('tenant-not-found', 404, `There is no tenant ${tenantId.slice(0, 64)}.`);
}
