/**
 * How the first administrator gets in, when there is nobody yet who could let them in.
 * On Azure: the principal that deploys; its object id is a setting, and it comes with its Entra ID token.
 * On a laptop: a code that is printed once and works once.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import type { Document, Store } from '../store/store.ts';
import { newUserId, tenantId as tenantIdOf, type TenantId, type UserId } from './ids.ts';
import { newPassword, type Passwords } from './passwords.ts';
import type { Role } from './roles.ts';
import { login, userName, type ExternalIdentity, type User } from './users.ts';
import type { UsersRepository } from './users-repository.ts';

/** What the first administrator may do: the whole platform, and the tenant. */
const FIRST_ROLES: Role[] = ['platform-admin', 'owner'];

/** Who is let in, from the settings. */
export interface FirstAdministratorSettings {
  /** The tenant of the first administrator. */
  tenant: string;
  /** The code; absent where there is none. */
  setupCode?: string | undefined;
  /** Who deployed, at an OpenID provider. */
  identity?: ExternalIdentity | undefined;
}

/** The body of a setup. */
export const setup = z.strictObject({
  code: z.string('must be the setup code').min(1, 'must be the setup code').max(256, 'must be the setup code'),
  login,
  name: userName.optional(),
  password: newPassword,
});

/** What it works with. */
export interface FirstAdministratorServices {
  store: Store;
  users: UsersRepository;
  passwords: Passwords;
  now: () => number;
}

/**
 * Makes the person who deployed a user, the first time they come and never again: who was removed stays removed.
 * Undefined for everybody else.
 */
export async function admitDeployer(
  { store, users, now }: Pick<FirstAdministratorServices, 'store' | 'users' | 'now'>,
  settings: FirstAdministratorSettings,
  identity: ExternalIdentity,
  tenantId: TenantId,
): Promise<UserId | undefined> {
  const { identity: expected, tenant } = settings;
  if (!expected || tenantId !== tenant) return undefined;
  if (identity.issuer !== expected.issuer || identity.subject !== expected.subject) return undefined;
  const user = newUser(now(), tenantId, {
    login: `deployer-${identity.subject}`.slice(0, 128),
    name: 'First administrator',
  });
  const id = `deployer-${digest(JSON.stringify(identity)).toString('hex')}`;
  const admitted: Document & { kind: 'setup'; tenantId: TenantId } = { id, kind: 'setup', tenantId };
  if (!(await store.create('identity', admitted))) return undefined;
  return (await users.create({ ...user, externalIdentities: [identity] })) === 'created' ? user.id : undefined;
}

/**
 * Trades the setup code for the first user with a password.
 * @throws Problem 404 where there is no code, 403 for a wrong one, 410 for one that was used, 409 for a taken login
 */
export async function setUpFirst(
  services: FirstAdministratorServices,
  { setupCode, tenant }: FirstAdministratorSettings,
  input: z.output<typeof setup>,
): Promise<User> {
  if (setupCode === undefined) throw new Problem('no-setup', 404, 'This deployment has no setup code.');
  if (!timingSafeEqual(digest(input.code), digest(setupCode))) {
    throw new Problem('wrong-setup-code', 403, 'This is not the setup code; it was printed at the first start.');
  }
  const id = `setup-${digest(setupCode).toString('hex')}`;
  const tenantId = tenantIdOf.parse(tenant);
  const passwordHash = await services.passwords.hash(input.password);
  const user = newUser(services.now(), tenantId, { login: input.login, name: input.name ?? input.login });
  const used: Document & { kind: 'setup'; tenantId: TenantId } = { id, kind: 'setup', tenantId };
  if (!(await services.store.create('identity', used))) {
    throw new Problem('setup-code-used', 410, 'This setup code was used: ask the first administrator to add you.');
  }
  const created = { ...user, passwordHash };
  if ((await services.users.create(created)) === 'taken') {
    // Nothing was made, so the code is still good.
    await services.store.delete('identity', id, tenantId);
    throw new Problem('login-taken', 409, `There is a user "${input.login}" already: choose another login.`);
  }
  return created;
}

function newUser(nowMs: number, tenantId: TenantId, { login: text, name }: { login: string; name: string }): User {
  const at = new Date(nowMs).toISOString();
  return {
    id: newUserId(nowMs),
    kind: 'user',
    tenantId,
    login: text,
    name,
    roles: FIRST_ROLES,
    enabled: true,
    version: 1,
    epoch: 1,
    externalIdentities: [],
    createdAt: at,
    updatedAt: at,
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
