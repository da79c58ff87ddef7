/** Which web pages may use an application: those of the origins that its document names, and no others. */
import type { CrossOrigin } from '../http/cross-origin.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Policies } from './application-policy.ts';
import type { ApplicationsRepository } from './applications-repository.ts';
import { ORIGIN_CHARS_MAX } from './web-origin.ts';

/** Milliseconds after which a changed list of origins counts for preflights; for answers it is that of the policy. */
const KNOWN_FRESH_MS = 5_000;
/** Origins that an instance remembers; anybody can ask with any origin. */
const KNOWN_MAX = 1_000;

/** Makes the decision from the applications' documents. */
export function createAllowedOrigins(
  applications: Pick<ApplicationsRepository, 'isOriginUsed'>,
  policies: Pick<Policies, 'standingOf'>,
  now: () => number = Date.now,
): CrossOrigin<ApplicationPrincipal> {
  const known = new CachedReads((origin: string) => applications.isOriginUsed(origin), {
    freshMs: KNOWN_FRESH_MS,
    entriesMax: KNOWN_MAX,
    now,
  });
  return {
    isKnown: async (origin) => origin.length <= ORIGIN_CHARS_MAX && known.get(origin),
    async mayRead(origin, caller) {
      const standing = await policies.standingOf(caller);
      return standing.allowed && standing.application.allowedOrigins?.includes(origin) === true;
    },
  };
}
