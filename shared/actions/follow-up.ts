/**
 * What an alert that stays open tells in time: again (`repeatEvery`), and to others or as something worse (`escalate`).
 * One document per alert says when to look; every message has an id of the alert and its number, so that a look that is
 * made twice tells once.
 */
import { createHash } from 'node:crypto';
import { handlingEvent, isAcknowledged, type Alert, type AlertEvent } from '../alerts/alert.ts';
import { planDeliveries, type Plan } from '../notifications/delivery.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import { withoutSystemFields, type Document, type Stored } from '../store/store.ts';
import type { OutboxServices } from './outbox.ts';

/** Watches of one run. */
const RUN_MAX = 200;
/** Milliseconds after which an alert that somebody takes care of is looked at again: they may give it back. */
const LOOK_AGAIN_MS = 300_000;
/** Seconds that a watch outlives its last look: a rule that is gone for a while may return. */
const KEPT_SECONDS = 90 * 86_400;

type Notification = NonNullable<RuleDefinition['notify']>;

/** The document: container `actions`, key tenant. */
interface Watch extends Document {
  tenantId: string;
  kind: 'watch';
  alertId: string;
  ruleId: string;
  /** When it was first told; repetitions count from then. Epoch milliseconds. */
  sinceMs: number;
  /** Repetitions told, and steps of escalation taken. */
  repeated: number;
  escalated: number;
  dueAt: number;
}

/** Begins to watch an alert that opened, where its rule asks for anything in time. */
export async function watchAlert(
  services: OutboxServices,
  tenantId: string,
  event: AlertEvent,
  notify: Notification,
): Promise<void> {
  if (notify.repeatEvery === undefined && notify.escalate.length === 0) return;
  const { alertId, ruleId } = event;
  const id = `wat_${createHash('sha256').update(alertId).digest('base64url').slice(0, 32)}`;
  const counted = { sinceMs: services.now(), repeated: 0, escalated: 0 };
  const dueAt = nextLook(counted, Date.parse(event.openedAt), notify);
  if (dueAt === undefined) return;
  await services.store.create<Watch>('actions', {
    id,
    tenantId,
    kind: 'watch',
    alertId,
    ruleId,
    ...counted,
    dueAt,
    ttl: KEPT_SECONDS,
  });
}

/**
 * Looks at the alerts whose time has come. @returns how many
 * @throws the first error of the store, after all were looked at; the next run comes anyway
 */
export async function followUp(services: OutboxServices): Promise<number> {
  const due = await services.store.all<Watch>('actions', {
    query: `SELECT * FROM c WHERE c.kind = 'watch' AND c.dueAt <= @now ORDER BY c.dueAt ASC OFFSET 0 LIMIT ${RUN_MAX}`,
    parameters: [{ name: '@now', value: services.now() }],
  });
  const errors: unknown[] = [];
  for (const watch of due) await look(services, watch).catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
  return due.length;
}

async function look(services: OutboxServices, stored: Stored<Watch>): Promise<void> {
  const { store } = services;
  const { tenantId, alertId, ruleId } = stored;
  const [alert, rule] = await Promise.all([services.findAlert(tenantId, alertId), services.findRule(tenantId, ruleId)]);
  const notify = rule?.notify;
  if (!alert || alert.condition === 'resolved' || !notify) {
    await store.delete('actions', stored.id, tenantId, stored._etag);
    return;
  }
  const nowMs = services.now();
  const watch = withoutSystemFields<Watch>(stored);
  const taken = isAcknowledged(alert, nowMs);
  const waits = await escalate(services, watch, alert, notify, taken);
  const repeats = repetitions(watch, notify, nowMs);
  if (repeats > watch.repeated && !taken) {
    const plan: Plan = { type: 'alert.repeated', actions: notify.actions, key: `${alertId}~repeated~${repeats}` };
    await tell(services, alert, plan, notify);
  }
  // Told first, counted afterwards: a writer that dies in between tells the same again under the same id.
  watch.repeated = repeats;
  const next = nextLook(watch, Date.parse(alert.openedAt), notify);
  if (next === undefined && !waits) await store.delete('actions', stored.id, tenantId, stored._etag);
  else {
    const dueAt = waits ? Math.min(next ?? Infinity, nowMs + LOOK_AGAIN_MS) : (next ?? nowMs);
    await store.replace('actions', { ...watch, dueAt: Math.max(dueAt, nowMs + 1) }, stored._etag);
  }
}

/** Takes the steps whose time has come. @returns whether one waits for an acknowledgement to end */
async function escalate(
  services: OutboxServices,
  watch: Watch,
  alert: Alert,
  notify: Notification,
  taken: boolean,
): Promise<boolean> {
  const openedAt = Date.parse(alert.openedAt);
  for (const [index, step] of notify.escalate.entries()) {
    if (index < watch.escalated) continue;
    if (openedAt + step.after > services.now()) return false;
    if (taken && step.unless === 'acknowledged') return true;
    if (step.severity !== undefined) await services.raiseAlert(watch.tenantId, alert.id, step.severity);
    // A step that makes it worse is told as such to the rule's own actions; one that does nothing else tells them.
    const actions = step.actions.length > 0 || step.severity !== undefined ? step.actions : notify.actions;
    await tell(
      services,
      { ...alert, severity: step.severity ?? alert.severity },
      { type: 'alert.escalated', actions, key: `${alert.id}~escalated~${index}`, always: step.unless === 'never' },
      notify,
    );
    watch.escalated = index + 1;
  }
  return false;
}

async function tell(services: OutboxServices, alert: Alert, plan: Plan, notify: Notification): Promise<void> {
  const nowMs = services.now();
  const event: AlertEvent = { ...handlingEvent(alert, 'opened', nowMs), eventId: plan.key };
  const { parameter, value, threshold } = alert;
  const about = {
    ...event,
    ...(parameter === undefined ? {} : { parameter }),
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
  };
  const deliveries = planDeliveries(alert.tenantId, about, plan, notify, nowMs);
  await Promise.all(deliveries.map((delivery) => services.store.create('actions', delivery)));
}

/** How many repetitions there ought to have been; those that were missed are told once. */
function repetitions({ sinceMs, repeated }: Pick<Watch, 'sinceMs' | 'repeated'>, notify: Notification, nowMs: number) {
  if (notify.repeatEvery === undefined) return repeated;
  return Math.max(repeated, Math.floor((nowMs - sinceMs) / notify.repeatEvery));
}

function nextLook(
  { sinceMs, repeated, escalated }: Pick<Watch, 'sinceMs' | 'repeated' | 'escalated'>,
  openedAtMs: number,
  { repeatEvery, escalate: steps }: Notification,
): number | undefined {
  const step = steps[escalated];
  const times = [
    ...(repeatEvery === undefined ? [] : [sinceMs + (repeated + 1) * repeatEvery]),
    ...(step === undefined ? [] : [openedAtMs + step.after]),
  ];
  return times.length === 0 ? undefined : Math.min(...times);
}
