/**
 * People who come with a token of an OpenID provider that the deployment trusts: found by who they are there, in the
 * tenant they name or the provider's own. A valid token makes nobody a user; an administrator does, or the deployment
 * itself for the one who deployed it.
 */
import { decodeJwt } from 'jose';
import { Problem } from '../http/problem.ts';
import { CachedReads } from '../store/cached-reads.ts';
import { tenantId as tenantIdOf, type TenantId, type UserId } from './ids.ts';
import type { OpenIdProvider } from './openid-provider.ts';
import type { UserPrincipal } from './principal.ts';
import type { UserStanding } from './user-standing.ts';
import type { Tenants } from './tenants.ts';
import { userKeys, type ExternalIdentity } from './users.ts';
import type { UsersRepository } from './users-repository.ts';

/** Milliseconds for which is remembered who somebody is; whether the user may go on is asked every 2 s. */
const FRESH_MS = 2_000;
const IDENTITIES_MAX = 10_000;

/** What a token of a provider is worth. */
type ExternalOutcome =
  | { kind: 'user'; principal: UserPrincipal }
  | { kind: 'invalid'; reason: string }
  | { kind: 'unknown'; reason: string };

/** Looks at tokens of providers. */
export interface ExternalUsers {
  /** Whether a token says that it is of one of the providers; costs no signature. */
  isForeign(token: string): boolean;
  /** The user behind a token, acting in the tenant it belongs to. @param named the tenant that the request names */
  userOf(token: string, named: TenantId | undefined): Promise<ExternalOutcome>;
  /** The id of the user who is somebody at a provider. */
  find(tenantId: TenantId, identity: ExternalIdentity): Promise<UserId | undefined>;
}

/** What it needs. */
export interface ExternalUsersServices {
  providers: readonly OpenIdProvider[];
  users: UsersRepository;
  userStanding: UserStanding;
  tenants: Tenants;
  /** Makes the deployment's first administrator a user, when it is this person. @see first-administrator.ts */
  admitFirst: (identity: ExternalIdentity, tenantId: TenantId) => Promise<UserId | undefined>;
}

/** Makes it. */
export function createExternalUsers(
  { providers, users, userStanding, tenants, admitFirst }: ExternalUsersServices,
  now: () => number = Date.now,
): ExternalUsers {
  const known = new CachedReads(
    async ({ tenantId, identity }: { tenantId: TenantId; identity: ExternalIdentity }) =>
      (await users.byKey(tenantId, userKeys.identity(identity)))?.id ?? (await admitFirst(identity, tenantId)),
    {
      freshMs: FRESH_MS,
      entriesMax: IDENTITIES_MAX,
      keyOf: ({ tenantId, identity }) => JSON.stringify([tenantId, identity.issuer, identity.subject]),
      now,
    },
  );
  const providerOf = (token: string) => {
    const issuer = issuerOf(token);
    return issuer === undefined ? undefined : providers.find((provider) => provider.issuer === issuer);
  };
  const find: ExternalUsers['find'] = (tenantId, identity) => known.get({ tenantId, identity });
  return {
    isForeign: (token) => providerOf(token) !== undefined,
    find,
    async userOf(token, named) {
      const provider = providerOf(token);
      const verified = await provider?.verifyAccessToken(token).catch((cause: unknown) => {
        const detail = 'The provider of this token does not answer at the moment: try again shortly.';
        throw new Problem('provider-unavailable', 503, detail, { headers: { 'retry-after': '2' }, cause });
      });
      if (!provider || !verified)
        return { kind: 'invalid', reason: 'The access token is not valid here, or has expired.' };
      const home = tenantIdOf.parse(provider.tenant);
      const identity = { issuer: provider.issuer, subject: verified.subject };
      // Who is no user of the tenant that is named may still be a platform administrator at home; the guard decides.
      for (const tenantId of named === undefined || named === home ? [home] : [named, home]) {
        const userId = await find(tenantId, identity);
        const user = userId && (await userStanding.userOf(tenantId, userId));
        if (!user || (await tenants.disabled(tenantId))) continue;
        const { subject: _, ...rest } = verified;
        const principal: UserPrincipal = {
          kind: 'user',
          tenantId,
          homeTenantId: tenantId,
          userId: user.id,
          roles: user.roles,
          scopes: ['me', 'openid', 'profile', 'email'],
          ...rest,
        };
        return { kind: 'user', principal };
      }
      return { kind: 'unknown', reason: 'You are no user of this tenant: ask its administrator to add you.' };
    },
  };
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
