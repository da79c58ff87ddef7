/** `/v1/devices`: registrations of a tenant's devices. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import type { CloseReason } from '../alerts/alert.ts';
import { deviceId, DEVICE_GROUPS_MAX, displayName, groupId, registrationId, type Device } from '../devices/devices.ts';
import { attributes } from '../devices/device-profiles.ts';
import { requireMatch } from '../http/etag.ts';
import { invalidInput, Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Stored } from '../store/store.ts';
import { reserveIds, wasMadeUnder } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, searchText, toPage, unpackCursor } from './paging.ts';
import { deleteStored, updateStored } from './update-stored.ts';

const groups = z
  .array(groupId, 'must be an array of group ids')
  .max(DEVICE_GROUPS_MAX, `must hold at most ${DEVICE_GROUPS_MAX} groups`)
  .transform((ids) => [...new Set(ids)]);
const enabled = z.boolean('must be true or false');

export const devicePath = z.object({ deviceId });
export const deviceListQuery = z.object({
  ...pageQuery,
  group: groupId.optional(),
  search: searchText.optional(),
});
/** The body of a registration. The name is the id unless given. */
export const newDevice = z.strictObject({
  deviceId,
  name: displayName.optional(),
  groups: groups.default([]),
  profile: groupId.optional(),
  attributes: attributes.optional(),
  enabled: enabled.default(true),
});
/** The body of a PUT: the whole registration. `deviceId` may be repeated, and must then be the one in the path. */
export const wholeDevice = newDevice.extend({ deviceId: deviceId.optional() });
/** The body of a PATCH. */
export const deviceEdit = z.strictObject({
  name: displayName.optional(),
  groups: groups.optional(),
  /** null: none. */
  profile: groupId.nullish(),
  attributes: attributes.nullish(),
  enabled: enabled.optional(),
});

type DevicePath = z.output<typeof devicePath>;

/** Lists the tenant's devices. */
export async function listDevices(
  { devices }: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof deviceListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, group, search } = query;
  const after = unpackCursor(cursor, 1)?.[0];
  const found = await devices.list(caller.tenantId, { group, search, after, limit: limit + 1 });
  return { jsonBody: toPage(found, limit, viewOf, (device) => [device.deviceId]) };
}

/** Registers a device. @throws Problem 409 when the id is taken, 422 for unknown groups */
export async function createDevice(
  services: ManageServices,
  call: ManageCall<unknown, undefined, z.output<typeof newDevice>>,
): Promise<HttpResponseInit> {
  const { deviceId: id, ...rest } = call.body;
  const { tenantId } = call.caller;
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'device', key, body: call.body };
  const { ids } = await reserveIds(services.store, reservation, () => ({ atMs: services.now() }));
  const created = await register(services, tenantId, id, rest);
  if (!created) {
    const existing = key === null ? undefined : await services.devices.read('direct', id);
    if (existing?.tenantId === tenantId && wasMadeUnder(ids, existing)) {
      return resource(viewOf(existing), existing._etag, 200, { 'idempotency-replayed': 'true' });
    }
    throw idTaken(id);
  }
  await recordChange(services, call, 'device-created', `device:${id}`);
  return resource(viewOf(created), created._etag, 201, { location: `/v1/devices/${encodeURIComponent(id)}` });
}

/** Shows a device. @throws Problem 404 */
export async function getDevice(services: ManageServices, call: ManageCall<DevicePath>): Promise<HttpResponseInit> {
  const device = await ownDevice(services, call.caller.tenantId, call.params.deviceId);
  return resource(viewOf(device), device._etag);
}

/** Registers or replaces a device. @throws Problem 409 when another tenant has the id, 412, 422 for unknown groups */
export async function putDevice(
  services: ManageServices,
  call: ManageCall<DevicePath, undefined, z.output<typeof wholeDevice>>,
): Promise<HttpResponseInit> {
  const { caller, params, request, body } = call;
  const { deviceId: repeated, ...rest } = body;
  if (repeated !== undefined && repeated !== params.deviceId) {
    throw invalidInput('body', [{ field: 'deviceId', rule: 'must be the one in the path', got: repeated }]);
  }
  const current = await services.devices.read('direct', params.deviceId);
  if (current && current.tenantId !== caller.tenantId) throw idTaken(params.deviceId);
  if (!current) {
    requireMatch(request, undefined);
    const created = await register(services, caller.tenantId, params.deviceId, rest);
    if (!created) throw idTaken(params.deviceId);
    await recordChange(services, call, 'device-created', `device:${params.deviceId}`);
    return resource(viewOf(created), created._etag, 201);
  }
  if (request.headers.get('if-none-match') === '*') throw idTaken(params.deviceId, 412);
  const { profile = null, attributes: own = null } = rest;
  return change(services, call, { ...rest, profile, attributes: own, name: rest.name ?? params.deviceId });
}

/** Changes some of a registration. @throws Problem 404, 412, 422 for unknown groups */
export function patchDevice(
  services: ManageServices,
  call: ManageCall<DevicePath, undefined, z.output<typeof deviceEdit>>,
): Promise<HttpResponseInit> {
  return change(services, call, call.body);
}

/** Ends the alerts of a device that is gone. */
interface AlertEnds {
  endAll(tenantId: string, deviceId: string, reason: CloseReason): Promise<void>;
}

/** Ends a registration; what the device sent stays until it expires. @throws Problem 404, 412 */
export async function deleteDevice(
  services: ManageServices & { alertDesk: AlertEnds },
  call: ManageCall<DevicePath>,
): Promise<HttpResponseInit> {
  await deleteStored(call.request, {
    read: () => ownDevice(services, call.caller.tenantId, call.params.deviceId),
    remove: (device) => services.devices.remove(device),
  });
  await services.alertDesk.endAll(call.caller.tenantId, call.params.deviceId, 'deviceRemoved');
  await recordChange(services, call, 'device-deleted', `device:${call.params.deviceId}`);
  return { status: 204 };
}

async function change(
  services: ManageServices,
  call: ManageCall<DevicePath, undefined, unknown>,
  edit: z.output<typeof deviceEdit>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  await requireGroups(services, tenantId, edit.groups ?? []);
  await requireProfile(services, tenantId, edit.profile);
  const given = Object.fromEntries(Object.entries(edit).filter(([, value]) => value !== undefined));
  const updatedAt = new Date(services.now()).toISOString();
  const device = await updateStored<Device>(
    call.request,
    {
      read: () => ownDevice(services, tenantId, call.params.deviceId),
      write: (next, etag) => services.devices.replace(next, etag),
    },
    (current) => {
      const { profile, attributes: own, ...rest }: Device = { ...current, ...given, updatedAt };
      // null takes them away.
      return { ...rest, ...(profile ? { profile } : {}), ...(own ? { attributes: own } : {}) };
    },
  );
  await recordChange(services, call, 'device-changed', `device:${device.deviceId}`, Object.keys(given));
  return resource(viewOf(device), device._etag);
}

async function register(
  services: ManageServices,
  tenantId: TenantId,
  id: string,
  { name = id, ...rest }: Omit<z.output<typeof newDevice>, 'deviceId'>,
): Promise<Stored<Device> | undefined> {
  await requireGroups(services, tenantId, rest.groups);
  await requireProfile(services, tenantId, rest.profile);
  const at = new Date(services.now()).toISOString();
  const identity = { id: registrationId('direct', id), source: 'direct', deviceId: id, tenantId } as const;
  return services.devices.create({ ...identity, name, ...rest, createdAt: at, updatedAt: at });
}

async function requireGroups({ groups: repository }: ManageServices, tenantId: TenantId, ids: string[]): Promise<void> {
  const known = await repository.existing(tenantId, ids);
  const faults = ids.flatMap((id, index) =>
    known.has(id) ? [] : [{ field: `groups.${index}`, rule: 'no such device group in this tenant', got: id }],
  );
  if (faults.length > 0) throw invalidInput('body', faults, 422);
}

async function requireProfile({ profiles }: ManageServices, tenantId: TenantId, id: string | null | undefined) {
  if (id === undefined || id === null || (await profiles.find(tenantId, id))) return;
  throw invalidInput('body', [{ field: 'profile', rule: 'no such device profile in this tenant', got: id }], 422);
}

/** Another tenant's device does not exist for this one. */
async function ownDevice({ devices }: ManageServices, tenantId: TenantId, id: string): Promise<Stored<Device>> {
  const device = await devices.read('direct', id);
  if (device?.tenantId === tenantId) return device;
  throw new Problem('device-not-found', 404, `There is no device ${id}.`);
}

function idTaken(id: string, status = 409): Problem {
  return new Problem('device-id-taken', status, `The device id ${id} is taken: choose another one.`);
}

function viewOf(device: Device) {
  const {
    deviceId: id,
    source,
    name,
    groups: of,
    profile,
    attributes: own,
    enabled: on,
    createdAt,
    updatedAt,
  } = device;
  return { deviceId: id, source, name, groups: of, profile, attributes: own, enabled: on, createdAt, updatedAt };
}
