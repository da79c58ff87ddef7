/** `/v1/alerts`, `/v1/anomalies`, `/v1/quarantine`: what rules, detectors and ingest found, the newest first. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { deviceId } from '../devices/devices.ts';
import { severity } from '../rules/severity.ts';
import { withoutSystemFields, type Document, type Stored } from '../store/store.ts';
import type { ManageCall, ManageServices } from './manage-services.ts';
import { newestFirst } from './newest-first.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';

const ruleId = z.string().max(64, 'is not the id of a rule');
const condition = z.enum(['active', 'resolved'], 'must be active or resolved');
const handling = z.enum(['acknowledged', 'unacknowledged'], 'must be acknowledged or unacknowledged');

/** Filters have a short name and the name of the member that they compare, as a reader of the list would guess. */
export const alertListQuery = z.object({
  ...pageQuery,
  device: deviceId.optional(),
  deviceId: deviceId.optional(),
  rule: ruleId.optional(),
  ruleId: ruleId.optional(),
  state: condition.optional(),
  condition: condition.optional(),
  handling: handling.optional(),
  severity: severity.optional(),
});
export const anomalyListQuery = z.object({
  ...pageQuery,
  device: deviceId.optional(),
  deviceId: deviceId.optional(),
  parameter: z.string().max(64, 'is not the name of a parameter').optional(),
  state: z.enum(['open', 'closed'], 'must be open or closed').optional(),
});
export const quarantineListQuery = z.object({
  ...pageQuery,
  lane: z.string().max(64, 'is not a lane').optional(),
  reason: z.string().max(64, 'is not a reason').optional(),
});

interface Finding extends Document {
  pk: string;
  kind: string;
  openedAt: string;
}

interface Listed extends Document {
  openedAt: string;
}

interface Quarantined extends Document {
  quarantinedAt: string;
}

/** Lists the tenant's alerts, from the list that the projection keeps: up to a second behind the alert itself. */
export async function listAlerts(
  services: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof alertListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, handling: handled, severity: grade } = query;
  const found = await newestFirst<'openedAt', Listed>(services.store, {
    container: 'alerts',
    ...equalities({
      tenantId: caller.tenantId,
      deviceId: query.deviceId ?? query.device,
      ruleId: query.ruleId ?? query.rule,
      condition: query.condition ?? query.state,
      handling: handled,
      severity: grade,
    }),
    time: 'openedAt',
    after: position(cursor),
    limit: limit + 1,
    partitionKey: caller.tenantId,
  });
  const view = (item: Stored<Listed>) => {
    const { ttl: _ttl, ...alert } = withoutSystemFields<Listed>(item);
    return alert;
  };
  return { jsonBody: toPage(found, limit, view, ({ openedAt, id }) => [openedAt, id]) };
}

/** Lists the tenant's anomalies. */
export function listAnomalies(
  services: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof anomalyListQuery>>,
): Promise<HttpResponseInit> {
  const { parameter, state } = query;
  return listOfTenant(services, caller.tenantId, 'anomaly', query, {
    deviceId: query.deviceId ?? query.device,
    parameter,
    state,
  });
}

/** Lists what ingest refused, of every tenant: an event that is not accepted belongs to none. */
export async function listQuarantine(
  { store }: ManageServices,
  { query }: ManageCall<unknown, z.output<typeof quarantineListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, lane, reason } = query;
  const found = await newestFirst<'quarantinedAt', Quarantined>(store, {
    container: 'quarantine',
    ...equalities({ lane, reason }, ['IS_DEFINED(c.quarantinedAt)']),
    time: 'quarantinedAt',
    after: position(cursor),
    limit: limit + 1,
    partitionKey: lane,
  });
  const view = (item: Stored<Quarantined>) => {
    const { ttl: _ttl, ...rest } = withoutSystemFields<Quarantined>(item);
    return rest;
  };
  return { jsonBody: toPage(found, limit, view, ({ quarantinedAt, id }) => [quarantinedAt, id]) };
}

async function listOfTenant(
  { store }: ManageServices,
  tenantId: string,
  kind: 'anomaly',
  { limit, cursor }: { limit: number; cursor?: string | undefined },
  filter: Record<string, string | undefined>,
): Promise<HttpResponseInit> {
  const found = await newestFirst<'openedAt', Finding>(store, {
    container: 'device-data',
    ...equalities({ tenantId, kind, ...filter }),
    time: 'openedAt',
    after: position(cursor),
    limit: limit + 1,
  });
  return { jsonBody: toPage(found, limit, viewOf, ({ openedAt, id }) => [openedAt, id]) };
}

/** Shows a finding as its room defines it: without what only the store needs. */
function viewOf(stored: Stored<Finding>): object {
  const {
    pk: _pk,
    ttl: _ttl,
    kind: _kind,
    anomalyId,
    anomalyKind,
    ...rest
  } = withoutSystemFields<Finding & { anomalyId?: string; anomalyKind?: string }>(stored);
  return { ...rest, id: anomalyId ?? rest.id, ...(anomalyKind === undefined ? {} : { kind: anomalyKind }) };
}

function equalities(filter: Record<string, string | undefined>, conditions: string[] = []) {
  const given = Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    conditions: [...conditions, ...given.map(([name]) => `c.${name} = @${name}`)],
    parameters: given.map(([name, value]) => ({ name: `@${name}`, value })),
  };
}

function position(cursor: string | undefined): { time: string; id: string } | undefined {
  const [time, id] = unpackCursor(cursor, 2) ?? [];
  return time === undefined || id === undefined ? undefined : { time, id };
}
