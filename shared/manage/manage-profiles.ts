/** `/v1/device-profiles`: kinds of devices, with their parameters and what they inherit. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { attributes, newProfile, profileParameters, type DeviceProfile } from '../devices/device-profiles.ts';
import { displayName, groupId } from '../devices/devices.ts';
import { requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import type { Stored } from '../store/store.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';
import { deleteStored, updateStored } from './update-stored.ts';

export const profilePath = z.object({ id: groupId });
export const profileListQuery = z.object(pageQuery);
/** The body of a PUT. */
export const wholeProfile = z.strictObject({
  id: groupId.optional(),
  name: displayName.optional(),
  parameters: profileParameters.default({}),
  attributes: attributes.default({}),
});

type ProfilePath = z.output<typeof profilePath>;

/** Lists the tenant's profiles. */
export async function listProfiles(
  { profiles }: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof profileListQuery>>,
): Promise<HttpResponseInit> {
  const after = unpackCursor(query.cursor, 1)?.[0];
  const found = await profiles.list(caller.tenantId, { after, limit: query.limit + 1 });
  return { jsonBody: toPage(found, query.limit, viewOf, (profile) => [profile.profileId]) };
}

/** Shows a profile. @throws Problem 404 */
export async function getProfile(services: ManageServices, call: ManageCall<ProfilePath>): Promise<HttpResponseInit> {
  const profile = await ownProfile(services, call.caller.tenantId, call.params.id);
  return resource(viewOf(profile), profile._etag);
}

/** Creates or replaces a profile. @throws Problem 412 */
export async function putProfile(
  services: ManageServices,
  call: ManageCall<ProfilePath, undefined, z.output<typeof wholeProfile>>,
): Promise<HttpResponseInit> {
  const { caller, params, request, body } = call;
  const content = { name: body.name ?? params.id, parameters: body.parameters, attributes: body.attributes };
  const at = new Date(services.now()).toISOString();
  if (!(await services.profiles.find(caller.tenantId, params.id))) {
    requireMatch(request, undefined);
    const profile = newProfile({ tenantId: caller.tenantId, profileId: params.id }, content, at);
    const created = await services.profiles.save(profile);
    if (created) {
      await recordChange(services, call, 'device-profile-created', `device-profile:${params.id}`);
      return resource(viewOf(created), created._etag, 201);
    }
  }
  const replaced = await updateStored<DeviceProfile>(
    request,
    {
      read: () => ownProfile(services, caller.tenantId, params.id),
      write: (next, etag) => services.profiles.save(next, etag),
    },
    (current) => ({ ...current, ...content, updatedAt: at }),
  );
  await recordChange(services, call, 'device-profile-changed', `device-profile:${params.id}`, Object.keys(body));
  return resource(viewOf(replaced), replaced._etag);
}

/** Deletes a profile; devices that had it have none. @throws Problem 404, 409 while a rule names it, 412 */
export async function deleteProfile(
  services: ManageServices,
  call: ManageCall<ProfilePath>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { id } = call.params;
  const users = (await services.rules.running(tenantId)).filter(({ scope }) => scope.profiles?.includes(id));
  if (users.length > 0) {
    const names = users.map(({ name }) => name).slice(0, 10);
    const detail = `Rules are for this profile (${names.join(', ')}): take it out of them first.`;
    throw new Problem('profile-in-use', 409, detail);
  }
  await deleteStored(call.request, {
    read: () => ownProfile(services, tenantId, id),
    remove: (profile) => services.profiles.remove(profile),
  });
  await recordChange(services, call, 'device-profile-deleted', `device-profile:${id}`);
  return { status: 204 };
}

async function ownProfile(
  { profiles }: ManageServices,
  tenantId: TenantId,
  id: string,
): Promise<Stored<DeviceProfile>> {
  const profile = await profiles.find(tenantId, id);
  if (profile) return profile;
  throw new Problem('profile-not-found', 404, `There is no device profile ${id}.`);
}

function viewOf({ profileId: id, name, parameters, attributes: shared, createdAt, updatedAt }: DeviceProfile) {
  return { id, name, parameters, attributes: shared, createdAt, updatedAt };
}
