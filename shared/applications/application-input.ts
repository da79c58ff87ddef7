/** What an administrator may say about an application: the schemas of the API, and the rules that need the store. */
import { z } from 'zod';
import type { DeviceRegistry } from '../devices/device-registry.ts';
import { deviceId, displayName, groupId } from '../devices/devices.ts';
import type { GroupsRepository } from '../devices/groups-repository.ts';
import { invalidInput, Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { APPLICATION_SCOPES } from '../identity/principal.ts';
import { APPLICATION_DEVICES_MAX, APPLICATION_GROUPS_MAX } from './applications.ts';
import { clientSettingsFields, DEFAULT_CLIENT_SETTINGS, misfit, type ClientSettings } from './client-settings.ts';
import { allowedOrigins } from './web-origin.ts';

const EXPIRY_RULE = 'must be a date such as 2027-01-31, or a date and time with a zone';

/** The moment that credentials end. A bare date means the end of that day in UTC. Gives ISO 8601. */
export const expirationDate = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], EXPIRY_RULE)
  .transform((text) => {
    const end = text.includes('T') ? text : `${text}T23:59:59.999Z`;
    return new Date(end).toISOString();
  });

const distinct = (ids: string[]) => [...new Set(ids)];
const devices = z
  .array(deviceId, 'must be an array of device ids')
  .max(APPLICATION_DEVICES_MAX, `must hold at most ${APPLICATION_DEVICES_MAX} devices; put more into groups`)
  .transform(distinct);
const groups = z
  .array(groupId, 'must be an array of group ids')
  .max(APPLICATION_GROUPS_MAX, `must hold at most ${APPLICATION_GROUPS_MAX} groups`)
  .transform(distinct);
const scopes = z
  .array(z.enum(APPLICATION_SCOPES, `must be one of ${APPLICATION_SCOPES.join(', ')}`))
  .min(1, 'must hold at least one scope')
  .transform((list) => [...new Set(list)]);
const includeAnomalies = z.boolean('must be true or false');
const { clientType, redirectUris, userAuthentication, refreshTokens, accessTokenSeconds } = clientSettingsFields;
const { clientAuthentication, jwks, dpopBoundAccessTokens } = clientSettingsFields;

/** The body of a creation. */
export const newApplication = z.strictObject({
  name: displayName,
  expiresAt: expirationDate,
  includeAnomalies: includeAnomalies.default(false),
  devices: devices.default([]),
  groups: groups.default([]),
  scopes: scopes.default(['app']),
  clientType: clientType.default(DEFAULT_CLIENT_SETTINGS.clientType),
  clientAuthentication: clientAuthentication.default(DEFAULT_CLIENT_SETTINGS.clientAuthentication),
  jwks: jwks.default(DEFAULT_CLIENT_SETTINGS.jwks),
  dpopBoundAccessTokens: dpopBoundAccessTokens.default(DEFAULT_CLIENT_SETTINGS.dpopBoundAccessTokens),
  redirectUris: redirectUris.default([]),
  userAuthentication: userAuthentication.default(DEFAULT_CLIENT_SETTINGS.userAuthentication),
  refreshTokens: refreshTokens.default(DEFAULT_CLIENT_SETTINGS.refreshTokens),
  accessTokenSeconds: accessTokenSeconds.default(DEFAULT_CLIENT_SETTINGS.accessTokenSeconds),
  allowedOrigins: allowedOrigins.default([]),
});
export type NewApplication = z.output<typeof newApplication>;

/** The body of an edit. The expiration date is not edited but extended, so sending it is refused with a pointer. */
export const applicationEdit = z.strictObject({
  name: displayName.optional(),
  includeAnomalies: includeAnomalies.optional(),
  devices: devices.optional(),
  groups: groups.optional(),
  scopes: scopes.optional(),
  clientAuthentication: clientAuthentication.optional(),
  jwks: jwks.optional(),
  dpopBoundAccessTokens: dpopBoundAccessTokens.optional(),
  redirectUris: redirectUris.optional(),
  userAuthentication: userAuthentication.optional(),
  refreshTokens: refreshTokens.optional(),
  accessTokenSeconds: accessTokenSeconds.optional(),
  allowedOrigins: allowedOrigins.optional(),
  expiresAt: z.unknown().optional(),
});
export type ApplicationEdit = z.output<typeof applicationEdit>;

/** What the policy rules look up. */
export interface PolicyLookups {
  devices: DeviceRegistry;
  groups: GroupsRepository;
}

/**
 * Checks that an application is only given what the tenant has.
 * @throws Problem 422 naming every unknown device and group
 */
export async function requireKnownPolicy(
  { devices: registry, groups: groupsRepository }: PolicyLookups,
  tenantId: TenantId,
  policy: { devices?: string[] | undefined; groups?: string[] | undefined },
): Promise<void> {
  const [knownDevices, knownGroups] = await Promise.all([
    registry.existing(tenantId, policy.devices ?? []),
    groupsRepository.existing(tenantId, policy.groups ?? []),
  ]);
  const faults = [
    ...unknown('devices', 'device', policy.devices ?? [], knownDevices),
    ...unknown('groups', 'device group', policy.groups ?? [], knownGroups),
  ];
  if (faults.length > 0) throw invalidInput('body', faults.slice(0, 20), 422);
}

/** @throws Problem 422 when settings do not fit together */
export function requireFittingSettings(settings: Partial<ClientSettings>): void {
  const fault = misfit(settings);
  if (fault) throw invalidInput('body', [fault], 422);
}

/** @throws Problem 422 when the moment is not in the future */
export function requireFuture(expiresAt: string, nowMs: number): void {
  if (Date.parse(expiresAt) > nowMs) return;
  throw invalidInput('body', [{ field: 'expiresAt', rule: 'must be in the future', got: expiresAt }], 422);
}

/** The answer when a name is taken. */
export function nameTaken(name: string): Problem {
  return new Problem('name-taken', 409, `There is an application named "${name}" already: choose another name.`);
}

function unknown(field: string, what: string, ids: string[], known: ReadonlySet<string>) {
  return ids.flatMap((id, index) =>
    known.has(id) ? [] : [{ field: `${field}.${index}`, rule: `no such ${what} in this tenant`, got: id }],
  );
}
