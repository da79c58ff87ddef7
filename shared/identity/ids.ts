/** Ids that must not be mixed up. They are strings outside and branded inside, so that a mix-up does not compile. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';

/** Whose data it is. Every query carries one. */
export type TenantId = string & z.$brand<'TenantId'>;
/** What a client authenticates as at the token endpoint. */
export type ClientId = string & z.$brand<'ClientId'>;
/** A person of a tenant. */
export type UserId = string & z.$brand<'UserId'>;

const TENANT_RULE = 'must be 1 to 64 of a-z 0-9 -, starting with a letter or digit';
/** Digits of the time in a user id: base 36 milliseconds last until the year 5188. */
const TIME_DIGITS = 9;
const RANDOM_BYTES = 8;

/** A tenant id. Lower case only, because it is part of partition keys and group names. */
export const tenantId = z
  .string(TENANT_RULE)
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, TENANT_RULE)
  .brand<'TenantId'>();

/** A new id of a user, such as `usr_0mi4d…`: sorts by the time of creation, so that lists page by it. */
export function newUserId(nowMs: number): UserId {
  return `usr_${nowMs.toString(36).padStart(TIME_DIGITS, '0')}${randomBytes(RANDOM_BYTES).toString('hex')}` as UserId;
}
