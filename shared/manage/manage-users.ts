/** `/v1/users` and `/v1/roles`: who may manage the tenant. Nobody gives, takes or touches more than they hold themselves. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { alreadyHas, entityTag, requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import { importedToken, newExternalToken, type ExternalTokenHasher } from '../identity/external-token.ts';
import { newUserId, type TenantId } from '../identity/ids.ts';
import { newPassword, type Passwords } from '../identity/passwords.ts';
import type { Manager, UserPrincipal } from '../identity/principal.ts';
import { describeRoles, outranks, ROLES, type Role } from '../identity/roles.ts';
import type { UserStanding } from '../identity/user-standing.ts';
import { externalIdentities, login, roles, userName, viewOfUser, type User } from '../identity/users.ts';
import type { UsersRepository } from '../identity/users-repository.ts';
import { reserveIds } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, searchText, toPage, unpackCursor } from './paging.ts';

/** What the management of users works with. */
export interface ManageUsersServices extends ManageServices {
  users: UsersRepository;
  userStanding: UserStanding;
  passwords: Passwords;
  externalTokens: ExternalTokenHasher;
}

/** Any text may stand here: what is not even the shape of an id is a user that does not exist, 404 and not 400. */
export const userPath = z.object({ id: z.string().max(256) });
export const userListQuery = z.object({
  ...pageQuery,
  search: searchText.optional(),
  role: z.enum(ROLES, `must be one of ${ROLES.join(', ')}`).optional(),
  status: z.enum(['enabled', 'disabled'], 'must be enabled or disabled').optional(),
});
/** The body of a creation. Without a password the user signs in through a provider, or by an external token. */
export const newUser = z.strictObject({
  login,
  name: userName.optional(),
  roles: roles.default(['viewer']),
  password: newPassword.optional(),
  externalIdentities: externalIdentities.default([]),
});
/** The body of an edit. */
export const userEdit = z.strictObject({
  login: login.optional(),
  name: userName.optional(),
  roles: roles.optional(),
  password: newPassword.nullable().optional(),
  externalIdentities: externalIdentities.optional(),
});
/** The body of an external authentication token: one is made unless it is brought along. */
export const externalTokenBody = z.strictObject({
  token: importedToken.optional(),
  expiresAt: z.iso
    .datetime({ offset: true, error: 'must be a date and time with a zone' })
    .transform((text) => new Date(text).toISOString())
    .optional(),
});
/** The body by which people change their own password. */
export const ownPassword = z.strictObject({
  currentPassword: z.string('must be the present password').max(256, 'must be the present password'),
  newPassword,
});

type UserPath = z.output<typeof userPath>;

/** Lists the roles, with what they allow. */
export function listRoles(): HttpResponseInit {
  return { jsonBody: { items: describeRoles(), nextCursor: null } };
}

/** Lists the tenant's users, the newest first. */
export async function listUsers(
  { users }: ManageUsersServices,
  { caller, query }: ManageCall<unknown, z.output<typeof userListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, ...filter } = query;
  const before = unpackCursor(cursor, 1)?.[0];
  const found = await users.list(caller.tenantId, { ...filter, before, limit: limit + 1 });
  return { jsonBody: toPage(found, limit, viewOfUser, (user) => [user.id]) };
}

/** Creates a user. @throws Problem 403 for roles above the caller's, 409 for a login that is taken */
export async function createUser(
  services: ManageUsersServices,
  call: ManageCall<unknown, undefined, z.output<typeof newUser>>,
): Promise<HttpResponseInit> {
  const { caller, body, request } = call;
  const { tenantId } = caller;
  requireRank(caller, body.roles);
  const { password, ...rest } = body;
  // The password takes no part in telling a repeat: a hash of it would be kept where no slow hash protects it.
  const reservation = { tenantId, purpose: 'user', key: request.headers.get('idempotency-key'), body: rest };
  const { ids, repeated } = await reserveIds(services.store, reservation, () => ({
    userId: newUserId(services.now()),
  }));
  const existing = repeated ? await services.users.find(tenantId, ids.userId) : undefined;
  if (existing) return respond(existing, 200, { 'idempotency-replayed': 'true' });
  const passwordHash = password === undefined ? undefined : await services.passwords.hash(password);
  const at = new Date(services.now()).toISOString();
  const user: User = {
    id: ids.userId,
    kind: 'user',
    tenantId,
    login: rest.login,
    name: rest.name ?? rest.login,
    roles: rest.roles,
    enabled: true,
    version: 1,
    epoch: 1,
    ...(passwordHash === undefined ? {} : { passwordHash }),
    externalIdentities: rest.externalIdentities,
    createdAt: at,
    updatedAt: at,
  };
  if ((await services.users.create(user)) === 'taken') throw taken();
  await recordChange(services, call, 'user-created', target(user), Object.keys(body));
  return respond(user, 201, { location: `/v1/users/${user.id}` });
}

/** Shows a user. @throws Problem 404 */
export async function getUser(
  { users }: ManageUsersServices,
  { caller, params, request }: ManageCall<UserPath>,
): Promise<HttpResponseInit> {
  const user = await users.find(caller.tenantId, params.id);
  if (!user) throw noSuchUser(params.id);
  const etag = entityTag(user.version);
  return alreadyHas(request, etag) ? { status: 304, headers: { etag } } : respond(user);
}

/** Edits a user. A new password ends the user's tokens and sessions. @throws Problem 403, 404, 409, 412 */
export async function patchUser(
  services: ManageUsersServices,
  call: ManageCall<UserPath, undefined, z.output<typeof userEdit>>,
): Promise<HttpResponseInit> {
  const { password, ...edit } = call.body;
  if (edit.roles) {
    requireRank(call.caller, edit.roles);
    await requireOtherOwner(services, call, edit.roles);
  }
  const passwordHash = typeof password === 'string' ? await services.passwords.hash(password) : undefined;
  const given = Object.fromEntries(Object.entries(edit).filter(([, value]) => value !== undefined));
  const user = await change(services, call, (current) => {
    const { passwordHash: previous, ...rest } = current;
    const kept = passwordHash ?? (password === null ? undefined : previous);
    return {
      ...rest,
      ...given,
      ...(kept === undefined ? {} : { passwordHash: kept }),
      epoch: current.epoch + (password === undefined ? 0 : 1),
    };
  });
  await recordChange(services, call, 'user-changed', target(user), Object.keys(call.body));
  return respond(user);
}

/** Deletes a user; tokens and sessions end. @throws Problem 403, 404, 409 for the last owner, 412 */
export async function deleteUser(services: ManageUsersServices, call: ManageCall<UserPath>): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  await requireOtherOwner(services, call, []);
  const removed = await services.users.remove(tenantId, call.params.id, checkOf(call));
  if (!removed) throw noSuchUser(call.params.id);
  services.userStanding.forget(tenantId, removed.id);
  await recordChange(services, call, 'user-deleted', target(removed));
  return { status: 204 };
}

/** Disables or enables a user. Tokens from before stay dead. @throws Problem 403, 404, 409 for the last owner, 412 */
export async function switchUser(
  services: ManageUsersServices,
  call: ManageCall<UserPath>,
  enabled: boolean,
): Promise<HttpResponseInit> {
  if (!enabled) await requireOtherOwner(services, call, []);
  const user = await change(services, call, (current) =>
    current.enabled === enabled ? current : { ...current, enabled, epoch: current.epoch + (enabled ? 0 : 1) },
  );
  await recordChange(services, call, enabled ? 'user-enabled' : 'user-disabled', target(user), ['status']);
  return respond(user);
}

/** Writes a user's external authentication token. One that was made here is shown in this answer and never again. */
export async function putExternalToken(
  services: ManageUsersServices,
  call: ManageCall<UserPath, undefined, z.output<typeof externalTokenBody>>,
): Promise<HttpResponseInit> {
  const { token = newExternalToken(), expiresAt } = call.body;
  const externalToken = {
    ...services.externalTokens.hash(token),
    hint: token.slice(-4),
    createdAt: new Date(services.now()).toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const user = await change(services, call, (current) => ({ ...current, externalToken }));
  await recordChange(services, call, 'user-external-token-written', target(user), ['externalToken']);
  const { jsonBody, ...rest } = respond(user);
  const shown = call.body.token === undefined ? { externalAuthenticationToken: token } : {};
  return { ...rest, jsonBody: { ...jsonBody, ...shown } };
}

/** Takes a user's external authentication token away. @throws Problem 403, 404, 412 */
export async function deleteExternalToken(
  services: ManageUsersServices,
  call: ManageCall<UserPath>,
): Promise<HttpResponseInit> {
  const user = await change(services, call, ({ externalToken: _gone, ...rest }) => rest);
  await recordChange(services, call, 'user-external-token-deleted', target(user), ['externalToken']);
  return { status: 204 };
}

/** Shows the calling person themselves. */
export async function getMe(
  { users }: ManageUsersServices,
  { caller }: { caller: UserPrincipal },
): Promise<HttpResponseInit> {
  const user = await users.find(caller.homeTenantId, caller.userId);
  if (!user) throw noSuchUser(caller.userId);
  return { headers: { etag: entityTag(user.version) }, jsonBody: { ...viewOfUser(user), tenant: user.tenantId } };
}

/** Changes the calling person's own password; every token and session of theirs ends. @throws Problem 403 for a wrong one */
export async function postOwnPassword(
  services: ManageUsersServices,
  call: Omit<ManageCall<unknown, undefined, z.output<typeof ownPassword>>, 'caller'> & { caller: UserPrincipal },
): Promise<HttpResponseInit> {
  const { homeTenantId: tenantId, userId } = call.caller;
  const user = await services.users.find(tenantId, userId);
  if (!(await services.passwords.matches(call.body.currentPassword, user?.passwordHash))) {
    await services.audit({
      tenantId,
      actor: `user:${userId}`,
      action: 'password-change-failed',
      target: `user:${userId}`,
      requestId: call.requestId,
    });
    throw new Problem('wrong-password', 403, 'currentPassword is not your password.');
  }
  const passwordHash = await services.passwords.hash(call.body.newPassword);
  const updatedAt = new Date(services.now()).toISOString();
  await services.users.change(tenantId, userId, (current) => ({
    ...current,
    passwordHash,
    updatedAt,
    epoch: current.epoch + 1,
    version: current.version + 1,
  }));
  services.userStanding.forget(tenantId, userId);
  await recordChange(services, call, 'user-changed', `user:${userId}`, ['password']);
  return { status: 204 };
}

async function change(
  services: ManageUsersServices,
  call: Pick<ManageCall<UserPath, undefined, unknown>, 'caller' | 'params' | 'request'>,
  next: (current: User) => User,
): Promise<User> {
  const { tenantId } = call.caller;
  const check = checkOf(call);
  const updatedAt = new Date(services.now()).toISOString();
  const user = await services.users.change(tenantId, call.params.id, (current) => {
    check(current);
    const changed = next(current);
    return changed === current ? current : { ...changed, updatedAt, version: current.version + 1 };
  });
  if (user === 'not-found') throw noSuchUser(call.params.id);
  if (user === 'taken') throw taken();
  services.userStanding.forget(tenantId, user.id);
  return user;
}

/** Who is asked to be changed must not stand above the caller, and must be as the caller saw it. */
function checkOf({ caller, request }: Pick<ManageCall, 'caller' | 'request'>): (user: User) => void {
  return (user) => {
    requireRank(caller, user.roles);
    requireMatch(request, entityTag(user.version));
  };
}

function requireRank({ roles: own }: Manager, other: readonly Role[]): void {
  if (outranks(own, other)) return;
  throw new Problem('forbidden', 403, 'You cannot give, take or change more than your own roles hold.');
}

/** A tenant keeps an owner, once it has one: nobody else could make another. */
async function requireOtherOwner(
  { users }: ManageUsersServices,
  { caller, params }: Pick<ManageCall<UserPath, undefined, unknown>, 'caller' | 'params'>,
  next: readonly Role[],
): Promise<void> {
  if (next.includes('owner')) return;
  const { tenantId } = caller;
  const owners = await users.list(tenantId, { role: 'owner', status: 'enabled', limit: 2 });
  if (owners.length !== 1 || owners[0]?.id !== params.id) return;
  throw new Problem('last-owner', 409, 'This is the last owner of the tenant: make somebody else an owner first.');
}

function taken(): Problem {
  return new Problem(
    'login-taken',
    409,
    'Another user has this login, external identity or external token: choose another.',
  );
}

function noSuchUser(id: string): Problem {
  return new Problem('user-not-found', 404, `There is no user ${id.slice(0, 64)}.`);
}

function target({ id }: { id: TenantId | string }): string {
  return `user:${id}`;
}

function respond(user: User, status = 200, headers: Record<string, string> = {}) {
  return resource(viewOfUser(user), entityTag(user.version), status, headers);
}
