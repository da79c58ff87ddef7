/**
 * A user: a person of one tenant, with roles in it. People sign in with a password, with an external authentication
 * token that an administrator wrote for them, or through an OpenID provider; whichever way, the same principal results.
 *
 * - `epoch` ends every token and session from before it: disabling a user or changing the password raises it.
 * - `version` counts what a person changed; it is the ETag. Housekeeping (last sign-in) leaves it alone.
 * - A login is unique in its tenant, so that no tenant learns who belongs to another.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ExternalToken } from './external-token.ts';
import type { TenantId, UserId } from './ids.ts';
import { ROLES, type Role } from './roles.ts';

/** External identities of one user. */
const EXTERNAL_IDENTITIES_MAX = 8;

const LOGIN_RULE = 'must be 3 to 128 letters, digits or . _ + @ -, such as an e-mail address';
const NAME_RULE = 'must be 1 to 128 characters without control characters';
const IDENTITY_RULE = 'must name an issuer and a subject';

/** Logins are kept in lower case: nobody types them the same way twice. */
export const login = z
  .string(LOGIN_RULE)
  .trim()
  .toLowerCase()
  .regex(/^[\p{L}\p{N}._+@-]{3,128}$/u, LOGIN_RULE);
export const userName = z
  .string(NAME_RULE)
  .trim()
  .min(1, NAME_RULE)
  .max(128, NAME_RULE)
  .regex(/^\P{C}+$/u, NAME_RULE);
export const roles = z
  .array(z.enum(ROLES, `must be one of ${ROLES.join(', ')}`), 'must be an array of roles')
  .min(1, 'must hold at least one role')
  .transform((list) => [...new Set(list)]);
const externalIdentity = z.strictObject(
  {
    issuer: z.url({ protocol: /^https?$/, error: 'must be the URL of the issuer' }).max(512),
    subject: z.string(IDENTITY_RULE).min(1, IDENTITY_RULE).max(255, IDENTITY_RULE),
  },
  IDENTITY_RULE,
);
export const externalIdentities = z
  .array(externalIdentity, 'must be an array of external identities')
  .max(EXTERNAL_IDENTITIES_MAX, `must hold at most ${EXTERNAL_IDENTITIES_MAX} identities`);

/** Who somebody is at an OpenID provider. */
export type ExternalIdentity = z.output<typeof externalIdentity>;

/** The document: container `identity`. Times are ISO 8601. */
export interface User {
  id: UserId;
  kind: 'user';
  tenantId: TenantId;
  login: string;
  name: string;
  roles: Role[];
  enabled: boolean;
  version: number;
  epoch: number;
  /** A PHC string; absent for who signs in otherwise. */
  passwordHash?: string;
  externalToken?: ExternalToken;
  externalIdentities: ExternalIdentity[];
  createdAt: string;
  updatedAt: string;
  lastSignInAt?: string;
}

/** What an administrator sees: everything but credentials. */
export function viewOfUser(user: User) {
  const { id, login: userLogin, name, roles: held, enabled, createdAt, updatedAt, lastSignInAt, externalToken } = user;
  return {
    id,
    login: userLogin,
    name,
    roles: held,
    status: enabled ? ('enabled' as const) : ('disabled' as const),
    hasPassword: user.passwordHash !== undefined,
    externalToken: externalToken
      ? { hint: externalToken.hint, createdAt: externalToken.createdAt, expiresAt: externalToken.expiresAt ?? null }
      : null,
    externalIdentities: user.externalIdentities,
    createdAt,
    updatedAt,
    lastSignInAt: lastSignInAt ?? null,
  };
}

/** Ids of the documents by which a user is found. Hashed, because ids may not hold every character. */
export const userKeys = {
  login: (text: string) => `login|${digest(text.normalize('NFKC').toLowerCase())}`,
  identity: ({ issuer, subject }: ExternalIdentity) => `identity|${digest(JSON.stringify([issuer, subject]))}`,
  token: ({ keyId, hash }: Pick<ExternalToken, 'keyId' | 'hash'>) => `token|${keyId}|${hash}`,
};

/** Every key of a user. */
export function keysOfUser(user: User): string[] {
  return [
    userKeys.login(user.login),
    ...user.externalIdentities.map((identity) => userKeys.identity(identity)),
    ...(user.externalToken ? [userKeys.token(user.externalToken)] : []),
  ];
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
