/** `maxPerHour`: how many messages of a rule an action has had within the hour, and the one message of those beyond it. */
import type { Document } from '../store/store.ts';
import { deliveryId, KEPT_SECONDS, type Delivery } from './delivery.ts';

const HOUR_MS = 3_600_000;

/** The document: container `actions`, key tenant, one for each rule and action that has a limit. */
export interface HourlyCount extends Document {
  tenantId: string;
  kind: 'hourly-count';
  /** When the hour began: with its first message. Epoch milliseconds. */
  sinceMs: number;
  sent: number;
}

/** The id of the count of a rule and an action. */
export function hourlyCountId(ruleId: string, actionId: string): string {
  return deliveryId(`hourly~${ruleId}`, actionId).replace('msg_', 'cnt_');
}

/** The count with one message more; undefined when there have been as many as there may. */
export function withOneMore(
  count: HourlyCount | undefined,
  { tenantId, actionId, ruleId }: { tenantId: string; actionId: string; ruleId: string },
  max: number,
  nowMs: number,
): HourlyCount | undefined {
  const id = hourlyCountId(ruleId, actionId);
  if (count === undefined || count.sinceMs + HOUR_MS <= nowMs)
    return { id, tenantId, kind: 'hourly-count', sinceMs: nowMs, sent: 1, ttl: (2 * HOUR_MS) / 1000 };
  return count.sent >= max ? undefined : { ...count, sent: count.sent + 1 };
}

/** The message that tells at the end of the hour how many were not told. */
export function summaryOf(unsent: Delivery, { sinceMs }: HourlyCount, nowMs: number): Delivery | undefined {
  const { tenantId, actionId, event } = unsent;
  if (!event) return undefined;
  const untilMs = sinceMs + HOUR_MS;
  return {
    id: summaryId(event.ruleId, actionId, sinceMs),
    tenantId,
    kind: 'delivery',
    type: 'alert.summary',
    actionId,
    event,
    summary: { suppressed: 0, since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString() },
    status: 'pending',
    dueAt: untilMs,
    attempts: 0,
    createdAt: new Date(nowMs).toISOString(),
    ttl: KEPT_SECONDS,
  };
}

/** The id of the message of one hour. */
export function summaryId(ruleId: string, actionId: string, sinceMs: number): string {
  return deliveryId(`summary~${ruleId}~${sinceMs}`, actionId);
}
