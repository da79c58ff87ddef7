/** `/v1/audit`: who changed what in the tenant, the newest first, one month at a time. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { noSuchApplication } from '../applications/edit-application.ts';
import { Problem } from '../http/problem.ts';
import { NO_TENANT, type AuditEntry } from '../identity/audit.ts';
import { permits } from '../identity/roles.ts';
import { withoutSystemFields, type Document, type Stored } from '../store/store.ts';
import type { ManageCall, ManageServices } from './manage-services.ts';
import { newestFirst } from './newest-first.ts';
import { pageQuery, searchText, toPage, unpackCursor } from './paging.ts';

const month = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-11')
  .optional();

export const auditListQuery = z.object({
  ...pageQuery,
  month,
  actor: searchText.optional(),
  action: searchText.optional(),
  target: searchText.optional(),
  /** Entries that belong to no tenant, such as failures of unknown clients. For platform administrators. */
  unattributed: z.literal('true', 'must be true').optional(),
});
export const activityQuery = z.object({ ...pageQuery, month });

interface StoredEntry extends Document, AuditEntry {
  pk: string;
  at: string;
}

/** Lists the audit of a month, by default the present one. @throws Problem 403 for what belongs to no tenant */
export async function listAudit(
  { store, now }: ManageServices,
  { caller, query }: Pick<ManageCall<unknown, z.output<typeof auditListQuery>>, 'caller' | 'query'>,
): Promise<HttpResponseInit> {
  const { limit, cursor, month: asked, unattributed, ...filter } = query;
  if (unattributed !== undefined && !permits(caller.roles, 'operate-platform')) {
    throw new Problem('forbidden', 403, 'Only a platform administrator sees entries that belong to no tenant.');
  }
  const partitionKey = `${unattributed === undefined ? caller.tenantId : NO_TENANT}|${asked ?? new Date(now()).toISOString().slice(0, 7)}`;
  const given = Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const [time, id] = unpackCursor(cursor, 2) ?? [];
  const found = await newestFirst<'at', StoredEntry>(store, {
    container: 'audit',
    conditions: ['c.pk = @pk', ...given.map(([name]) => `c.${name} = @${name}`)],
    parameters: [{ name: '@pk', value: partitionKey }, ...given.map(([name, value]) => ({ name: `@${name}`, value }))],
    time: 'at',
    after: time === undefined || id === undefined ? undefined : { time, id },
    limit: limit + 1,
    partitionKey,
  });
  return { jsonBody: toPage(found, limit, viewOf, (entry) => [entry.at, entry.id]) };
}

/** Lists what was done to one application. @throws Problem 404 */
export async function listActivity(
  services: ManageServices,
  { caller, params, query }: ManageCall<{ id: string }, z.output<typeof activityQuery>>,
): Promise<HttpResponseInit> {
  const application = await services.applications.find(caller.tenantId, params.id);
  if (!application) throw noSuchApplication(params.id);
  return listAudit(services, { caller, query: { ...query, target: `application:${params.id}` } });
}

function viewOf(stored: Stored<StoredEntry>) {
  const { pk: _pk, ttl: _ttl, ...entry } = withoutSystemFields<StoredEntry>(stored);
  return entry;
}
