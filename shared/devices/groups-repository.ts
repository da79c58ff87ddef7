/** Device groups of a tenant, and who is in them. */
import type { TenantId } from '../identity/ids.ts';
import type { Stored, Store } from '../store/store.ts';
import type { DeviceRegistry } from './device-registry.ts';
import type { DeviceGroup } from './devices.ts';

/** Registrations that are changed at the same time when the members of a group change. */
const MEMBERS_AT_ONCE = 8;
/** Times a registration is tried again when somebody else wrote meanwhile. */
const CHANGE_TRIES = 8;

/** Access to the groups. */
export class GroupsRepository {
  readonly #store: Store;
  readonly #devices: DeviceRegistry;

  constructor(store: Store, devices: DeviceRegistry) {
    this.#store = store;
    this.#devices = devices;
  }

  find(tenantId: TenantId, groupId: string): Promise<Stored<DeviceGroup> | undefined> {
    return this.#store.read<DeviceGroup>('groups', groupId, tenantId);
  }

  /** Groups in the order of their ids. */
  list(tenantId: TenantId, filter: { after?: string | undefined; limit: number }): Promise<Stored<DeviceGroup>[]> {
    const after = filter.after === undefined ? '' : ' AND c.id > @after';
    const query = `SELECT * FROM c WHERE c.tenantId = @tenantId AND NOT IS_DEFINED(c.kind)${after} ORDER BY c.id ASC OFFSET 0 LIMIT ${filter.limit}`;
    const parameters = [
      { name: '@tenantId', value: tenantId as string },
      ...(filter.after === undefined ? [] : [{ name: '@after', value: filter.after }]),
    ];
    return this.#store.all<DeviceGroup>('groups', { query, parameters }, tenantId);
  }

  /** Those of the ids that the tenant has. */
  async existing(tenantId: TenantId, groupIds: readonly string[]): Promise<Set<string>> {
    const found = await Promise.all(groupIds.map((groupId) => this.find(tenantId, groupId)));
    return new Set(found.flatMap((group) => (group ? [group.id] : [])));
  }

  /** Creates a group; undefined when its id is taken. */
  create(group: DeviceGroup): Promise<Stored<DeviceGroup> | undefined> {
    return this.#store.create('groups', group);
  }

  /** Replaces a group; undefined when somebody else wrote meanwhile. */
  replace(group: DeviceGroup, etag: string): Promise<Stored<DeviceGroup> | undefined> {
    return this.#store.replace('groups', group, etag);
  }

  /** Removes a group and then its mark on every member; false when it changed meanwhile. */
  async remove(group: Stored<DeviceGroup>): Promise<boolean> {
    const removed = await this.#store.delete('groups', group.id, group.tenantId, group._etag);
    if (removed) await this.setMembers(group.tenantId, group.id, []);
    return removed;
  }

  /**
   * Makes exactly these devices the members. Not atomic over many devices, but repeating it completes it.
   * @param deviceIds devices that the tenant has
   */
  async setMembers(tenantId: TenantId, groupId: string, deviceIds: readonly string[]): Promise<void> {
    const wanted = new Set(deviceIds);
    const present = new Set(await this.#devices.members(tenantId, [groupId]));
    const changes = [
      ...[...wanted].filter((id) => !present.has(id)).map((id) => ({ id, member: true })),
      ...[...present].filter((id) => !wanted.has(id)).map((id) => ({ id, member: false })),
    ];
    for (let start = 0; start < changes.length; start += MEMBERS_AT_ONCE) {
      const some = changes.slice(start, start + MEMBERS_AT_ONCE);
      await Promise.all(some.map(({ id, member }) => this.#setMember(tenantId, groupId, id, member)));
    }
  }

  async #setMember(tenantId: TenantId, groupId: string, deviceId: string, member: boolean): Promise<void> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.#devices.read('direct', deviceId);
      if (current?.tenantId !== tenantId || current.groups.includes(groupId) === member) return;
      const { _etag, _ts, ...device } = current;
      const groups = member ? [...device.groups, groupId] : device.groups.filter((group) => group !== groupId);
      if (await this.#devices.replace({ ...device, groups }, _etag)) return;
    }
    throw Object.assign(new Error(`Device ${deviceId} is being changed too often.`), { code: 449 });
  }
}
