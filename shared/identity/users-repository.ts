/**
 * Users in the store: one partition per tenant. Besides the user there is one small document per key that finds it (its
 * login, its external identities, its external token); they are written in one batch, so keys are unique and never stale.
 */
import { withoutSystemFields, type BatchOperation, type Store, type Stored } from '../store/store.ts';
import type { TenantId, UserId } from './ids.ts';
import { keysOfUser, type User } from './users.ts';

/** Times a change is tried again when somebody else wrote meanwhile. */
const CHANGE_TRIES = 8;

/** How a user is found by something else than its id. */
interface UserKey {
  id: string;
  kind: 'user-key';
  tenantId: TenantId;
  userId: UserId;
}

/** Which users a list holds. */
interface UserFilter {
  search?: string | undefined;
  role?: string | undefined;
  status?: 'enabled' | 'disabled' | undefined;
  /** Lists what was created before the user with this id. */
  before?: string | undefined;
  limit: number;
}

/** Access to the documents; every method is confined to the tenant's partition. */
export class UsersRepository {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(tenantId: TenantId, userId: string): Promise<Stored<User> | undefined> {
    const found = await this.#store.read<User>('identity', userId, tenantId);
    return found?.kind === 'user' ? found : undefined;
  }

  /** The user who holds a key of userKeys. */
  async byKey(tenantId: TenantId, key: string): Promise<Stored<User> | undefined> {
    const found = await this.#store.read<UserKey>('identity', key, tenantId);
    return found && this.find(tenantId, found.userId);
  }

  /** The tenant's users, the newest first, at most `limit`. */
  list(tenantId: TenantId, filter: UserFilter): Promise<Stored<User>[]> {
    const conditions = ['c.tenantId = @tenantId', "c.kind = 'user'"];
    const parameters: { name: string; value: string | boolean }[] = [{ name: '@tenantId', value: tenantId }];
    const restrict = (condition: string, name: string, value: string | boolean | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      parameters.push({ name, value });
    };
    restrict('(CONTAINS(c.login, @search, true) OR CONTAINS(c.name, @search, true))', '@search', filter.search);
    restrict('ARRAY_CONTAINS(c.roles, @role)', '@role', filter.role);
    restrict('c.enabled = @enabled', '@enabled', filter.status === undefined ? undefined : filter.status === 'enabled');
    restrict('c.id < @before', '@before', filter.before);
    const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.id DESC OFFSET 0 LIMIT ${filter.limit}`;
    return this.#store.all<User>('identity', { query, parameters }, tenantId);
  }

  /** Whether the tenant has any user. */
  async any(tenantId: TenantId): Promise<boolean> {
    return (await this.list(tenantId, { limit: 1 })).length > 0;
  }

  /** Stores a new user with its keys. */
  async create(user: User): Promise<'created' | 'taken'> {
    const outcome = await this.#store.batch('identity', user.tenantId, [
      { kind: 'create', document: user },
      ...keysOfUser(user).map((id) => created(user, id)),
    ]);
    if (outcome.kind === 'committed') return 'created';
    if (outcome.kind === 'conflict') return 'taken';
    throw new Error(`The store refused a user: ${outcome.reason}.`);
  }

  /**
   * Changes a user under its etag, again when somebody else wrote meanwhile.
   * @param change returns the next document, or the same one when there is nothing to change; may throw a Problem
   */
  async change(
    tenantId: TenantId,
    userId: string,
    change: (user: User) => User,
  ): Promise<User | 'not-found' | 'taken'> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.find(tenantId, userId);
      if (!current) return 'not-found';
      const user = withoutSystemFields<User>(current);
      const next = change(user);
      if (next === user) return user;
      const [before, after] = [keysOfUser(user), keysOfUser(next)];
      const outcome = await this.#store.batch('identity', tenantId, [
        { kind: 'replace', document: next, etag: current._etag },
        ...after.filter((id) => !before.includes(id)).map((id) => created(next, id)),
        ...before.filter((id) => !after.includes(id)).map((id): BatchOperation => ({ kind: 'delete', id })),
      ]);
      if (outcome.kind === 'committed') return next;
      if (outcome.kind === 'refused') throw new Error(`The store refused a user: ${outcome.reason}.`);
      if (outcome.index > 0) return 'taken';
    }
    throw contended(userId);
  }

  /** Deletes a user and its keys. False when there is no such user. */
  async remove(tenantId: TenantId, userId: string, check: (user: User) => void): Promise<User | undefined> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const current = await this.find(tenantId, userId);
      if (!current) return undefined;
      check(current);
      const outcome = await this.#store.batch('identity', tenantId, [
        { kind: 'delete', id: current.id, etag: current._etag },
        ...keysOfUser(current).map((id): BatchOperation => ({ kind: 'delete', id })),
      ]);
      if (outcome.kind === 'committed') return current;
    }
    throw contended(userId);
  }

  /** Notes a sign-in. Best effort: a change that comes between wins. */
  async recordSignIn(user: Stored<User>, at: string): Promise<void> {
    const { _etag } = user;
    await this.#store.replace('identity', { ...withoutSystemFields<User>(user), lastSignInAt: at }, _etag);
  }
}

function created({ tenantId, id: userId }: User, id: string): BatchOperation {
  const document: UserKey = { id, kind: 'user-key', tenantId, userId };
  return { kind: 'create', document };
}

function contended(userId: string): Error {
  return Object.assign(new Error(`User ${userId} is being changed too often.`), { code: 449 });
}
