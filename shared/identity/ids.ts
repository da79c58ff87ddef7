/** Ids that must not be mixed up. They are strings outside and branded inside, so that a mix-up does not compile. */
import { z } from 'zod';

/** Whose data it is. Every query carries one. */
export type TenantId = string & z.$brand<'TenantId'>;
/** What a client authenticates as at the token endpoint. */
export type ClientId = string & z.$brand<'ClientId'>;

const TENANT_RULE = 'must be 1 to 64 of a-z 0-9 -, starting with a letter or digit';

/** A tenant id. Lower case only, because it is part of partition keys and group names. */
export const tenantId = z
  .string(TENANT_RULE)
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, TENANT_RULE)
  .brand<'TenantId'>();
