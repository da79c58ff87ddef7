/**
 * How an alert follows those of the same rule and device before it: within the cooldown of one that was told, or as one
 * of many in a short time (flapping). Both decide who is told; the alert is recorded all the same.
 */
import type { RuleDefinition } from '../rules/rule-definition.ts';
import type { Alert } from './alert.ts';

type Notification = NonNullable<RuleDefinition['notify']>;

/** What an alert remembers of those before it. */
type Recurrence = Pick<Alert, 'openings' | 'flaps' | 'flapping' | 'quietUntil'> & {
  suppression?: 'cooldown' | 'flapping';
};

/** Whether a rule asks for the alert before. */
export function looksBack(notify: Notification | undefined): notify is Notification {
  return notify !== undefined && (notify.cooldown > 0 || notify.flapping !== undefined);
}

/**
 * Compares an alert that opens with the one before it.
 * @param before the last alert of the same rule and device
 * @param openedAtMs event time, epoch milliseconds
 */
export function recurrenceOf(before: Alert | undefined, openedAtMs: number, notify: Notification): Recurrence {
  const { cooldown, flapping } = notify;
  const recurrence: Recurrence = {};
  if (flapping) {
    const recent = (before?.openings ?? []).filter((at) => Date.parse(at) > openedAtMs - flapping.within);
    recurrence.openings = [...recent, new Date(openedAtMs).toISOString()].slice(-flapping.opens);
    if (recent.length > 0) recurrence.flaps = (before?.flaps ?? 0) + 1;
    if (recurrence.openings.length >= flapping.opens) recurrence.flapping = true;
    // The one that makes it flapping is told, so that people know; those after it are not.
    if (recurrence.flapping && before?.flapping) {
      recurrence.suppression = 'flapping';
      recurrence.quietUntil = new Date(openedAtMs + flapping.within).toISOString();
    }
  }
  if (recurrence.suppression === undefined && cooldown > 0 && before !== undefined) {
    // From the end of the alert that was told: those that were not would otherwise prolong it for ever.
    const untold = before.suppression === 'cooldown' ? before.quietUntil : undefined;
    const until = untold ?? (before.resolvedAt && new Date(Date.parse(before.resolvedAt) + cooldown).toISOString());
    if (until !== undefined && Date.parse(until) > openedAtMs) {
      recurrence.suppression = 'cooldown';
      recurrence.quietUntil = until;
    }
  }
  return recurrence;
}
