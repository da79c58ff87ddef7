/** `/v1/maintenance-windows`: when nobody is told. */
import { randomBytes } from 'node:crypto';
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { invalidInput, Problem, type FieldFault } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import {
  coversUntil,
  WINDOWS_PER_TENANT_MAX,
  type WindowContent,
  type WindowDocument,
  type WindowsRepository,
} from '../notifications/maintenance-window.ts';
import type { Stored } from '../store/store.ts';
import { reserveIds } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { deleteStored, updateStored } from './update-stored.ts';

/** What the management of maintenance windows works with. */
export interface MaintenanceServices extends ManageServices {
  windows: WindowsRepository;
}

export const windowPath = z.object({
  windowId: z.string().regex(/^mnt_[A-Za-z0-9_-]{1,60}$/, 'is not the id of a maintenance window'),
});
type Path = z.output<typeof windowPath>;

/** Lists the tenant's maintenance windows. */
export async function listWindows(
  { windows, now }: MaintenanceServices,
  { caller }: ManageCall,
): Promise<HttpResponseInit> {
  const items = (await windows.list(caller.tenantId)).map((each) => viewOf(each, now()));
  return { jsonBody: { items, nextCursor: null } };
}

/** Creates a maintenance window. @throws Problem 409, 422 where its scope names what the tenant does not have */
export async function createWindow(
  services: MaintenanceServices,
  call: ManageCall<unknown, undefined, WindowContent>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  await requireScope(services, tenantId, call.body);
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'maintenance-window', key, body: call.body };
  const newIds = () => ({ id: `mnt_${randomBytes(12).toString('base64url')}` });
  const { id } = (await reserveIds(services.store, reservation, newIds)).ids;
  const existing = key === null ? undefined : await services.windows.find(tenantId, id);
  if (existing) return respond(services, existing, { 'idempotency-replayed': 'true' });
  if ((await services.windows.list(tenantId)).length >= WINDOWS_PER_TENANT_MAX) {
    const detail = `A tenant has at most ${WINDOWS_PER_TENANT_MAX} maintenance windows: delete one first.`;
    throw new Problem('too-many-maintenance-windows', 409, detail);
  }
  const at = new Date(services.now()).toISOString();
  const document: WindowDocument = {
    id,
    tenantId,
    kind: 'maintenance-window',
    content: call.body,
    createdAt: at,
    updatedAt: at,
  };
  const created = await services.windows.create(document);
  if (!created) throw new Problem('changed-meanwhile', 409, 'Others keep changing this at the same time: try again.');
  await recordChange(services, call, 'maintenance-window-created', `maintenance-window:${id}`);
  const view = viewOf(created, services.now());
  return resource(view, created._etag, 201, { location: `/v1/maintenance-windows/${id}` });
}

/** Shows a maintenance window. @throws Problem 404 */
export async function getWindow(services: MaintenanceServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  return respond(services, await own(services, call));
}

/** Replaces a maintenance window. @throws Problem 404, 412, 422 */
export async function putWindow(
  services: MaintenanceServices,
  call: ManageCall<Path, undefined, WindowContent>,
): Promise<HttpResponseInit> {
  await requireScope(services, call.caller.tenantId, call.body);
  const updatedAt = new Date(services.now()).toISOString();
  const updated = await updateStored<WindowDocument>(
    call.request,
    { read: () => own(services, call), write: (next, etag) => services.windows.replace(next, etag) },
    (before) => ({ ...before, content: call.body, updatedAt }),
  );
  await recordChange(services, call, 'maintenance-window-changed', `maintenance-window:${call.params.windowId}`);
  return respond(services, updated);
}

/** Deletes a maintenance window; what it held is told within minutes. @throws Problem 404, 412 */
export async function deleteWindow(services: MaintenanceServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  await deleteStored(call.request, {
    read: () => own(services, call),
    remove: (window) => services.windows.remove(window),
  });
  await recordChange(services, call, 'maintenance-window-deleted', `maintenance-window:${call.params.windowId}`);
  return { status: 204 };
}

async function requireScope(services: MaintenanceServices, tenantId: TenantId, { scope }: WindowContent) {
  const [devices, groups, rules] = await Promise.all([
    scope.devices.length > 0 ? services.devices.existing(tenantId, scope.devices) : new Set<string>(),
    services.groups.existing(tenantId, scope.groups),
    scope.rules.length > 0 ? services.rules.list(tenantId, { limit: 1001 }) : [],
  ]);
  const ruleIds = new Set(rules.map(({ id }) => id));
  const unknown = (field: string, ids: readonly string[], known: { has(id: string): boolean }, what: string) =>
    ids.flatMap((id, index): FieldFault[] =>
      known.has(id) ? [] : [{ field: `scope.${field}.${index}`, rule: `no such ${what} in this tenant`, got: id }],
    );
  const faults = [
    ...unknown('devices', scope.devices, devices, 'device'),
    ...unknown('groups', scope.groups, groups, 'device group'),
    ...unknown('rules', scope.rules, ruleIds, 'rule'),
  ];
  if (faults.length > 0) throw invalidInput('body', faults.slice(0, 20), 422);
}

async function own(
  { windows }: MaintenanceServices,
  { caller, params }: Pick<ManageCall<Path>, 'caller' | 'params'>,
): Promise<Stored<WindowDocument>> {
  const found = await windows.find(caller.tenantId, params.windowId);
  if (found) return found;
  const detail = 'There is no such maintenance window: GET /v1/maintenance-windows lists them.';
  throw new Problem('unknown-maintenance-window', 404, detail);
}

function respond(
  services: MaintenanceServices,
  window: Stored<WindowDocument>,
  headers: Record<string, string> = {},
): HttpResponseInit {
  return resource(viewOf(window, services.now()), window._etag, 200, headers);
}

/** `activeUntil`: when it is open now, until when. */
function viewOf({ id, content, createdAt, updatedAt }: WindowDocument, nowMs: number) {
  const { scope } = content;
  const its = { deviceId: scope.devices[0] ?? '', groups: scope.groups, ruleId: scope.rules[0] ?? '' };
  const until = coversUntil(content, its, nowMs);
  const activeUntil = until === undefined ? null : new Date(until).toISOString();
  return { id, ...content, activeUntil, createdAt, updatedAt };
}
