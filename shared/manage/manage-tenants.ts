/** `/v1/tenants`: made and switched off by the platform; a tenant's owner may rename it, and everybody in it sees it. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { entityTag, requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import { setup, setUpFirst, type FirstAdministratorSettings } from '../identity/first-administrator.ts';
import { tenantId, type TenantId } from '../identity/ids.ts';
import type { Passwords } from '../identity/passwords.ts';
import type { Manager } from '../identity/principal.ts';
import { noSuchTenant, viewOfTenant, type Tenant, type Tenants } from '../identity/tenants.ts';
import { userName, viewOfUser } from '../identity/users.ts';
import type { UsersRepository } from '../identity/users-repository.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, toPage, unpackCursor } from './paging.ts';

/** What the management of tenants works with. */
export interface ManageTenantsServices extends ManageServices {
  tenants: Tenants;
  users: UsersRepository;
  passwords: Passwords;
  firstAdministrator: FirstAdministratorSettings;
}

export const tenantPath = z.object({ id: z.string().max(256) });
export const tenantListQuery = z.object(pageQuery);
export const newTenant = z.strictObject({ id: tenantId, name: userName.optional() });
export const tenantEdit = z.strictObject({ name: userName });
export { setup as setupBody };

type TenantPath = z.output<typeof tenantPath>;

/** Lists tenants: all for a platform administrator, otherwise the caller's own. */
export async function listTenants(
  { tenants }: ManageTenantsServices,
  { caller, query }: ManageCall<unknown, z.output<typeof tenantListQuery>>,
): Promise<HttpResponseInit> {
  if (!isPlatform(caller)) {
    const own = await tenants.find(caller.tenantId);
    return { jsonBody: { items: own ? [viewOfTenant(own)] : [], nextCursor: null } };
  }
  const after = unpackCursor(query.cursor, 1)?.[0];
  const found = await tenants.list({ after, limit: query.limit + 1 });
  return { jsonBody: toPage(found, query.limit, viewOfTenant, (tenant) => [tenant.tenantId]) };
}

/** Creates a tenant. @throws Problem 409 */
export async function createTenant(
  services: ManageTenantsServices,
  call: ManageCall<unknown, undefined, z.output<typeof newTenant>>,
): Promise<HttpResponseInit> {
  const { id, name } = call.body;
  const tenant = await services.tenants.create(id, name ?? id);
  if (!tenant) throw new Problem('tenant-id-taken', 409, `There is a tenant ${id} already.`);
  await recordChange(services, call, 'tenant-created', `tenant:${id}`, Object.keys(call.body));
  return respond(tenant, 201, { location: `/v1/tenants/${id}` });
}

/** Shows a tenant. @throws Problem 404, also for one that is not the caller's */
export async function getTenant(
  { tenants }: ManageTenantsServices,
  { caller, params }: ManageCall<TenantPath>,
): Promise<HttpResponseInit> {
  const tenant = await tenants.find(reach(caller, params.id));
  if (!tenant) throw noSuchTenant(params.id);
  return respond(tenant);
}

/** Renames a tenant. @throws Problem 404, 412 */
export async function patchTenant(
  services: ManageTenantsServices,
  call: ManageCall<TenantPath, undefined, z.output<typeof tenantEdit>>,
): Promise<HttpResponseInit> {
  const tenant = await change(services, call, () => call.body);
  await recordChange(services, call, 'tenant-changed', `tenant:${tenant.tenantId}`, ['name']);
  return respond(tenant);
}

/** Switches a tenant off or on: applications and users of one that is off may do nothing. @throws Problem 404, 412 */
export async function switchTenant(
  services: ManageTenantsServices,
  call: ManageCall<TenantPath>,
  enabled: boolean,
): Promise<HttpResponseInit> {
  const tenant = await change(services, call, () => ({ enabled }));
  const action = enabled ? 'tenant-enabled' : 'tenant-disabled';
  await recordChange(services, call, action, `tenant:${tenant.tenantId}`, ['status']);
  return respond(tenant);
}

/** Deletes a tenant that has nothing any more. @throws Problem 404, 409 while it has users, applications or groups */
export async function deleteTenant(
  services: ManageTenantsServices,
  call: ManageCall<TenantPath>,
): Promise<HttpResponseInit> {
  const id = reach(call.caller, call.params.id);
  const [found, someUser, applications, groups] = await Promise.all([
    services.tenants.find(id),
    services.users.any(id),
    services.applications.list(id, {}, { sort: '-createdAt', limit: 1 }),
    services.groups.list(id, { limit: 1 }),
  ]);
  if (!found) throw noSuchTenant(call.params.id);
  if (someUser || applications.length > 0 || groups.length > 0) {
    throw new Problem(
      'tenant-not-empty',
      409,
      'The tenant still has users, applications or groups: delete them first.',
    );
  }
  await services.tenants.remove(id);
  await recordChange(services, call, 'tenant-deleted', `tenant:${id}`);
  return { status: 204 };
}

/** Makes the first administrator of a deployment that has none yet. @throws Problem 403, 404, 409, 410 */
export async function postSetup(
  services: ManageTenantsServices,
  { body, requestId }: { body: z.output<typeof setup>; requestId: string },
): Promise<HttpResponseInit> {
  const user = await setUpFirst(services, services.firstAdministrator, body);
  const { tenantId: home, id } = user;
  await services.audit({ tenantId: home, actor: 'setup', action: 'user-created', target: `user:${id}`, requestId });
  return { status: 201, jsonBody: { ...viewOfUser(user), tenant: home } };
}

async function change(
  { tenants }: ManageTenantsServices,
  { caller, params, request }: Pick<ManageCall<TenantPath, undefined, unknown>, 'caller' | 'params' | 'request'>,
  next: () => Partial<Tenant>,
): Promise<Tenant> {
  const tenant = await tenants.change(reach(caller, params.id), (current) => {
    requireMatch(request, entityTag(current.version));
    return next();
  });
  if (!tenant) throw noSuchTenant(params.id);
  return tenant;
}

/** The tenant of a path, if it is the caller's own or the caller is of the platform. @throws Problem 404 */
function reach(caller: Manager, id: string): TenantId {
  const parsed = tenantId.safeParse(id);
  if (parsed.success && (isPlatform(caller) || parsed.data === caller.tenantId)) return parsed.data;
  throw noSuchTenant(id);
}

function isPlatform({ roles }: Manager): boolean {
  return roles.includes('platform-admin');
}

function respond(tenant: Tenant, status = 200, headers: Record<string, string> = {}): HttpResponseInit {
  return resource(viewOfTenant(tenant), entityTag(tenant.version), status, headers);
}
