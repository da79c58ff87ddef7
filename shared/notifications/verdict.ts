/** Whether people are told, now: asked once, at the moment of sending. */
import { isAcknowledged, isSnoozed, type Alert } from '../alerts/alert.ts';
import type { Delivery } from './delivery.ts';

/** Milliseconds after which what is held is looked at again: a window that was edited counts from then. */
const LOOK_AGAIN_MS = 300_000;

/** What to do with a delivery. */
export type Verdict =
  | { kind: 'send' }
  /** Not now: look again. */
  | { kind: 'hold'; why: string; untilMs: number }
  | { kind: 'drop'; why: string };

/** What a verdict rests on. */
export interface Circumstances {
  /** Undefined where it is gone: then what is known is told. */
  alert: Alert | undefined;
  /** Until when a maintenance window covers it, epoch milliseconds. */
  maintenanceUntilMs: number | undefined;
  /** What became of the beginning of the alert; undefined where nobody was to be told of it. */
  beginning: Delivery['status'] | undefined;
}

/** Decides. @param nowMs epoch milliseconds */
export function judge(delivery: Delivery, circumstances: Circumstances, nowMs: number): Verdict {
  const { alert, maintenanceUntilMs, beginning } = circumstances;
  if (delivery.byHand || delivery.summary || delivery.notice || !alert) return { kind: 'send' };
  const { type, held = false, always = false } = delivery;
  const drop = (why: string): Verdict => ({ kind: 'drop', why });
  const { suppression } = alert;
  if (suppression === 'shadow' || suppression === 'outsideSchedule') return drop(suppression);
  const isEnd = type === 'alert.resolved';
  // Who was not told of the beginning is not told of the end; a first attempt that failed is still tried.
  if (isEnd && (beginning === 'held' || beginning === 'suppressed')) return drop('untold');
  // The beginning that is told later tells how bad it is then.
  if (type === 'alert.raised' && beginning === 'held') return drop('untold');
  if (!isEnd && alert.condition === 'resolved' && (held || isReminder(delivery))) return drop('resolved');
  if (!isEnd && !always && isAcknowledged(alert, nowMs) && (held || type !== 'alert.opened'))
    return drop('acknowledged');
  const hold = (why: string, untilMs: number): Verdict =>
    isReminder(delivery) ? drop(why) : { kind: 'hold', why, untilMs: Math.min(untilMs, nowMs + LOOK_AGAIN_MS) };
  if (isSnoozed(alert, nowMs)) return hold('snoozed', Date.parse(alert.snoozedUntil ?? ''));
  if (maintenanceUntilMs !== undefined) return hold('maintenance', maintenanceUntilMs);
  const quietUntilMs = alert.quietUntil === undefined ? 0 : Date.parse(alert.quietUntil);
  if ((suppression === 'cooldown' || suppression === 'flapping') && quietUntilMs > nowMs)
    return hold(suppression, quietUntilMs);
  return { kind: 'send' };
}

/** What comes again by itself is not kept for later. */
function isReminder({ type }: Delivery): boolean {
  return type === 'alert.repeated';
}
