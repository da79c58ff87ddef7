/** When nobody is told. */
import { jsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as manage from '../shared/manage/manage-maintenance.ts';
import { maintenanceWindow } from '../shared/notifications/maintenance-window.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-actions') };
const params = manage.windowPath;
const body = jsonBody(maintenanceWindow);

httpRoute('maintenance-windows', 'v1/maintenance-windows', {
  GET: operation({ ...read, summary: 'List maintenance windows' }, async (call) =>
    manage.listWindows(await services(), call),
  ),
  POST: operation({ ...change, summary: 'Create a maintenance window', body }, async (call) =>
    manage.createWindow(await services(), call),
  ),
});
httpRoute('maintenance-window', 'v1/maintenance-windows/{windowId}', {
  GET: operation({ ...read, params, summary: 'Show a maintenance window' }, async (call) =>
    manage.getWindow(await services(), call),
  ),
  PUT: operation({ ...change, params, summary: 'Replace a maintenance window', body }, async (call) =>
    manage.putWindow(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Delete a maintenance window' }, async (call) =>
    manage.deleteWindow(await services(), call),
  ),
});
