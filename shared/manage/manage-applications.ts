/** `/v1/external-applications`: who outside may read which devices, for how long. */
import { randomUUID } from 'node:crypto';
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { expirationDate, type ApplicationEdit, type NewApplication } from '../applications/application-input.ts';
import { viewOf, type Application } from '../applications/applications.ts';
import {
  deleteApplication,
  disableApplication,
  enableApplication,
  extendApplication,
  type Check,
} from '../applications/change-status.ts';
import { createApplication, newApplicationIds } from '../applications/create-application.ts';
import { editApplication, noSuchApplication } from '../applications/edit-application.ts';
import { endGrace, rotateSecret, type Rotation } from '../applications/rotate-secret.ts';
import { applicationSort, placeOf } from '../applications/sort-applications.ts';
import { alreadyHas, entityTag, requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import { reserveIds } from './idempotency.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';
import { pageQuery, searchText, toPage, unpackCursor } from './paging.ts';

/** Bytes of a body that names APPLICATION_DEVICES_MAX devices. */
export const APPLICATION_BODY_BYTES_MAX = 2 * 1024 * 1024;

/** Any text may stand here: what is not even the shape of an id is an application that does not exist, 404 and not 400. */
export const applicationPath = z.object({ id: z.string() });
export const applicationListQuery = z.object({
  ...pageQuery,
  search: searchText.optional(),
  status: z.enum(['enabled', 'disabled', 'expired'], 'must be enabled, disabled or expired').optional(),
  sort: applicationSort,
});
/** The body of an extension. */
export const extension = z.strictObject({ expiresAt: expirationDate });

/** What the page says beside the credentials (External Applications, "Create New Application"). */
const KEEP_IT =
  'Copy and store the secret now: the Client Secret and the Client Id are not shown again after this answer.';

type ApplicationPath = z.output<typeof applicationPath>;

/** Lists the tenant's applications, the newest first unless asked otherwise. @throws Problem 400 for a cursor of another order */
export async function listApplications(
  { applications, now }: ManageServices,
  { caller, query }: ManageCall<unknown, z.output<typeof applicationListQuery>>,
): Promise<HttpResponseInit> {
  const { limit, cursor, search, status, sort } = query;
  const [order, value = '', id = ''] = unpackCursor(cursor, 3) ?? [];
  if (order !== undefined && order !== sort) {
    throw new Problem('invalid-cursor', 400, 'This cursor is of a list in another order: start without it.');
  }
  const after = order === undefined ? undefined : ([value, id] as const);
  const found = await applications.list(caller.tenantId, { search, status }, { sort, after, limit: limit + 1 });
  return { jsonBody: toPage(found, limit, summary(now()), (application) => [sort, ...placeOf(sort, application)]) };
}

/**
 * Creates an application: the only answer, besides a rotation's, that holds a secret. A repeat under the same
 * Idempotency-Key answers without it: the secret is kept nowhere, so whoever lost it rotates.
 */
export async function postApplication(
  services: ManageServices,
  call: ManageCall<unknown, undefined, NewApplication>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: 'application', key, body: call.body };
  const { ids, repeated } = await reserveIds(services.store, reservation, () => newApplicationIds(services.now()));
  const existing = repeated ? await services.applications.byClientId(ids.clientId) : undefined;
  if (existing) return replayed(services, existing);
  const created = await createApplication(services, tenantId, call.body, ids);
  if (!created) {
    const other = await services.applications.byClientId(ids.clientId);
    if (other) return replayed(services, other);
    throw new Problem('application-deleted', 409, 'What this Idempotency-Key created was deleted: use a new key.');
  }
  const { application, clientSecret } = created;
  await recordChange(services, call, 'application-created', target(application), Object.keys(call.body));
  return withCredentials(services, application, clientSecret, 201);
}

/** Shows an application, without credentials. @throws Problem 404 */
export async function getApplication(
  services: ManageServices,
  { caller, params, request }: ManageCall<ApplicationPath>,
): Promise<HttpResponseInit> {
  const application = await services.applications.find(caller.tenantId, params.id);
  if (!application) throw noSuchApplication(params.id);
  const etag = entityTag(application.version);
  return alreadyHas(request, etag) ? { status: 304, headers: { etag } } : respond(services, application);
}

/** Edits an application. @throws Problem 404, 409 for a taken name, 412, 422 */
export async function patchApplication(
  services: ManageServices,
  call: ManageCall<ApplicationPath, undefined, ApplicationEdit>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { application, changed } = await editApplication(services, tenantId, call.params.id, call.body, ifMatch(call));
  if (changed.length > 0) await settle(services, call, application, 'application-changed', changed);
  return respond(services, application);
}

/** Deletes an application. @throws Problem 404, 412 */
export async function removeApplication(
  services: ManageServices,
  call: ManageCall<ApplicationPath>,
): Promise<HttpResponseInit> {
  let deleted: Application | undefined;
  const check = ifMatch(call);
  await deleteApplication(services, call.caller.tenantId, call.params.id, (application) => {
    check(application);
    deleted = application;
  });
  if (deleted) await settle(services, call, deleted, 'application-deleted');
  return { status: 204 };
}

/** Disables an application. @throws Problem 404, 412 */
export async function postDisable(services: ManageServices, call: ManageCall<ApplicationPath>) {
  const application = await disableApplication(services, call.caller.tenantId, call.params.id, ifMatch(call));
  await settle(services, call, application, 'application-disabled', ['status']);
  return respond(services, application);
}

/** Enables an application. @throws Problem 404, 412 */
export async function postEnable(services: ManageServices, call: ManageCall<ApplicationPath>) {
  const application = await enableApplication(services, call.caller.tenantId, call.params.id, ifMatch(call));
  await settle(services, call, application, 'application-enabled', ['status']);
  return respond(services, application);
}

/** Moves the expiration date. @throws Problem 404, 412, 422 */
export async function postExtend(
  services: ManageServices,
  call: ManageCall<ApplicationPath, undefined, z.output<typeof extension>>,
): Promise<HttpResponseInit> {
  const { expiresAt } = call.body;
  const application = await extendApplication(services, call.caller.tenantId, call.params.id, expiresAt, ifMatch(call));
  await settle(services, call, application, 'application-extended', ['expiresAt']);
  return respond(services, application);
}

/**
 * Gives an application a new secret. A repeat under the same Idempotency-Key replaces nothing: pressed twice, the button
 * must not end the secret that is in its grace.
 * @throws Problem 404, 409 when it has none, 412
 */
export async function postRotate(
  services: ManageServices,
  call: ManageCall<ApplicationPath, undefined, Rotation>,
): Promise<HttpResponseInit> {
  const { tenantId } = call.caller;
  const { id } = call.params;
  const key = call.request.headers.get('idempotency-key');
  const reservation = { tenantId, purpose: `rotation ${id}`, key, body: call.body };
  const { ids } = await reserveIds(services.store, reservation, () => ({ secretId: randomUUID() }));
  const rotated = await rotateSecret(services, tenantId, id, call.body, ids.secretId, ifMatch(call));
  const { application, clientSecret } = rotated;
  if (clientSecret === undefined) return replayed(services, application);
  await settle(services, call, application, 'application-secret-rotated', ['secrets']);
  return withCredentials(services, application, clientSecret, 200);
}

/** Ends the grace of the previous secret. @throws Problem 404, 412 */
export async function postEndGrace(services: ManageServices, call: ManageCall<ApplicationPath>) {
  const application = await endGrace(services, call.caller.tenantId, call.params.id, ifMatch(call));
  await settle(services, call, application, 'application-secret-grace-ended', ['secrets']);
  return respond(services, application);
}

function ifMatch({ request }: { request: ManageCall['request'] }): Check {
  return ({ version }) => requireMatch(request, entityTag(version));
}

async function settle(
  services: ManageServices,
  call: Pick<ManageCall, 'caller' | 'request' | 'requestId'>,
  application: Application,
  action: string,
  changed?: string[],
): Promise<void> {
  services.policies.forget(application.id);
  // Answered when it holds everywhere: whatever was taken back buys no token at any instance from then on.
  await Promise.all([
    services.applications.lapse(),
    recordChange(services, call, action, target(application), changed),
  ]);
}

function target({ applicationId }: Application): string {
  return `application:${applicationId}`;
}

function respond({ now }: ManageServices, application: Application, headers = {}): HttpResponseInit {
  return resource(viewOf(application, now()), entityTag(application.version), 200, headers);
}

function replayed(services: ManageServices, application: Application): HttpResponseInit {
  const { jsonBody, ...rest } = respond(services, application, { 'idempotency-replayed': 'true' });
  const notice = 'This was done before. The secret is shown only once: rotate it to get a new one.';
  return { ...rest, jsonBody: { ...jsonBody, notice } };
}

function withCredentials(
  { now }: ManageServices,
  application: Application,
  clientSecret: string | undefined,
  status: number,
): HttpResponseInit {
  const view = { ...viewOf(application, now()), clientId: application.id, clientSecret, notice: KEEP_IT };
  const location = `/v1/external-applications/${application.applicationId}`;
  return resource(view, entityTag(application.version), status, status === 201 ? { location } : {});
}

function summary(nowMs: number) {
  return (application: Application) => {
    const { devices, groups, secrets, ...rest } = viewOf(application, nowMs);
    return { ...rest, deviceCount: devices.length, groupCount: groups.length, secretCount: secrets.length };
  };
}
