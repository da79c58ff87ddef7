/** The live bus of an instance that says which tenants it listens to, so that ingest publishes for those and no others. */
import { ANNOUNCE_MS, type Presence } from '../journal/presence.ts';
import type { LiveEntries } from './relay.ts';
import type { Timing } from './timing.ts';

/** Wraps `live`: a tenant is announced while it is listened to. */
export function announcing(
  live: LiveEntries,
  presence: Pick<Presence, 'announce'>,
  timing: Pick<Timing, 'every'>,
): LiveEntries {
  return {
    listen(tenantId) {
      const unlisten = live.listen(tenantId);
      const announce = () => void presence.announce(tenantId);
      announce();
      const cancel = timing.every(ANNOUNCE_MS, announce);
      return () => {
        cancel();
        unlisten();
      };
    },
    onEntries: (take) => live.onEntries(take),
    onGap: (look) => live.onGap(look),
  };
}
