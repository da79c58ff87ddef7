/**
 * A delivery: what one action is told, with what became of the attempts. Its id is made of what happened and of the
 * action, so planning it again makes nothing new, and a receiver that sees it twice knows it by its id.
 */
import { createHash } from 'node:crypto';
import type { AlertEvent } from '../alerts/alert.ts';
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { Document } from '../store/store.ts';

/** Seconds that a delivery is kept. */
export const KEPT_SECONDS = 30 * 86_400;
/** Waits after the attempts, in milliseconds: about three days in all, as Standard Webhooks asks. */
const WAITS_MS = [5_000, 60_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 86_400_000, 86_400_000];
/** Attempts before a delivery is dead: it can be sent again by hand. */
export const ATTEMPTS_MAX = WAITS_MS.length + 1;
/** Longest wait that a receiver can ask for by Retry-After. */
const RETRY_AFTER_MAX_MS = 86_400_000;

/** What is told: of an alert, of many that were not told, or that an action ended. */
type MessageType =
  | 'alert.opened'
  | 'alert.raised'
  | 'alert.resolved'
  | 'alert.repeated'
  | 'alert.escalated'
  | 'alert.summary'
  | 'action.disabled';

/** What was not told because there was too much of it. Times are ISO 8601. */
export interface Summary {
  suppressed: number;
  since: string;
  until: string;
}

/** Why an action is told nothing any more. */
interface ActionNotice {
  actionId: string;
  name: string;
  reason: string;
  since: string;
  message: string;
}

export const DELIVERY_STATES = ['pending', 'held', 'grouped', 'delivered', 'dead', 'suppressed'] as const;

/** The document: container `actions`, key tenant. */
export interface Delivery extends Document {
  tenantId: string;
  kind: 'delivery';
  type: MessageType;
  actionId: string;
  alertId?: string;
  event?: AlertEvent;
  /** Events of other alerts that are told in the same message. */
  also?: AlertEvent[];
  summary?: Summary;
  notice?: ActionNotice;
  /** `held`: looked at again at `dueAt`; `grouped`: told by the delivery `sentWith`. */
  status: (typeof DELIVERY_STATES)[number];
  /** When the next attempt may begin, epoch milliseconds; moved ahead by whoever attempts it. */
  dueAt: number;
  attempts: number;
  createdAt: string;
  /** Those with the same may be told in one message. */
  groupKey?: string;
  sentWith?: string;
  /** True since it was held: whether it is still worth telling is asked again. */
  held?: boolean;
  /** True since the first attempt began: from then on its content stands. */
  begun?: boolean;
  /** When its first attempt failed. */
  firstFailedAt?: string;
  /** A person has asked for it: it is sent whatever silences the alert. */
  byHand?: boolean;
  /** Told although the alert is acknowledged. */
  always?: boolean;
  /** The receiver has taken it, and says later what became of it. */
  operation?: { id: string; since: string };
  /** Why: what the last attempt met, or why nobody was told. */
  detail?: string;
  deliveredAt?: string;
  ttl: number;
}

type Notification = NonNullable<RuleDefinition['notify']>;

/** What is planned beside the event. */
export interface Plan {
  type: MessageType;
  actions: readonly string[];
  /** What makes it one of its kind. */
  key: string;
  always?: boolean;
}

/** Plans what a change of an alert tells by itself. */
export function planOf({ change, eventId }: AlertEvent, notify: Notification): Plan | undefined {
  const wanted = { opened: 'open', raised: 'escalate', resolved: 'resolve' } as const;
  if (!(change in wanted)) return undefined;
  const told = change as keyof typeof wanted;
  return notify.on.includes(wanted[told])
    ? { type: `alert.${told}`, actions: notify.actions, key: eventId }
    : undefined;
}

/** The deliveries of a plan. @param nowMs epoch milliseconds */
export function planDeliveries(
  tenantId: string,
  event: AlertEvent,
  { type, actions, key, always }: Plan,
  { groupBy, groupWait }: Pick<Notification, 'groupBy' | 'groupWait'>,
  nowMs: number,
): Delivery[] {
  // Rules that group by the same members share a group: a device with many troubles is told of once.
  const group = groupBy.toSorted().map((member) => `${member}=${event[member]}`);
  return [...new Set(actions)].map((actionId) => ({
    id: deliveryId(key, actionId),
    tenantId,
    kind: 'delivery',
    type,
    actionId,
    alertId: event.alertId,
    event,
    status: 'pending',
    dueAt: nowMs + groupWait,
    attempts: 0,
    createdAt: new Date(nowMs).toISOString(),
    ...(group.length === 0 ? {} : { groupKey: hash([actionId, ...group].join('\n')) }),
    ...(always ? { always } : {}),
    ttl: KEPT_SECONDS,
  }));
}

/** What an attempt met. */
export type Attempted =
  | { kind: 'delivered' }
  | { kind: 'failed'; detail: string; retryAfterMs?: number }
  /** Taken; what becomes of it is asked later. */
  | { kind: 'accepted'; operationId: string; retryAfterMs: number }
  /** It will never work: a target that is refused, an action that is gone. */
  | { kind: 'refused'; detail: string };

/** The delivery after an attempt. @param jitter 0 to 1: retries of many deliveries spread */
export function afterAttempt(delivery: Delivery, attempted: Attempted, nowMs: number, jitter: number): Delivery {
  const { operation, ...before } = delivery;
  const attempts = delivery.attempts + 1;
  switch (attempted.kind) {
    case 'delivered': {
      const { detail: _, ...rest } = before;
      return { ...rest, attempts, status: 'delivered', deliveredAt: new Date(nowMs).toISOString() };
    }
    case 'accepted': {
      const { operationId: id, retryAfterMs } = attempted;
      const since = operation?.id === id ? operation.since : new Date(nowMs).toISOString();
      return { ...before, operation: { id, since }, dueAt: nowMs + Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) };
    }
    case 'refused':
      return { ...before, attempts, status: 'dead', detail: attempted.detail };
    case 'failed': {
      const firstFailedAt = delivery.firstFailedAt ?? new Date(nowMs).toISOString();
      const wait = WAITS_MS[attempts - 1];
      if (wait === undefined) return { ...before, firstFailedAt, attempts, status: 'dead', detail: attempted.detail };
      const asked = Math.min(attempted.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS);
      return {
        ...before,
        firstFailedAt,
        attempts,
        dueAt: nowMs + Math.max(asked, wait * (1 + jitter / 5)),
        detail: attempted.detail,
      };
    }
  }
}

/** Stable, and free of what an id of the store may not hold. */
export function deliveryId(key: string, actionId: string): string {
  return `msg_${hash(`${key}\n${actionId}`)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 32);
}
