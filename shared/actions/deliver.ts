/**
 * The outbox: plans who is told of a change, attempts what is due, and records what came of it. An attempt is claimed
 * under the etag, so that of several instances one makes it; one that dies is made again after the claim ends. So a
 * message may arrive twice, always under the same id.
 */
import { isTransient, withoutSystemFields, type Stored, type Store } from '../store/store.ts';
import type { Alert, AlertEvent } from '../alerts/alert.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { ActionsRepository, WebhookSecrets } from '../notifications/action.ts';
import {
  afterAttempt,
  planDeliveries,
  silencedBecause,
  type Attempted,
  type Delivery,
} from '../notifications/delivery.ts';
import type { AllowedTargets } from '../notifications/public-address.ts';
import { sendWebhook } from './send-webhook.ts';

/** Milliseconds for which a claimed attempt belongs to who claimed it. */
const CLAIM_MS = 60_000;
/** Deliveries attempted at the same time, and in one run. */
const AT_ONCE = 16;
const RUN_MAX = 200;

/** Sends mail; absent where no way to send is set. */
export type SendMail = (mail: { id: string; to: readonly string[]; event: AlertEvent }) => Promise<Attempted>;

/** What the outbox works with. */
export interface OutboxServices {
  store: Store;
  actions: ActionsRepository;
  secrets: WebhookSecrets;
  allowed: AllowedTargets;
  mail?: SendMail | undefined;
  findAlert(tenantId: string, alertId: string): Promise<Alert | undefined>;
  findRule(tenantId: string, ruleId: string): Promise<RuleDefinition | undefined>;
  now(): number;
  random(): number;
}

/** Plans the deliveries of a change; the same change again plans nothing new. */
export async function notify(services: OutboxServices, tenantId: string, event: AlertEvent): Promise<void> {
  const rule = await services.findRule(tenantId, event.ruleId);
  if (!rule?.notify || rule.notify.actions.length === 0) return;
  const alert = await services.findAlert(tenantId, event.alertId);
  const deliveries = planDeliveries(tenantId, event, alert, rule, services.now());
  await Promise.all(deliveries.map((delivery) => services.store.create('actions', delivery)));
}

/** Attempts what is due. @returns how many attempts were made */
export async function deliverDue(services: OutboxServices): Promise<number> {
  const due = await services.store.all<Delivery>('actions', {
    query: `SELECT * FROM c WHERE c.kind = 'delivery' AND c.status = 'pending' AND c.dueAt <= @now ORDER BY c.dueAt ASC OFFSET 0 LIMIT ${RUN_MAX}`,
    parameters: [{ name: '@now', value: services.now() }],
  });
  let attempts = 0;
  const queue = due.values();
  const worker = async () => {
    for (const delivery of queue) if (await attempt(services, delivery)) attempts++;
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, worker));
  return attempts;
}

async function attempt(services: OutboxServices, stored: Stored<Delivery>): Promise<boolean> {
  const { store } = services;
  const now = () => services.now();
  const delivery = withoutSystemFields<Delivery>(stored);
  const claimed = await store.replace('actions', { ...delivery, dueAt: now() + CLAIM_MS }, stored._etag);
  if (!claimed) return false;
  const alert = await services.findAlert(delivery.tenantId, delivery.alertId);
  const what =
    delivery.event.change === 'resolved' ? 'resolve' : delivery.event.change === 'raised' ? 'escalate' : 'open';
  const why = alert && silencedBecause(alert, what, now());
  const next: Delivery =
    why === undefined
      ? afterAttempt(delivery, await send(services, delivery), now(), services.random())
      : { ...delivery, status: 'suppressed', detail: why };
  try {
    await store.replace('actions', next, claimed._etag);
  } catch (error) {
    // Made again when the claim ends; the receiver knows it by its id.
    if (!isTransient(error)) throw error;
  }
  return true;
}

async function send(services: OutboxServices, delivery: Delivery): Promise<Attempted> {
  const { actions, secrets, allowed } = services;
  const action = await actions.find(delivery.tenantId, delivery.actionId);
  if (!action) return { kind: 'refused', detail: 'the action was deleted' };
  const { content } = action;
  if (!content.enabled || action.disabledBecause) return { kind: 'refused', detail: 'the action is disabled' };
  if (content.kind === 'email') {
    if (!services.mail) return { kind: 'refused', detail: 'no way to send mail is set: SMTP_URL' };
    return services.mail({ id: delivery.id, to: content.to, event: delivery.event });
  }
  const nowMs = services.now();
  const { event } = delivery;
  const body = JSON.stringify({ type: `alert.${event.change}`, timestamp: event.ts, data: event });
  const keys = secrets.keys(action, nowMs);
  const { gone, ...outcome } = await sendWebhook({ url: content.url, id: delivery.id, body, keys }, { allowed, nowMs });
  if (gone) await actions.replace({ ...withoutSystemFields(action), disabledBecause: 'gone' }, action._etag);
  return outcome;
}
