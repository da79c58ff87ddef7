/**
 * Who calls: the outcome of authentication, by kind. A principal is made of a verified token and of what the store says
 * about its owner now; nothing in it comes from headers that a proxy, or the caller, could have written.
 */
import type { ClientId, TenantId, UserId } from './ids.ts';
import type { Role } from './roles.ts';

/** Scopes of an application token: `basic` needs a right that the application must have, `app` does not imply it. */
export const APPLICATION_SCOPES = ['app', 'basic'] as const;
export type ApplicationScope = (typeof APPLICATION_SCOPES)[number];

/**
 * Scopes of a user's token: `me` acts in the user's name, the others tell the application who the user is.
 * `offline_access` is taken because clients of OpenID Connect ask for it; refresh tokens follow the application's setting.
 */
export const USER_SCOPES = ['me', 'openid', 'profile', 'email', 'offline_access'] as const;
export type UserScope = (typeof USER_SCOPES)[number];

/** An External Application, by a token of its own. */
export interface ApplicationPrincipal {
  kind: 'application';
  tenantId: TenantId;
  clientId: ClientId;
  /** The id in URLs and in the audit; the client id is not shown there. */
  applicationId: string;
  scopes: readonly ApplicationScope[];
  /** The `jti` of the token. */
  tokenId: string;
  issuedAtMs: number;
  expiresAtMs: number;
  /** The application's epoch when the token was issued; a later epoch ends the token. */
  epoch: number;
  /** The key that signed the token: when it is dropped, the token ends. */
  signingKey?: string | undefined;
  /** The secret or key that the token was bought with: when it is taken back, the token ends. */
  credential?: string | undefined;
  /** The family of grants that the token came from, where it came with a refresh token: they end together. */
  familyId?: string | undefined;
  /** The version of the policy that the token's claims were made from. */
  policyVersion: number;
}

/** A machine that manages: on a laptop the bootstrap administrator. */
interface ServicePrincipal {
  kind: 'service';
  /** The tenant it acts in: its own, or the one a platform administrator named. */
  tenantId: TenantId;
  clientId: ClientId;
  roles: readonly Role[];
  tokenId: string;
  expiresAtMs: number;
}

/** A person, by a token of ours or of an OpenID provider that the deployment trusts. Roles are those of now. */
export interface UserPrincipal {
  kind: 'user';
  /** The tenant the user acts in: its own, or the one a platform administrator named. */
  tenantId: TenantId;
  /** The tenant the user belongs to. */
  homeTenantId: TenantId;
  userId: UserId;
  /** The application the user acts through; absent for the token of an OpenID provider. */
  clientId?: ClientId;
  roles: readonly Role[];
  scopes: readonly UserScope[];
  /** The `jti` of the token; absent where a provider gives none. */
  tokenId?: string;
  expiresAtMs: number;
}

/** Who may manage, by its roles. */
export type Manager = ServicePrincipal | UserPrincipal;

/** Whoever holds a valid token. */
export type Principal = ApplicationPrincipal | Manager;

/** A principal as the audit names it. */
export function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'application':
      return `application:${principal.applicationId}`;
    case 'service':
      return `service:${principal.clientId}`;
    case 'user':
      return `user:${principal.userId}`;
  }
}
