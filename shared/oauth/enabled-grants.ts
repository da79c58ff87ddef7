/**
 * Which grants are in use, for metadata that advertises only those. The password grant is off until an administrator opts
 * an application in, so it is looked up whether any has it.
 */
import { CachedReads } from '../store/cached-reads.ts';
import type { GrantType } from './grants.ts';

/** Milliseconds after which an opt-in shows. */
const FRESH_MS = 5_000;
/** Milliseconds for which the last answer holds while the store does not answer. */
const LAST_KNOWN_MS = 3_600_000;

const ALWAYS: readonly GrantType[] = ['client_credentials', 'authorization_code', 'refresh_token'];

/** The grants that are enabled now. */
export type EnabledGrants = () => Promise<readonly GrantType[]>;

/** Makes the lookup of an instance. */
export function createEnabledGrants(
  applications: { anyWithUserAuthentication(): Promise<boolean> },
  now: () => number = Date.now,
): EnabledGrants {
  const optedIn = new CachedReads(() => applications.anyWithUserAuthentication(), {
    freshMs: FRESH_MS,
    lastKnownMs: LAST_KNOWN_MS,
    entriesMax: 1,
    now,
  });
  return async () => ((await optedIn.get('any')) ? [...ALWAYS, 'password'] : ALWAYS);
}
