/**
 * What an application may see now. Claims in a token are a cache of this; the document is the authority, so that
 * disabling, deleting, expiring and editing act on live tokens and open streams within seconds.
 */
import type { DeviceRegistry } from '../devices/device-registry.ts';
import { Problem } from '../http/problem.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Application } from './applications.ts';
import type { ApplicationsRepository } from './applications-repository.ts';

/** Milliseconds after which a changed application is seen by every instance. */
const APPLICATION_FRESH_MS = 2_000;
/** Milliseconds after which a changed group membership is seen; with the application's age still below 5 s. */
const MEMBERS_FRESH_MS = 2_500;
/** Milliseconds for which the last known application holds while the store does not answer; then access fails closed. */
const LAST_KNOWN_MS = 60_000;
/** Applications that an instance keeps. */
const APPLICATIONS_MAX = 10_000;
/** Seconds after which a caller may try again when the authority cannot be read. */
const RETRY_AFTER_SECONDS = 2;

/** What an application may see. The set is shared: do not change it. */
interface Policy {
  devices: ReadonlySet<string>;
  includeAnomalies: boolean;
}

/** Whether a token still holds, and for what. */
type Authority =
  | ({ allowed: true; policyVersion: number } & Policy)
  | { allowed: false; reason: 'disabled' | 'deleted' | 'expired' | 'revoked' };

/** Reads policies; made by createPolicies. */
export interface Policies {
  /** The devices an application may see, groups resolved by their members now (at most 2.5 s old). */
  policyOf(application: Application): Promise<Policy>;
  /**
   * Whether the application behind a token may go on, by a document at most 2 s old. Cheap enough to be asked by every
   * open stream every second. Says nothing about the token's own end.
   * @throws Problem 503 when the store has not answered for 60 s: access fails closed
   */
  authorityOf(principal: ApplicationPrincipal): Promise<Authority>;
  /** The same without the devices: for requests that do not read telemetry. */
  standingOf(principal: StandingQuestion): Promise<Standing>;
  /** Forgets what this instance knows of an application, after changing it. */
  forget(clientId: string): void;
}

/** What of a principal its standing depends on. */
type StandingQuestion = Pick<
  ApplicationPrincipal,
  'clientId' | 'tenantId' | 'epoch' | 'tokenId' | 'credential' | 'signingKey' | 'familyId'
>;

/** Whether an application's token still holds. */
type Standing =
  | { allowed: true; application: Application }
  | { allowed: false; reason: 'disabled' | 'deleted' | 'expired' | 'revoked' };

/** Where tokens come from besides their application: each says whether those from one of it still count. */
interface TokenOrigins {
  keyHolds: (keyId: string) => Promise<boolean>;
  familyHolds: (familyId: string) => Promise<boolean>;
}

const ALL_HOLD: TokenOrigins = { keyHolds: () => Promise.resolve(true), familyHolds: () => Promise.resolve(true) };

/**
 * Makes the policies.
 * @param beyond what may end a token beside the application: the key that signed it, which is dropped when it leaked, and
 * the family of grants it came from, which ends with a refresh token that was used twice
 */
export function createPolicies(
  applications: Pick<ApplicationsRepository, 'byClientId'>,
  devices: Pick<DeviceRegistry, 'members'>,
  now: () => number = Date.now,
  { keyHolds, familyHolds }: TokenOrigins = ALL_HOLD,
): Policies {
  const documents = new CachedReads((clientId: string) => applications.byClientId(clientId), {
    freshMs: APPLICATION_FRESH_MS,
    lastKnownMs: LAST_KNOWN_MS,
    entriesMax: APPLICATIONS_MAX,
    now,
  });
  // Keyed by the policy's version: one set serves every stream of the application until either changes.
  const resolved = new CachedReads(
    async ({ tenantId, groups, devices: named, includeAnomalies }: Application): Promise<Policy> => {
      const members = await devices.members(tenantId, groups);
      return { devices: new Set([...named, ...members]), includeAnomalies };
    },
    {
      freshMs: MEMBERS_FRESH_MS,
      lastKnownMs: LAST_KNOWN_MS,
      entriesMax: APPLICATIONS_MAX,
      keyOf: ({ id, policyVersion }) => `${id}|${policyVersion}`,
      now,
    },
  );
  const standingOf: Policies['standingOf'] = async (principal) => {
    const { clientId, signingKey, familyId } = principal;
    const [application, ...origins] = await Promise.all([
      documents.get(clientId),
      signingKey === undefined || keyHolds(signingKey),
      familyId === undefined || familyHolds(familyId),
    ]).catch((error: unknown) => {
      throw new Problem(
        'authority-unavailable',
        503,
        'Your access cannot be checked at the moment: try again shortly.',
        {
          headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
          cause: error,
        },
      );
    });
    return origins.every(Boolean) ? standing(application, principal, now()) : { allowed: false, reason: 'revoked' };
  };
  return {
    policyOf: (application) => resolved.get(application),
    standingOf,
    authorityOf: async (principal) => {
      const found = await standingOf(principal);
      if (!found.allowed) return found;
      const policy = await resolved.get(found.application);
      return { allowed: true, policyVersion: found.application.policyVersion, ...policy };
    },
    forget: (clientId) => documents.forget(clientId),
  };
}

/** Decides by the document whether a token of it still holds. Pure. */
function standing(application: Application | undefined, principal: StandingQuestion, nowMs: number): Standing {
  if (!application || application.tenantId !== principal.tenantId) return { allowed: false, reason: 'deleted' };
  if (!application.enabled) return { allowed: false, reason: 'disabled' };
  if (Date.parse(application.expiresAt) <= nowMs) return { allowed: false, reason: 'expired' };
  const revoked =
    application.epoch !== principal.epoch ||
    application.revoked.some(({ jti }) => jti === principal.tokenId) ||
    (principal.credential !== undefined && application.endedCredentials?.includes(principal.credential) === true);
  return revoked ? { allowed: false, reason: 'revoked' } : { allowed: true, application };
}
