/** Management of External Applications, what was done to them, and what they may see. */
import { applicationEdit, newApplication } from '../shared/applications/application-input.ts';
import { rotation } from '../shared/applications/rotate-secret.ts';
import { jsonBody, optionalJsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as manage from '../shared/manage/manage-applications.ts';
import { activityQuery, auditListQuery, listActivity, listAudit } from '../shared/manage/list-audit.ts';
import { listMyDevices, myDevicesQuery } from '../shared/manage/my-devices.ts';
import { anApplication, itsPages, may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const applications = 'v1/external-applications';
const read = { guard: may('read-applications') };
const change = { guard: may('manage-applications') };
const params = manage.applicationPath;
const largest = manage.APPLICATION_BODY_BYTES_MAX;

httpRoute('external-applications', applications, {
  GET: operation({ ...read, summary: 'List external applications', query: manage.applicationListQuery }, async (call) =>
    manage.listApplications(await services(), call),
  ),
  POST: operation(
    { ...change, summary: 'Create an external application', body: jsonBody(newApplication, largest) },
    async (call) => manage.postApplication(await services(), call),
  ),
});
httpRoute('external-application', `${applications}/{id}`, {
  GET: operation({ ...read, params, summary: 'Show an external application' }, async (call) =>
    manage.getApplication(await services(), call),
  ),
  PATCH: operation(
    { ...change, params, summary: 'Edit an external application', body: jsonBody(applicationEdit, largest) },
    async (call) => manage.patchApplication(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Delete an external application' }, async (call) =>
    manage.removeApplication(await services(), call),
  ),
});
httpRoute('external-application-disable', `${applications}/{id}/disable`, {
  POST: operation({ ...change, params, summary: 'Disable an external application' }, async (call) =>
    manage.postDisable(await services(), call),
  ),
});
httpRoute('external-application-enable', `${applications}/{id}/enable`, {
  POST: operation({ ...change, params, summary: 'Enable an external application' }, async (call) =>
    manage.postEnable(await services(), call),
  ),
});
httpRoute('external-application-extend', `${applications}/{id}/extend`, {
  POST: operation(
    { ...change, params, summary: 'Move the expiration date', body: jsonBody(manage.extension) },
    async (call) => manage.postExtend(await services(), call),
  ),
});
httpRoute('external-application-rotate-secret', `${applications}/{id}/rotate-secret`, {
  POST: operation(
    { ...change, params, summary: 'Replace the client secret', body: optionalJsonBody(rotation) },
    async (call) => manage.postRotate(await services(), call),
  ),
});
httpRoute('external-application-end-grace', `${applications}/{id}/secrets/previous/revoke`, {
  POST: operation({ ...change, params, summary: 'End the grace of the previous secret' }, async (call) =>
    manage.postEndGrace(await services(), call),
  ),
});
httpRoute('external-application-activity', `${applications}/{id}/activity`, {
  GET: operation(
    { ...change, params, summary: 'List what was done to an external application', query: activityQuery },
    async (call) => listActivity(await services(), call),
  ),
});
httpRoute('audit', 'v1/audit', {
  GET: operation({ ...change, summary: 'List the audit of a month', query: auditListQuery }, async (call) =>
    listAudit(await services(), call),
  ),
});
httpRoute('my-devices', 'v1/me/devices', {
  GET: operation(
    {
      guard: anApplication,
      crossOrigin: itsPages,
      summary: 'List the devices that the calling application may see',
      query: myDevicesQuery,
    },
    async (call) => listMyDevices(await services(), call),
  ),
});
