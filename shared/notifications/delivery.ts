/**
 * A delivery: one change of one alert for one action, with what became of the attempts. Its id is made of the transition
 * and the action, so planning it again makes nothing new, and a receiver that sees it twice knows it by its id.
 */
import { createHash } from 'node:crypto';
import { isAcknowledged, isSnoozed, type Alert, type AlertEvent } from '../alerts/alert.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { Document } from '../store/store.ts';

/** Seconds that a delivery is kept. */
const KEPT_SECONDS = 30 * 86_400;
/** Waits after the attempts, in milliseconds: about three days in all, as Standard Webhooks asks. */
const WAITS_MS = [5_000, 60_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 86_400_000, 86_400_000];
/** Attempts before a delivery is dead: it can be sent again by hand. */
export const ATTEMPTS_MAX = WAITS_MS.length + 1;
/** Longest wait that a receiver can ask for by Retry-After. */
const RETRY_AFTER_MAX_MS = 86_400_000;

/** The document: container `actions`, key tenant. */
export interface Delivery extends Document {
  tenantId: string;
  kind: 'delivery';
  actionId: string;
  alertId: string;
  event: AlertEvent;
  status: 'pending' | 'delivered' | 'dead' | 'suppressed';
  /** When the next attempt may begin, epoch milliseconds; moved ahead by whoever attempts it. */
  dueAt: number;
  attempts: number;
  createdAt: string;
  /** Why: what the last attempt met, or why nobody was told. */
  detail?: string;
  deliveredAt?: string;
  ttl: number;
}

/** Plans the deliveries of a change. @param nowMs epoch milliseconds */
export function planDeliveries(
  tenantId: string,
  event: AlertEvent,
  alert: Alert | undefined,
  rule: Pick<RuleDefinition, 'notify' | 'shadow'> | undefined,
  nowMs: number,
): Delivery[] {
  const notify = rule?.notify;
  const wanted = { opened: 'open', raised: 'escalate', resolved: 'resolve' } as const;
  const what = event.change in wanted ? wanted[event.change as keyof typeof wanted] : undefined;
  if (!notify || what === undefined || !notify.on.includes(what)) return [];
  const why = alert === undefined ? undefined : silencedBecause(alert, what, nowMs);
  return [...new Set(notify.actions)].map((actionId) => ({
    id: deliveryId(event.eventId, actionId),
    tenantId,
    kind: 'delivery',
    actionId,
    alertId: event.alertId,
    event,
    status: why === undefined ? 'pending' : 'suppressed',
    dueAt: nowMs + notify.groupWait,
    attempts: 0,
    createdAt: new Date(nowMs).toISOString(),
    ...(why === undefined ? {} : { detail: why }),
    ttl: KEPT_SECONDS,
  }));
}

/** Why nobody is told of an alert now; asked again at the moment of sending. */
export function silencedBecause(
  alert: Alert,
  what: 'open' | 'escalate' | 'resolve',
  nowMs: number,
): string | undefined {
  if (isSnoozed(alert, nowMs)) return 'snoozed';
  if (alert.suppression !== 'none' && alert.suppression !== 'snoozed') return alert.suppression;
  return what === 'escalate' && isAcknowledged(alert, nowMs) ? 'acknowledged' : undefined;
}

/** What an attempt met. */
export type Attempted =
  | { kind: 'delivered' }
  | { kind: 'failed'; detail: string; retryAfterMs?: number }
  /** It will never work: a target that is refused, an action that is gone. */
  | { kind: 'refused'; detail: string };

/** The delivery after an attempt. @param jitter 0 to 1: retries of many deliveries spread */
export function afterAttempt(delivery: Delivery, attempted: Attempted, nowMs: number, jitter: number): Delivery {
  const attempts = delivery.attempts + 1;
  switch (attempted.kind) {
    case 'delivered': {
      const { detail: _, ...rest } = delivery;
      return { ...rest, attempts, status: 'delivered', deliveredAt: new Date(nowMs).toISOString() };
    }
    case 'refused':
      return { ...delivery, attempts, status: 'dead', detail: attempted.detail };
    case 'failed': {
      const wait = WAITS_MS[attempts - 1];
      if (wait === undefined) return { ...delivery, attempts, status: 'dead', detail: attempted.detail };
      const asked = Math.min(attempted.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS);
      return {
        ...delivery,
        attempts,
        dueAt: nowMs + Math.max(asked, wait * (1 + jitter / 5)),
        detail: attempted.detail,
      };
    }
  }
}

/** Stable, and free of what an id of the store may not hold. */
function deliveryId(eventId: string, actionId: string): string {
  return `msg_${createHash('sha256').update(`${eventId}\n${actionId}`).digest('base64url').slice(0, 32)}`;
}
