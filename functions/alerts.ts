/** Alerts: the list, and what people do with them. */
import { operationBodies } from '../shared/alerts/handle-alert.ts';
import { jsonBody, optionalJsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import { alertListQuery, listAlerts } from '../shared/manage/list-findings.ts';
import * as manage from '../shared/manage/manage-alerts.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('handle-alerts'), params: manage.alertPath };

httpRoute('alerts', 'v1/alerts', {
  GET: operation({ ...read, summary: 'List alerts', query: alertListQuery }, async (call) =>
    listAlerts(await services(), call),
  ),
});
httpRoute('alert', 'v1/alerts/{alertId}', {
  GET: operation({ ...read, params: manage.alertPath, summary: 'Show an alert' }, async (call) =>
    manage.getAlert(await services(), call),
  ),
});
httpRoute('alerts-bulk', 'v1/alerts-bulk', {
  POST: operation(
    { guard: change.guard, summary: 'Apply one operation to many alerts', body: jsonBody(manage.bulkBody) },
    async (call) => manage.handleMany(await services(), call),
  ),
});
httpRoute('alert-acknowledge', 'v1/alerts/{alertId}/acknowledge', {
  POST: operation(
    { ...change, summary: 'Take an alert on', body: optionalJsonBody(operationBodies.acknowledge) },
    async (call) => manage.handleOne(await services(), call, 'acknowledge'),
  ),
});
httpRoute('alert-unacknowledge', 'v1/alerts/{alertId}/unacknowledge', {
  POST: operation(
    { ...change, summary: 'Give an alert back', body: optionalJsonBody(operationBodies.unacknowledge) },
    async (call) => manage.handleOne(await services(), call, 'unacknowledge'),
  ),
});
httpRoute('alert-snooze', 'v1/alerts/{alertId}/snooze', {
  POST: operation(
    { ...change, summary: 'Tell nobody of an alert for a while', body: jsonBody(operationBodies.snooze) },
    async (call) => manage.handleOne(await services(), call, 'snooze'),
  ),
});
httpRoute('alert-unsnooze', 'v1/alerts/{alertId}/unsnooze', {
  POST: operation(
    { ...change, summary: 'Tell of an alert again', body: optionalJsonBody(operationBodies.unsnooze) },
    async (call) => manage.handleOne(await services(), call, 'unsnooze'),
  ),
});
httpRoute('alert-comment', 'v1/alerts/{alertId}/comment', {
  POST: operation(
    { ...change, summary: 'Write a comment on an alert', body: jsonBody(operationBodies.comment) },
    async (call) => manage.handleOne(await services(), call, 'comment'),
  ),
});
httpRoute('alert-resolve', 'v1/alerts/{alertId}/resolve', {
  POST: operation(
    { ...change, summary: 'End an alert', body: optionalJsonBody(operationBodies.resolve) },
    async (call) => manage.handleOne(await services(), call, 'resolve'),
  ),
});
