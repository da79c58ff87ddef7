/** `/v1/device-groups`: named sets of a tenant's devices. */
import { randomBytes } from 'node:crypto';
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { deviceId, displayName, groupId, type DeviceGroup } from '../devices/devices.ts';
import { attributes } from '../devices/device-profiles.ts';
import { requireMatch } from '../http/etag.ts';
import { invalidInput, Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { withoutSystemFields, type Stored } from '../store/store.ts';
import { reserveIds, wasMadeUnder } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';
import { deleteStored, updateStored } from './update-stored.ts';

/** Devices that one request puts into a group. */
const GROUP_DEVICES_MAX = 5_000;
/** Bytes of a request that names them. */
export const GROUP_BODY_BYTES_MAX = 1024 * 1024;

const members = z
  .array(deviceId, 'must be an array of device ids')
  .max(GROUP_DEVICES_MAX, `must hold at most ${GROUP_DEVICES_MAX} devices`)
  .transform((ids) => [...new Set(ids)]);

export const groupPath = z.object({ id: groupId });
export const groupListQuery = z.object(pageQuery);
/** The body of a creation: an id, a name, or both; the name is the id unless given, an id is made unless given. */
export const newGroup = z
  .strictObject({
    id: groupId.optional(),
    name: displayName.optional(),
    attributes: attributes.optional(),
    devices: members.default([]),
  })
  .refine(({ id, name }) => id !== undefined || name !== undefined, { error: 'is missing', path: ['name'] });
/** The body of a PUT. Without `devices` the members stay. */
export const wholeGroup = z.strictObject({
  id: groupId.optional(),
  name: displayName.optional(),
  attributes: attributes.optional(),
  devices: members.optional(),
});
/** The body of a PATCH: `devices` sets the members, `addDevices` and `removeDevices` change some. */
export const groupEdit = z.strictObject({
  name: displayName.optional(),
  /** What the group's devices inherit; null: nothing. */
  attributes: attributes.nullish(),
  devices: members.optional(),
  addDevices: members.optional(),
  removeDevices: members.optional(),
});

type GroupPath = z.output<typeof groupPath>;

/** Lists the tenant's groups, without their members. */
export async function listGroups(
  { groups }: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof groupListQuery>>,
): Promise<HttpResponseInit> {
  const after = unpackCursor(query.cursor, 1)?.[0];
  const found = await groups.list(caller.tenantId, { after, limit: query.limit + 1 });
  return { jsonBody: toPage(found, query.limit, summaryOf, (group) => [group.id]) };
}

/** Creates a group with its members. @throws Problem 409 when the id is taken, 422 for unknown devices */
export async function createGroup(
  services: ManageServices,
  call: ManageCall<unknown, undefined, z.output<typeof newGroup>>,
): Promise<HttpResponseInit> {
  const { id: chosen = `grp_${randomBytes(8).toString('hex')}`, ...content } = call.body;
  const { tenantId } = call.caller;
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'group', key, body: call.body };
  const { ids } = await reserveIds(services.store, reservation, () => ({ id: chosen, atMs: services.now() }));
  const { id } = ids;
  const created = await add(services, call, id, content);
  if (!created) {
    const existing = key === null ? undefined : await services.groups.find(tenantId, id);
    if (existing && wasMadeUnder(ids, existing)) {
      return respond(services, existing, 200, { 'idempotency-replayed': 'true' });
    }
    throw new Problem('group-id-taken', 409, `There is a device group ${id} already.`);
  }
  return respond(services, created, 201, { location: `/v1/device-groups/${id}` });
}

/** Shows a group with its members. @throws Problem 404 */
export async function getGroup(services: ManageServices, call: ManageCall<GroupPath>): Promise<HttpResponseInit> {
  return respond(services, await ownGroup(services, call.caller.tenantId, call.params.id));
}

/** Creates or replaces a group. @throws Problem 412, 422 for unknown devices */
export async function putGroup(
  services: ManageServices,
  call: ManageCall<GroupPath, undefined, z.output<typeof wholeGroup>>,
): Promise<HttpResponseInit> {
  const { caller, params, request, body } = call;
  if (body.id !== undefined && body.id !== params.id) {
    throw invalidInput('body', [{ field: 'id', rule: 'must be the one in the path', got: body.id }]);
  }
  if (!(await services.groups.find(caller.tenantId, params.id))) {
    requireMatch(request, undefined);
    const created = await add(services, call, params.id, body);
    if (created) return respond(services, created, 201);
  }
  const { name = params.id, attributes: own = null, devices } = body;
  return change(services, call, { name, attributes: own, devices });
}

/** Changes a group. @throws Problem 404, 412, 422 for unknown devices */
export function patchGroup(
  services: ManageServices,
  call: ManageCall<GroupPath, undefined, z.output<typeof groupEdit>>,
): Promise<HttpResponseInit> {
  return change(services, call, call.body);
}

/** Deletes a group; its devices stay. @throws Problem 404, 409 while an application's policy names it, 412 */
export async function deleteGroup(services: ManageServices, call: ManageCall<GroupPath>): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const id = call.params.id;
  const users = await services.applications.namesUsingGroup(tenantId, id);
  if (users.length > 0) {
    const detail = `External applications use this group (${users.join(', ')}): take it out of them first.`;
    throw new Problem('group-in-use', 409, detail, { extensions: { applications: users } });
  }
  await deleteStored(call.request, {
    read: () => ownGroup(services, tenantId, id),
    remove: (group) => services.groups.remove(group),
  });
  await recordChange(services, call, 'device-group-deleted', `device-group:${id}`);
  return { status: 204 };
}

async function add(
  services: ManageServices,
  call: ManageCall<unknown, undefined, unknown>,
  id: string,
  {
    name,
    attributes: own,
    devices = [],
  }: Pick<DeviceGroup, 'attributes'> & { name?: string | undefined; devices?: string[] | undefined },
): Promise<Stored<DeviceGroup> | undefined> {
  const { tenantId } = call.caller;
  await requireDevices(services, tenantId, 'devices', devices);
  const at = new Date(services.now()).toISOString();
  const created = await services.groups.create({
    id,
    tenantId,
    name: name ?? id,
    ...(own ? { attributes: own } : {}),
    createdAt: at,
    updatedAt: at,
  });
  if (!created) return undefined;
  if (devices.length > 0) await services.groups.setMembers(tenantId, id, devices);
  await recordChange(services, call, 'device-group-created', `device-group:${id}`);
  return created;
}

async function change(
  services: ManageServices,
  call: ManageCall<GroupPath, undefined, unknown>,
  { name, attributes: own, devices, addDevices = [], removeDevices = [] }: z.output<typeof groupEdit>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const id = call.params.id;
  await requireDevices(services, tenantId, 'devices', devices ?? []);
  await requireDevices(services, tenantId, 'addDevices', addDevices);
  const updatedAt = new Date(services.now()).toISOString();
  // Written even when only members change: the ETag stands for them as well.
  const group = await updateStored<DeviceGroup>(
    call.request,
    {
      read: () => ownGroup(services, tenantId, id),
      write: (next, etag) => services.groups.replace(next, etag),
    },
    (current) => {
      const { attributes: before, ...rest } = current;
      const next = own === undefined ? before : (own ?? undefined);
      return {
        ...rest,
        ...(name === undefined ? {} : { name }),
        ...(next === undefined ? {} : { attributes: next }),
        updatedAt,
      };
    },
  );
  if (devices !== undefined || addDevices.length > 0 || removeDevices.length > 0) {
    const start = devices ?? (await services.devices.members(tenantId, [id]));
    const removed = new Set(removeDevices);
    const next = [...new Set([...start, ...addDevices])].filter((device) => !removed.has(device));
    await services.groups.setMembers(tenantId, id, next);
  }
  if (own !== undefined) services.profiles.forget(tenantId);
  const changed = Object.entries({ name, devices, addDevices, removeDevices });
  const names = changed.filter(([, value]) => value !== undefined && value.length > 0).map(([field]) => field);
  if (own !== undefined) names.push('attributes');
  await recordChange(services, call, 'device-group-changed', `device-group:${id}`, names);
  return respond(services, group);
}

async function requireDevices(services: ManageServices, tenantId: TenantId, field: string, ids: string[]) {
  const known = await services.devices.existing(tenantId, ids);
  const faults = ids.flatMap((id, index) =>
    known.has(id) ? [] : [{ field: `${field}.${index}`, rule: 'no such device in this tenant', got: id }],
  );
  if (faults.length > 0) throw invalidInput('body', faults.slice(0, 20), 422);
}

async function ownGroup({ groups }: ManageServices, tenantId: TenantId, id: string): Promise<Stored<DeviceGroup>> {
  const group = await groups.find(tenantId, id);
  if (group) return group;
  throw new Problem('group-not-found', 404, `There is no device group ${id}.`);
}

async function respond(
  { devices }: ManageServices,
  group: Stored<DeviceGroup>,
  status = 200,
  headers: Record<string, string> = {},
): Promise<HttpResponseInit> {
  const ids = await devices.members(group.tenantId, [group.id]);
  return resource({ ...summaryOf(group), devices: ids.toSorted() }, group._etag, status, headers);
}

function summaryOf(group: Stored<DeviceGroup>) {
  const { id, name, attributes: own, createdAt, updatedAt } = withoutSystemFields<DeviceGroup>(group);
  return { id, name, attributes: own, createdAt, updatedAt };
}
