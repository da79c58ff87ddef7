/** Whether a user may go on: by the user's document as it was at most 2 s ago, so that a change acts on live tokens. */
import { Problem } from '../http/problem.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { TenantId, UserId } from './ids.ts';
import type { User } from './users.ts';
import type { UsersRepository } from './users-repository.ts';

/** Milliseconds after which a changed user is seen by every instance. */
const FRESH_MS = 2_000;
/** Milliseconds for which the last known user holds while the store does not answer; then access fails closed. */
const LAST_KNOWN_MS = 60_000;
/** Users that an instance keeps. */
const USERS_MAX = 10_000;

/** Reads users as they are now. */
export interface UserStanding {
  /**
   * The user, if it is enabled and the token is not from before its epoch.
   * @param epoch of the token; absent where the token is not ours
   * @throws Problem 503 when the store has not answered for 60 s
   */
  userOf(tenantId: TenantId, userId: UserId, epoch?: number): Promise<User | undefined>;
  /** Forgets what this instance knows of a user, after changing it. */
  forget(tenantId: TenantId, userId: UserId): void;
}

/** Makes the reader of an instance. */
export function createUserStanding(users: Pick<UsersRepository, 'find'>, now: () => number = Date.now): UserStanding {
  const documents = new CachedReads(
    ({ tenantId, userId }: { tenantId: TenantId; userId: UserId }) => users.find(tenantId, userId),
    {
      freshMs: FRESH_MS,
      lastKnownMs: LAST_KNOWN_MS,
      entriesMax: USERS_MAX,
      keyOf: ({ tenantId, userId }) => `${tenantId}|${userId}`,
      now,
    },
  );
  return {
    async userOf(tenantId, userId, epoch) {
      const user = await documents.get({ tenantId, userId }).catch((cause: unknown) => {
        const detail = 'Your access cannot be checked at the moment: try again shortly.';
        throw new Problem('authority-unavailable', 503, detail, { headers: { 'retry-after': '2' }, cause });
      });
      return user?.enabled === true && (epoch === undefined || epoch === user.epoch) ? user : undefined;
    },
    forget: (tenantId, userId) => documents.forget({ tenantId, userId }),
  };
}
