/** Where alerts are told, and what became of it. */
import { jsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as manage from '../shared/manage/manage-actions.ts';
import { actionContent } from '../shared/notifications/action.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-actions') };
const params = manage.actionPath;

httpRoute('actions', 'v1/actions', {
  GET: operation({ ...read, summary: 'List actions' }, async (call) => manage.listActions(await services(), call)),
  POST: operation({ ...change, summary: 'Create an action', body: jsonBody(actionContent) }, async (call) =>
    manage.createAction(await services(), call),
  ),
});
httpRoute('action', 'v1/actions/{actionId}', {
  GET: operation({ ...read, params, summary: 'Show an action' }, async (call) =>
    manage.getAction(await services(), call),
  ),
  PUT: operation({ ...change, params, summary: 'Replace an action', body: jsonBody(actionContent) }, async (call) =>
    manage.putAction(await services(), call),
  ),
  DELETE: operation({ ...change, params, summary: 'Delete an action' }, async (call) =>
    manage.deleteAction(await services(), call),
  ),
});
httpRoute('action-rotate-secret', 'v1/actions/{actionId}/rotate-secret', {
  POST: operation({ ...change, params, summary: 'Replace the secret of a webhook' }, async (call) =>
    manage.rotateActionSecret(await services(), call),
  ),
});
httpRoute('deliveries', 'v1/deliveries', {
  GET: operation({ ...read, summary: 'List deliveries', query: manage.deliveryListQuery }, async (call) =>
    manage.listDeliveries(await services(), call),
  ),
});
httpRoute('delivery-resend', 'v1/deliveries/{deliveryId}/resend', {
  POST: operation({ ...change, params: manage.deliveryPath, summary: 'Send a delivery again' }, async (call) =>
    manage.resendDelivery(await services(), call),
  ),
});
