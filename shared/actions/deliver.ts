/**
 * The outbox: plans who is told of a change, attempts what is due, and records what came of it. An attempt is claimed
 * under the etag, so that of several instances one makes it; one that dies is made again after the claim ends. So a
 * message may arrive twice, always under the same id.
 */
import type { AlertEvent } from '../alerts/alert.ts';
import { count } from '../observability.ts';
import { afterAttempt, deliveryId, planDeliveries, planOf, type Delivery } from '../notifications/delivery.ts';
import { judge, type Verdict } from '../notifications/verdict.ts';
import { isTransient, withoutSystemFields, type Stored } from '../store/store.ts';
import { claim } from './claim.ts';
import { recordEndpoint } from './endpoint-health.ts';
import { watchAlert } from './follow-up.ts';
import type { OutboxServices } from './outbox.ts';
import { send } from './send.ts';

/** Deliveries attempted at the same time, and in one run. */
const AT_ONCE = 16;
const RUN_MAX = 200;

/** Plans the deliveries of a change; the same change again plans nothing new. */
export async function notify(services: OutboxServices, tenantId: string, event: AlertEvent): Promise<void> {
  const rule = await services.findRule(tenantId, event.ruleId);
  if (event.change === 'opened') await markMaintenance(services, tenantId, event);
  if (!rule?.notify) return;
  const plan = planOf(event, rule.notify);
  const deliveries = plan ? planDeliveries(tenantId, event, plan, rule.notify, services.now()) : [];
  await Promise.all(deliveries.map((delivery) => services.store.create('actions', delivery)));
  if (event.change === 'opened' && !rule.shadow) await watchAlert(services, tenantId, event, rule.notify);
}

/** An alert that opens in a maintenance window says so, whether anybody would be told or not. */
async function markMaintenance(services: OutboxServices, tenantId: string, event: AlertEvent): Promise<void> {
  if ((await services.maintenanceUntil(tenantId, event)) === undefined) return;
  const alert = await services.findAlert(tenantId, event.alertId);
  if (alert?.suppression === 'none' && alert.condition === 'active')
    await services.markAlert(tenantId, event.alertId, 'maintenance');
}

/**
 * Attempts what is due. @returns how many attempts were made
 * @throws the first error of the store, after all that started has ended; the next run comes anyway
 */
export async function deliverDue(services: OutboxServices): Promise<number> {
  const due = await services.store.all<Delivery>('actions', {
    query: `SELECT * FROM c WHERE c.kind = 'delivery' AND (c.status = 'pending' OR c.status = 'held') AND c.dueAt <= @now ORDER BY c.dueAt ASC OFFSET 0 LIMIT ${RUN_MAX}`,
    parameters: [{ name: '@now', value: services.now() }],
  });
  let attempts = 0;
  const errors: unknown[] = [];
  const queue = due.values();
  const worker = async () => {
    for (const delivery of queue) {
      const made = await attempt(services, delivery).catch((error: unknown) => void errors.push(error));
      if (made) attempts++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, worker));
  if (errors.length > 0) throw errors[0];
  return attempts;
}

async function attempt(services: OutboxServices, stored: Stored<Delivery>): Promise<boolean> {
  const { store } = services;
  const verdict = await judged(services, stored);
  if (verdict.kind !== 'send') {
    await putAside(services, stored, verdict);
    return false;
  }
  const action = await services.actions.find(stored.tenantId, stored.actionId);
  const claimed = await claim(services, await asItIsNow(services, stored), {
    // A command is for one device.
    mayGroup: action !== undefined && action.content.kind !== 'command',
    isTold: async (other) => (await judged(services, other)).kind === 'send',
  });
  if (!claimed) return false;
  await lift(services, stored);
  const delivery = withoutSystemFields<Delivery>(claimed);
  const attempted = await send(services, delivery, action);
  const next = afterAttempt(delivery, attempted, services.now(), services.random());
  count('sluice.notifications.attempts', 1, { outcome: next.status === 'pending' ? attempted.kind : next.status });
  try {
    await store.replace('actions', next, claimed._etag);
    if (action) await recordEndpoint(services, action, attempted, next);
  } catch (error) {
    // Made again when the claim ends; the receiver knows it by its id.
    if (!isTransient(error)) throw error;
  }
  return true;
}

/** What was held tells of the alert as it is when it is told: it may have become worse meanwhile. */
async function asItIsNow(services: OutboxServices, stored: Stored<Delivery>): Promise<Stored<Delivery>> {
  const { tenantId, alertId, event, held, begun } = stored;
  if (!held || begun || alertId === undefined || event === undefined) return stored;
  const alert = await services.findAlert(tenantId, alertId);
  if (!alert) return stored;
  const { severity, condition, handling } = alert;
  return { ...stored, event: { ...event, severity, condition, handling } };
}

async function judged(services: OutboxServices, delivery: Delivery): Promise<Verdict> {
  const { tenantId, alertId, event, type, actionId } = delivery;
  if (alertId === undefined || event === undefined) return { kind: 'send' };
  const [alert, maintenanceUntilMs, beginning] = await Promise.all([
    services.findAlert(tenantId, alertId),
    services.maintenanceUntil(tenantId, event),
    type === 'alert.resolved' || type === 'alert.raised'
      ? services.store.read<Delivery>('actions', deliveryId(`${alertId}~opened`, actionId), tenantId)
      : undefined,
  ]);
  return judge(delivery, { alert, maintenanceUntilMs, beginning: beginning?.status }, services.now());
}

async function putAside(
  services: OutboxServices,
  stored: Stored<Delivery>,
  verdict: Exclude<Verdict, { kind: 'send' }>,
): Promise<void> {
  const { why } = verdict;
  const delivery = withoutSystemFields<Delivery>(stored);
  const next: Delivery =
    verdict.kind === 'hold'
      ? { ...delivery, status: 'held', held: true, detail: why, dueAt: verdict.untilMs }
      : { ...delivery, status: 'suppressed', detail: why };
  const written = await services.store.replace('actions', next, stored._etag);
  if (written && next.status === 'suppressed') count('sluice.notifications.suppressed', 1, { why });
  if (why === 'maintenance' && !stored.held && delivery.alertId !== undefined && delivery.type === 'alert.opened') {
    const alert = await services.findAlert(delivery.tenantId, delivery.alertId);
    if (alert?.suppression === 'none') await services.markAlert(delivery.tenantId, delivery.alertId, 'maintenance');
  }
}

/** What was held and is told now is no longer suppressed. */
async function lift(services: OutboxServices, { tenantId, alertId, held }: Delivery): Promise<void> {
  if (!held || alertId === undefined) return;
  const alert = await services.findAlert(tenantId, alertId);
  if (alert && ['maintenance', 'cooldown', 'flapping'].includes(alert.suppression))
    await services.markAlert(tenantId, alertId, 'none');
}
