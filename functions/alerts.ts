/** Alerts: the list, and what people do with them. */
import type { z } from 'zod';
import { operationBodies, type AlertOperation } from '../shared/alerts/handle-alert.ts';
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

/** What people do with one alert: one route for each operation. `bare`: it needs no body. */
const OPERATIONS: [name: AlertOperation['do'], summary: string, bare: boolean][] = [
  ['acknowledge', 'Take an alert on', true],
  ['unacknowledge', 'Give an alert back', true],
  ['snooze', 'Tell nobody of an alert for a while', false],
  ['unsnooze', 'Tell of an alert again', true],
  ['comment', 'Write a comment on an alert', false],
  ['resolve', 'End an alert', true],
];
for (const [name, summary, bare] of OPERATIONS) {
  const schema: z.ZodType<object> = operationBodies[name];
  const body = bare ? optionalJsonBody(schema) : jsonBody(schema);
  httpRoute(`alert-${name}`, `v1/alerts/{alertId}/${name}`, {
    POST: operation({ ...change, summary, body }, async (call) => manage.handleOne(await services(), call, name)),
  });
}
