/** Composes the relay of an instance from the services of the domain. */
import type { Config } from '../config.ts';
import type { DeviceRegistry } from '../devices/device-registry.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Journal } from '../journal/journal.ts';
import type { LiveSubscriber } from '../journal/live-bus.ts';
import type { Presence } from '../journal/presence.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Store } from '../store/store.ts';
import { announcing } from './announcing.ts';
import { latestValues } from './latest-values.ts';
import { Relay } from './relay.ts';
import { streamLimits } from './stream-caps.ts';
import { authorityOfReader, type AdmissionServices, type StreamReader } from './stream-reader.ts';
import { systemTiming } from './timing.ts';

/** Milliseconds after which a changed group is seen by streams that ask for it. */
const MEMBERS_FRESH_MS = 2_500;
/** Milliseconds for which the last known members hold while the store does not answer. */
const MEMBERS_LAST_KNOWN_MS = 60_000;
/** Choices of groups that an instance keeps. */
const MEMBERS_ENTRIES_MAX = 10_000;

/** What the relay is made of. */
export interface RelayServices extends AdmissionServices {
  config: Config;
  store: Store;
  journal: Journal;
  live: LiveSubscriber;
  presence: Pick<Presence, 'announce'>;
  devices: Pick<DeviceRegistry, 'members'>;
  now: () => number;
}

/** Makes the relay of this instance. */
export function createRelay(services: RelayServices): Relay<StreamReader> {
  const { config, store, journal, live, presence, policies, devices, now } = services;
  const timing = { ...systemTiming, now };
  const members = new CachedReads(
    async ({ tenantId, groups }: { tenantId: TenantId; groups: string[] }) =>
      new Set(await devices.members(tenantId, groups)),
    {
      freshMs: MEMBERS_FRESH_MS,
      lastKnownMs: MEMBERS_LAST_KNOWN_MS,
      entriesMax: MEMBERS_ENTRIES_MAX,
      keyOf: ({ tenantId, groups }) => `${tenantId} ${groups.join()}`,
      now,
    },
  );
  const relay = new Relay<StreamReader>({
    journal,
    live: announcing(live, presence, timing),
    authority: (reader) => authorityOfReader(services, reader),
    members: (tenantId, groups) => members.get({ tenantId: tenantId as TenantId, groups: [...groups].toSorted() }),
    latest: (tenantId, ids) => latestValues(store, tenantId, ids),
    timing,
    limits: streamLimits(config),
  });
  live.onChange((clientId) => {
    policies.forget(clientId);
    relay.recheck((reader) => reader.clientId === clientId);
  });
  return relay;
}
