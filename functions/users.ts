/** Management of users, roles and tenants; people's own account; the first administrator. */
import { jsonBody, optionalJsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as tenants from '../shared/manage/manage-tenants.ts';
import * as users from '../shared/manage/manage-users.ts';
import { aUser, may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const change = { guard: may('manage-users') };
const params = users.userPath;

httpRoute('users', 'v1/users', {
  GET: operation({ ...change, summary: 'List users', query: users.userListQuery }, async (call) =>
    users.listUsers(await services(), call),
  ),
  POST: operation({ ...change, summary: 'Create a user', body: jsonBody(users.newUser) }, async (call) =>
    users.createUser(await services(), call),
  ),
});
httpRoute('user', 'v1/users/{id}', {
  GET: operation({ ...change, params, summary: 'Show a user' }, async (call) => users.getUser(await services(), call)),
  PATCH: operation({ ...change, params, summary: 'Change a user', body: jsonBody(users.userEdit) }, async (call) =>
    users.patchUser(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Delete a user' }, async (call) =>
    users.deleteUser(await services(), call),
  ),
});
httpRoute('user-disable', 'v1/users/{id}/disable', {
  POST: operation({ ...change, params, summary: 'Disable a user' }, async (call) =>
    users.switchUser(await services(), call, false),
  ),
});
httpRoute('user-enable', 'v1/users/{id}/enable', {
  POST: operation({ ...change, params, summary: 'Enable a user' }, async (call) =>
    users.switchUser(await services(), call, true),
  ),
});
httpRoute('user-external-token', 'v1/users/{id}/external-authentication-token', {
  PUT: operation(
    {
      ...change,
      params,
      summary: 'Write the external authentication token of a user',
      body: optionalJsonBody(users.externalTokenBody),
    },
    async (call) => users.putExternalToken(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Take the external authentication token away' }, async (call) =>
    users.deleteExternalToken(await services(), call),
  ),
});
httpRoute('roles', 'v1/roles', {
  GET: operation({ guard: may('read'), summary: 'List the roles and what they allow' }, async () => users.listRoles()),
});
httpRoute('me', 'v1/me', {
  GET: operation({ guard: aUser, summary: 'Show the calling user' }, async (call) =>
    users.getMe(await services(), call),
  ),
});
httpRoute('my-password', 'v1/me/password', {
  POST: operation(
    { guard: aUser, summary: 'Change the own password', body: jsonBody(users.ownPassword) },
    async (call) => users.postOwnPassword(await services(), call),
  ),
});

const read = { guard: may('read') };
const rename = { guard: may('manage-tenant') };
const platform = { guard: may('operate-platform') };
const tenant = { params: tenants.tenantPath };
httpRoute('tenants', 'v1/tenants', {
  GET: operation({ ...read, summary: 'List tenants', query: tenants.tenantListQuery }, async (call) =>
    tenants.listTenants(await services(), call),
  ),
  POST: operation({ ...platform, summary: 'Create a tenant', body: jsonBody(tenants.newTenant) }, async (call) =>
    tenants.createTenant(await services(), call),
  ),
});
httpRoute('tenant', 'v1/tenants/{id}', {
  GET: operation({ ...read, ...tenant, summary: 'Show a tenant' }, async (call) =>
    tenants.getTenant(await services(), call),
  ),
  PATCH: operation(
    { ...rename, ...tenant, summary: 'Rename a tenant', body: jsonBody(tenants.tenantEdit) },
    async (call) => tenants.patchTenant(await services(), call),
  ),
  DELETE: operation({ ...platform, ...tenant, summary: 'Delete an empty tenant' }, async (call) =>
    tenants.deleteTenant(await services(), call),
  ),
});
httpRoute('tenant-disable', 'v1/tenants/{id}/disable', {
  POST: operation({ ...platform, ...tenant, summary: 'Switch a tenant off' }, async (call) =>
    tenants.switchTenant(await services(), call, false),
  ),
});
httpRoute('tenant-enable', 'v1/tenants/{id}/enable', {
  POST: operation({ ...platform, ...tenant, summary: 'Switch a tenant on' }, async (call) =>
    tenants.switchTenant(await services(), call, true),
  ),
});

httpRoute('setup', 'v1/setup', {
  POST: operation({ summary: 'Make the first administrator', body: jsonBody(tenants.setupBody) }, async (call) =>
    tenants.postSetup(await services(), call),
  ),
});
