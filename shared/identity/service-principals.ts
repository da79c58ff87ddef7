/**
 * Machines that manage. Today there is one: the bootstrap administrator of the local cloud, given by settings that are
 * refused on Azure. It is not stored, so removing the settings ends it and its tokens.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config.ts';
import { tenantId, type ClientId, type TenantId } from './ids.ts';
import type { Role } from './roles.ts';

/** A service principal that may authenticate. */
export interface ServiceAccount {
  clientId: ClientId;
  tenantId: TenantId;
  roles: readonly Role[];
  /** Compares in constant time. */
  verifySecret(secret: string): boolean;
}

/** Finds a service principal by its client id. */
export type FindServiceAccount = (clientId: string) => ServiceAccount | undefined;

/** Makes the lookup from settings. @throws ZodError when BOOTSTRAP_TENANT is no tenant id */
export function createServiceAccounts(
  config: Pick<Config, 'BOOTSTRAP_CLIENT_ID' | 'BOOTSTRAP_CLIENT_SECRET' | 'BOOTSTRAP_TENANT'>,
): FindServiceAccount {
  const { BOOTSTRAP_CLIENT_ID: id, BOOTSTRAP_CLIENT_SECRET: secret, BOOTSTRAP_TENANT: tenant } = config;
  if (id === undefined || secret === undefined) return () => undefined;
  const expected = digest(secret);
  const account: ServiceAccount = {
    clientId: id as ClientId,
    tenantId: tenantId.parse(tenant),
    roles: ['platform-admin', 'admin'],
    verifySecret: (given) => timingSafeEqual(digest(given), expected),
  };
  return (clientId) => (clientId === id ? account : undefined);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
