/** The audit: who changed what, and every failed authentication. Append only; it names fields, never values. */
import { randomUUID } from 'node:crypto';
import { log } from '../observability.ts';
import type { Store } from '../store/store.ts';

/** One entry. `actor` and `target` are ids, such as a client id's hint or `application:app_…`. */
export interface AuditEntry {
  tenantId: string;
  actor: string;
  action: string;
  target: string;
  requestId: string;
  /** The address as the platform saw it; undefined where there is none. */
  ip?: string | undefined;
  /** Names of the changed fields. */
  changed?: string[] | undefined;
  /** Why an authentication failed; the wire does not tell it. */
  reason?: string | undefined;
}

/** Writes an entry. Never throws: what was done is done, so a failure to record it is reported and not returned. */
export type Audit = (entry: AuditEntry) => Promise<void>;

/** Entries of failures that belong to no tenant. */
export const NO_TENANT = '-';

/** Makes the audit over the store; one partition per tenant and month. */
export function createAudit(store: Store, now: () => number = Date.now): Audit {
  return async (entry) => {
    const at = new Date(now()).toISOString();
    const document = { id: randomUUID(), pk: `${entry.tenantId}|${at.slice(0, 7)}`, at, ...entry };
    try {
      await store.create('audit', document);
    } catch (error) {
      log('audit-failed', document, error);
    }
  };
}

/** The caller's address: the hop that the platform itself appended, never one that the caller could have written. */
export function callerAddress(headers: Headers): string | undefined {
  const last = headers.get('x-forwarded-for')?.split(',').at(-1)?.trim();
  return last === undefined || last === '' ? undefined : last.slice(0, 64);
}
