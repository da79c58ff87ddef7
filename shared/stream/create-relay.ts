/** Composes the relay of an instance from the services of the domain. */
import type { Policies } from '../applications/application-policy.ts';
import type { Config } from '../config.ts';
import type { DeviceRegistry } from '../devices/device-registry.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Journal } from '../journal/journal.ts';
import type { LiveSubscriber } from '../journal/live-bus.ts';
import { CachedReads } from '../store/cached-reads.ts';
import { Relay, streamLimits } from './relay.ts';
import { systemTiming } from './timing.ts';

/** Milliseconds after which a changed group is seen by streams that ask for it. */
const MEMBERS_FRESH_MS = 2_500;
/** Milliseconds for which the last known members hold while the store does not answer. */
const MEMBERS_LAST_KNOWN_MS = 60_000;
/** Choices of groups that an instance keeps. */
const MEMBERS_ENTRIES_MAX = 10_000;

/** What the relay is made of. */
export interface RelayServices {
  config: Config;
  journal: Journal;
  live: LiveSubscriber;
  policies: Pick<Policies, 'authorityOf'>;
  devices: Pick<DeviceRegistry, 'members'>;
  now: () => number;
}

/** Makes the relay of this instance. */
export function createRelay({
  config,
  journal,
  live,
  policies,
  devices,
  now,
}: RelayServices): Relay<ApplicationPrincipal> {
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
  return new Relay({
    journal,
    live,
    authority: (caller) => policies.authorityOf(caller),
    members: (tenantId, groups) => members.get({ tenantId: tenantId as TenantId, groups: [...groups].toSorted() }),
    timing: { ...systemTiming, now },
    limits: streamLimits(config),
  });
}
