/**
 * Profiles of devices, and what devices inherit. A profile says what kind of device it is: which parameters it sends, in
 * which range, and attributes that all its devices share. An attribute of a device wins over one of its groups (the first
 * in the order of their ids), that over its profile's, that over the tenant's.
 */
import { z } from 'zod';
import type { TenantId } from '../identity/ids.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Stored, Store } from '../store/store.ts';
import { isParameterName, STRING_VALUE_CHARS_MAX, type ReadingValue } from '../telemetry/telemetry-event.ts';
import type { Device, DeviceGroup } from './devices.ts';

/** Attributes of one device, group, profile or tenant. */
export const ATTRIBUTES_MAX = 64;
/** Parameters that one profile describes. */
export const PROFILE_PARAMETERS_MAX = 256;
/** Milliseconds after which a changed attribute is a limit everywhere. */
const FRESH_MS = 5_000;
/** Milliseconds for which ingest goes on with what it knows while the store does not answer. */
const LAST_KNOWN_MS = 60_000;
/** Tenants whose attributes an instance keeps. */
const TENANTS_MAX = 5_000;

const name = z.string().refine(isParameterName, 'must be a name: [A-Za-z_][A-Za-z0-9_.-]{0,63}');
const VALUE_RULE = `must be a finite number, a string of at most ${STRING_VALUE_CHARS_MAX} characters or true/false`;
const value = z.union([z.number(), z.string().max(STRING_VALUE_CHARS_MAX), z.boolean()], { error: VALUE_RULE });

/** Attributes as they come from outside. */
export const attributes = z
  .record(name, value, { error: 'must be an object: value by name' })
  .refine((all) => Object.keys(all).length <= ATTRIBUTES_MAX, `must hold at most ${ATTRIBUTES_MAX} attributes`);

/** The parameters of a profile as they come from outside. */
export const profileParameters = z
  .record(
    name,
    z
      .strictObject({
        type: z.enum(['number', 'string', 'boolean'], 'must be number, string or boolean'),
        unit: z.string().max(32, 'must be at most 32 characters').optional(),
        min: z.number('must be a finite number').optional(),
        max: z.number('must be a finite number').optional(),
      })
      .refine(({ min, max }) => min === undefined || max === undefined || min <= max, {
        path: ['max'],
        error: 'must be at least min',
      })
      .refine(({ type, min, max }) => type === 'number' || (min === undefined && max === undefined), {
        path: ['type'],
        error: 'must be number where there is a min or max',
      }),
  )
  .refine((all) => Object.keys(all).length <= PROFILE_PARAMETERS_MAX, `must hold at most ${PROFILE_PARAMETERS_MAX}`);

/** Attributes by name. */
export type DeviceAttributes = Readonly<Record<string, ReadingValue>>;

/** The document: container `groups`, beside the groups. Times are ISO 8601. */
export interface DeviceProfile {
  /** `profile|profileId`. */
  id: string;
  kind: 'profile';
  profileId: string;
  tenantId: TenantId;
  name: string;
  parameters: z.output<typeof profileParameters>;
  attributes: DeviceAttributes;
  createdAt: string;
  updatedAt: string;
}

/** What devices of a tenant can inherit. */
export interface Inheritance {
  groups: ReadonlyMap<string, DeviceAttributes>;
  profiles: ReadonlyMap<string, DeviceAttributes>;
  tenant: DeviceAttributes;
}

/** A device's attributes with those it inherits. */
export function inheritAttributes(
  { groups, profile, attributes: own }: Pick<Device, 'groups' | 'profile' | 'attributes'>,
  from: Inheritance,
): DeviceAttributes {
  const ofGroups = groups
    .toSorted()
    .toReversed()
    .map((group) => from.groups.get(group));
  return Object.assign({}, from.tenant, profile === undefined ? {} : from.profiles.get(profile), ...ofGroups, own);
}

/** Access to the profiles. */
export class ProfilesRepository {
  readonly #store: Store;
  readonly #inheritance: CachedReads<TenantId, Inheritance>;

  /** @param tenantAttributes what the tenant itself gives all its devices */
  constructor(store: Store, tenantAttributes: (tenantId: TenantId) => Promise<DeviceAttributes>, now = Date.now) {
    this.#store = store;
    this.#inheritance = new CachedReads(
      async (tenantId: TenantId) => ({
        ...(await this.#inherited(tenantId)),
        tenant: await tenantAttributes(tenantId),
      }),
      { freshMs: FRESH_MS, lastKnownMs: LAST_KNOWN_MS, entriesMax: TENANTS_MAX, now },
    );
  }

  find(tenantId: TenantId, profileId: string): Promise<Stored<DeviceProfile> | undefined> {
    return this.#store.read<DeviceProfile>('groups', documentId(profileId), tenantId);
  }

  /** Profiles in the order of their ids. */
  list(tenantId: TenantId, filter: { after?: string | undefined; limit: number }): Promise<Stored<DeviceProfile>[]> {
    const query = `SELECT * FROM c WHERE c.tenantId = @tenantId AND c.kind = 'profile' AND c.id > @after ORDER BY c.id ASC OFFSET 0 LIMIT ${filter.limit}`;
    const parameters = [
      { name: '@tenantId', value: tenantId as string },
      { name: '@after', value: documentId(filter.after ?? '') },
    ];
    return this.#store.all<DeviceProfile>('groups', { query, parameters }, tenantId);
  }

  /** Those of the ids that the tenant has, with what they say. */
  async existing(tenantId: TenantId, profileIds: readonly string[]): Promise<Map<string, Profile>> {
    const found = await Promise.all([...new Set(profileIds)].map((id) => this.find(tenantId, id)));
    return new Map(found.flatMap((each) => (each ? [[each.profileId, toFacts(each)] as const] : [])));
  }

  /** Creates a profile, or replaces it under its etag; undefined when somebody else wrote meanwhile. */
  async save(profile: DeviceProfile, etag?: string): Promise<Stored<DeviceProfile> | undefined> {
    const saved =
      etag === undefined
        ? await this.#store.create('groups', profile)
        : await this.#store.replace('groups', profile, etag);
    this.forget(profile.tenantId);
    return saved;
  }

  /** Removes a profile; false when it changed meanwhile. Its devices then have none. */
  async remove({ id, tenantId, _etag }: Stored<DeviceProfile>): Promise<boolean> {
    const removed = await this.#store.delete('groups', id, tenantId, _etag);
    this.forget(tenantId);
    return removed;
  }

  /** What devices of the tenant inherit, as it was at most 5 s ago. */
  inheritance(tenantId: TenantId): Promise<Inheritance> {
    return this.#inheritance.get(tenantId);
  }

  /** Forgets what devices inherit, after a change. */
  forget(tenantId: TenantId): void {
    this.#inheritance.forget(tenantId);
  }

  async #inherited(tenantId: TenantId): Promise<Omit<Inheritance, 'tenant'>> {
    const query = 'SELECT * FROM c WHERE c.tenantId = @tenantId AND IS_DEFINED(c.attributes)';
    const parameters = [{ name: '@tenantId', value: tenantId as string }];
    const found = await this.#store.all<DeviceProfile | DeviceGroup>('groups', { query, parameters }, tenantId);
    const groups = new Map<string, DeviceAttributes>();
    const profiles = new Map<string, DeviceAttributes>();
    for (const each of found) {
      if ('kind' in each) profiles.set(each.profileId, each.attributes);
      else groups.set(each.id, each.attributes ?? {});
    }
    return { groups, profiles };
  }
}

/** What a profile says of its parameters. */
interface Profile {
  id: string;
  parameters: DeviceProfile['parameters'];
}

function toFacts({ profileId, parameters }: DeviceProfile): Profile {
  return { id: profileId, parameters };
}

function documentId(profileId: string): string {
  return `profile|${profileId}`;
}

/** A new profile. */
export function newProfile(
  identity: { tenantId: TenantId; profileId: string },
  content: Pick<DeviceProfile, 'name' | 'parameters' | 'attributes'>,
  at: string,
): DeviceProfile {
  return { id: documentId(identity.profileId), kind: 'profile', ...identity, ...content, createdAt: at, updatedAt: at };
}
