/**
 * Who calls: the outcome of authentication, by kind. A principal is made of a verified token and of what the store says
 * about its owner now; nothing in it comes from headers that a proxy, or the caller, could have written.
 */
import type { ClientId, TenantId } from './ids.ts';
import type { Role } from './roles.ts';

/** Scopes of an application token: `basic` needs a right that the application must have, `app` does not imply it. */
export const APPLICATION_SCOPES = ['app', 'basic'] as const;
export type ApplicationScope = (typeof APPLICATION_SCOPES)[number];

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
  /** The version of the policy that the token's claims were made from. */
  policyVersion: number;
}

/** A machine that manages: on a laptop the bootstrap administrator. */
export interface ServicePrincipal {
  kind: 'service';
  /** The tenant it acts in: its own, or the one a platform administrator named. */
  tenantId: TenantId;
  clientId: ClientId;
  roles: readonly Role[];
  tokenId: string;
  expiresAtMs: number;
}

/** Whoever holds a valid token. */
export type Principal = ApplicationPrincipal | ServicePrincipal;
