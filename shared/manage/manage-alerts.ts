/** `/v1/alerts/{alertId}`: what people do with one alert, or with many at once. */
import type { HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { alertOperation, brokenMoment, BULK_ALERTS_MAX, type AlertOperation } from '../alerts/handle-alert.ts';
import type { Alert } from '../alerts/alert.ts';
import { requireMatch } from '../http/etag.ts';
import { invalidInput, Problem } from '../http/problem.ts';
import { actorOf } from '../identity/principal.ts';
import { recordChange, resource, type ManageCall, type ManageServices } from './manage-services.ts';

/** The truth about alerts, under etags. */
interface AlertAccess {
  find(tenantId: string, alertId: string): Promise<{ alert: Alert; etag: string } | undefined>;
  handle(
    tenantId: string,
    alertId: string,
    operation: AlertOperation,
    by: string,
    isExpected?: (etag: string) => void,
  ): Promise<{ alert: Alert; etag: string } | undefined>;
}

/** What the operations on alerts work with. */
export interface AlertServices extends ManageServices {
  alertDesk: AlertAccess;
}

/** `rule~device~n`. */
const alertId = z.string().regex(/^[A-Za-z0-9_-]{1,64}~.{1,128}~\d{1,16}$/, 'is not the id of an alert');
export const alertPath = z.object({ alertId });
type Path = z.output<typeof alertPath>;

/** The body of a bulk request: an operation, and the alerts it is for. */
export const bulkBody = z.object(
  {
    ids: z
      .array(alertId, 'must be an array of ids of alerts')
      .min(1, 'must name at least one alert')
      .max(BULK_ALERTS_MAX, `must name at most ${BULK_ALERTS_MAX} alerts`),
    operation: alertOperation,
  },
  'must be {ids, operation}',
);

/** Shows an alert. @throws Problem 404 */
export async function getAlert(services: AlertServices, call: ManageCall<Path>): Promise<HttpResponseInit> {
  const known = await services.alertDesk.find(call.caller.tenantId, call.params.alertId);
  if (!known) throw unknownAlert();
  return resource(known.alert, known.etag);
}

/** Applies an operation; the same one again changes nothing. @throws Problem 400, 404, 412, 409 */
export async function handleOne(
  services: AlertServices,
  call: ManageCall<Path, undefined, object | undefined>,
  name: AlertOperation['do'],
): Promise<HttpResponseInit> {
  // Checked by the body's schema, which is the operation without its name.
  const operation = { ...call.body, do: name } as AlertOperation;
  checkMoment(operation, services.now());
  const { caller, params, request } = call;
  const isExpected = (etag: string) => requireMatch(request, etag);
  const handled = await handle(services, caller, params.alertId, operation, isExpected);
  if (!handled) throw unknownAlert();
  await recordChange(services, call, `alert-${name}`, `alert:${params.alertId}`);
  return resource(handled.alert, handled.etag);
}

/** Applies one operation to many alerts, each on its own: the answer says what became of each. */
export async function handleMany(
  services: AlertServices,
  call: ManageCall<unknown, undefined, z.output<typeof bulkBody>>,
): Promise<HttpResponseInit> {
  const { ids, operation } = call.body;
  checkMoment(operation, services.now(), 'operation.until');
  const items: { id: string; status: number; condition?: string; handling?: string; detail?: string }[] = [];
  for (const id of new Set(ids)) {
    try {
      const handled = await handle(services, call.caller, id, operation);
      if (handled) {
        const { condition, handling } = handled.alert;
        items.push({ id, status: 200, condition, handling });
        await recordChange(services, call, `alert-${operation.do}`, `alert:${id}`);
      } else items.push({ id, status: 404, detail: unknownAlert().detail });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      items.push({ id, status: error.status, detail: error.detail });
    }
  }
  return { jsonBody: { items } };
}

function handle(
  { alertDesk }: AlertServices,
  caller: ManageCall['caller'],
  id: string,
  operation: AlertOperation,
  isExpected?: (etag: string) => void,
) {
  return alertDesk.handle(caller.tenantId, id, operation, actorOf(caller), isExpected);
}

function checkMoment(operation: AlertOperation, nowMs: number, field = 'until'): void {
  const rule = brokenMoment(operation, nowMs);
  if (rule === undefined || !('until' in operation)) return;
  throw invalidInput('body', [{ field, rule, got: String(operation.until) }]);
}

function unknownAlert(): Problem {
  return new Problem('unknown-alert', 404, 'There is no such alert: GET /v1/alerts lists those of the tenant.');
}
