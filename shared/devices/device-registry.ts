/** Registrations of devices: the point read that ingest makes for every device of a batch, and what management needs. */
import type { TenantId } from '../identity/ids.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Stored, Store } from '../store/store.ts';
import { registrationId, type Device, type DeviceSource } from './devices.ts';

/** Milliseconds after which a change of a registration is seen by every instance; unknown devices are remembered as well. */
const FRESH_MS = 5_000;
/** Registrations that an instance keeps. */
const CACHED_MAX = 50_000;
/** Ids of one query; a query text has a limit of 256 KB. */
const IDS_PER_QUERY = 500;

/** Which devices a list holds. */
interface DeviceFilter {
  group?: string | undefined;
  search?: string | undefined;
  /** Lists what comes after this device id. */
  after?: string | undefined;
  limit: number;
}

/** The registry. */
export interface DeviceRegistry {
  /** The registration as it was at most 5 s ago; undefined for an unknown device. For ingest. */
  find(source: DeviceSource, deviceId: string): Promise<Device | undefined>;
  /** The registration now. */
  read(source: DeviceSource, deviceId: string): Promise<Stored<Device> | undefined>;
  /** Devices of a tenant in the order of their ids. */
  list(tenantId: TenantId, filter: DeviceFilter): Promise<Stored<Device>[]>;
  /** Ids of the devices that are in any of the groups now. */
  members(tenantId: TenantId, groups: readonly string[]): Promise<string[]>;
  /** Those of the ids that the tenant has. */
  existing(tenantId: TenantId, deviceIds: readonly string[]): Promise<Set<string>>;
  /** How many devices the tenant has. */
  count(tenantId: TenantId): Promise<number>;
  /** Registers a device; undefined when its id is taken, by this tenant or another. */
  create(device: Device): Promise<Stored<Device> | undefined>;
  /** Replaces a registration; undefined when somebody else wrote meanwhile. */
  replace(device: Device, etag: string): Promise<Stored<Device> | undefined>;
  /** Removes a registration; false when it changed meanwhile. */
  remove(device: Stored<Device>): Promise<boolean>;
}

/** Makes the registry over the store. */
export function createDeviceRegistry(store: Store, now: () => number = Date.now): DeviceRegistry {
  const cache = new CachedReads((id: string) => store.read<Device>('devices', id, id), {
    freshMs: FRESH_MS,
    entriesMax: CACHED_MAX,
    now,
  });
  const changed = <T>(id: string, result: T): T => {
    cache.forget(id);
    return result;
  };
  return {
    find: (source, deviceId) => cache.get(registrationId(source, deviceId)),
    read: (source, deviceId) => {
      const id = registrationId(source, deviceId);
      return store.read<Device>('devices', id, id);
    },
    list: (tenantId, filter) => list(store, tenantId, filter),
    members: (tenantId, groups) => members(store, tenantId, groups),
    existing: (tenantId, deviceIds) => existing(store, tenantId, deviceIds),
    count: (tenantId) => countOf(store, tenantId),
    create: async (device) => changed(device.id, await store.create('devices', device)),
    replace: async (device, etag) => changed(device.id, await store.replace('devices', device, etag)),
    remove: async ({ id, _etag }) => changed(id, await store.delete('devices', id, id, _etag)),
  };
}

function list(store: Store, tenantId: TenantId, filter: DeviceFilter): Promise<Stored<Device>[]> {
  const conditions = ['c.tenantId = @tenantId'];
  const parameters = [{ name: '@tenantId', value: tenantId as string }];
  const restrict = (condition: string, name: string, value: string | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    parameters.push({ name, value });
  };
  restrict('ARRAY_CONTAINS(c.groups, @group)', '@group', filter.group);
  restrict('(CONTAINS(c.deviceId, @search, true) OR CONTAINS(c.name, @search, true))', '@search', filter.search);
  restrict('c.deviceId > @after', '@after', filter.after);
  const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.deviceId ASC OFFSET 0 LIMIT ${filter.limit}`;
  return store.all<Device>('devices', { query, parameters });
}

async function members(store: Store, tenantId: TenantId, groups: readonly string[]): Promise<string[]> {
  if (groups.length === 0) return [];
  const inGroup = groups.map((_, index) => `ARRAY_CONTAINS(c.groups, @group${index})`).join(' OR ');
  const found = await store.all<{ deviceId: string }>('devices', {
    query: `SELECT c.deviceId FROM c WHERE c.tenantId = @tenantId AND (${inGroup})`,
    parameters: [
      { name: '@tenantId', value: tenantId },
      ...groups.map((group, index) => ({ name: `@group${index}`, value: group })),
    ],
  });
  return found.map(({ deviceId }) => deviceId);
}

async function countOf(store: Store, tenantId: TenantId): Promise<number> {
  const query = 'SELECT VALUE 1 FROM c WHERE c.tenantId = @tenantId';
  const found = await store.all('devices', { query, parameters: [{ name: '@tenantId', value: tenantId }] });
  return found.length;
}

async function existing(store: Store, tenantId: TenantId, deviceIds: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (let start = 0; start < deviceIds.length; start += IDS_PER_QUERY) {
    const found = await store.all<{ deviceId: string }>('devices', {
      query: 'SELECT c.deviceId FROM c WHERE c.tenantId = @tenantId AND ARRAY_CONTAINS(@ids, c.deviceId)',
      parameters: [
        { name: '@tenantId', value: tenantId },
        { name: '@ids', value: deviceIds.slice(start, start + IDS_PER_QUERY) },
      ],
    });
    for (const { deviceId } of found) known.add(deviceId);
  }
  return known;
}
