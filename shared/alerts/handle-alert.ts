/**
 * What people do to an alert. Every operation is pure and idempotent: doing it again gives the very same object back, so
 * that a repeated request writes nothing and tells nobody. None of them touches the rule's own state but `resolve`.
 */
import { z } from 'zod';
import {
  changed,
  isAcknowledged,
  resolveAlert,
  type Acknowledgement,
  type Alert,
  type AlertChange,
  type AlertHistoryEntry,
} from './alert.ts';

/** Characters of a note or comment. */
const NOTE_CHARS_MAX = 1000;
/** Days that an alert can be snoozed, or an acknowledgement can hold. */
export const SNOOZE_DAYS_MAX = 90;
/** Alerts of one bulk request. */
export const BULK_ALERTS_MAX = 100;

const note = z
  .string('must be a string')
  .trim()
  .min(1, 'must not be empty')
  .max(NOTE_CHARS_MAX, `must be at most ${NOTE_CHARS_MAX} characters`)
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode');
const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-24T10:00:00Z' });

/** What comes with each operation. */
export const operationBodies = {
  acknowledge: z.strictObject({ note: note.optional(), until: moment.optional() }),
  unacknowledge: z.strictObject({}),
  snooze: z.strictObject({ until: moment, note: note.optional() }),
  unsnooze: z.strictObject({}),
  comment: z.strictObject({ note }),
  resolve: z.strictObject({ note: note.optional() }),
};

/** One operation with its name, as a bulk request holds it. */
export const alertOperation = z.discriminatedUnion(
  'do',
  [
    operationBodies.acknowledge.extend({ do: z.literal('acknowledge') }),
    operationBodies.unacknowledge.extend({ do: z.literal('unacknowledge') }),
    operationBodies.snooze.extend({ do: z.literal('snooze') }),
    operationBodies.unsnooze.extend({ do: z.literal('unsnooze') }),
    operationBodies.comment.extend({ do: z.literal('comment') }),
    operationBodies.resolve.extend({ do: z.literal('resolve') }),
  ],
  'must be acknowledge, unacknowledge, snooze, unsnooze, comment or resolve',
);

/** One operation, checked. */
export type AlertOperation = z.output<typeof alertOperation>;

/** The alert after an operation, and what to tell; nothing when nothing changed. */
export interface Handled {
  alert: Alert;
  change?: AlertChange;
}

/** Whether a moment of an operation lies in the future and not too far in it. @returns the rule that is broken */
export function brokenMoment(operation: AlertOperation, nowMs: number): string | undefined {
  if (!('until' in operation) || operation.until === undefined) return undefined;
  const until = Date.parse(operation.until);
  if (until <= nowMs) return 'must be in the future';
  return until > nowMs + SNOOZE_DAYS_MAX * 86_400_000 ? `must be at most ${SNOOZE_DAYS_MAX} days ahead` : undefined;
}

/** Applies an operation. @param by who asks for it */
export function handleAlert(alert: Alert, operation: AlertOperation, by: string, nowMs: number): Handled {
  const at = new Date(nowMs).toISOString();
  const entry = (what: AlertChange, text?: string): AlertHistoryEntry => ({
    at,
    what,
    by,
    ...(text === undefined ? {} : { note: text }),
  });
  switch (operation.do) {
    case 'acknowledge':
      return acknowledge(alert, operation, by, nowMs);
    case 'unacknowledge': {
      if (alert.handling === 'unacknowledged') return { alert };
      const { acknowledgement: _, ...rest } = alert;
      return told(changed(rest, { handling: 'unacknowledged' }, entry('unacknowledged')), 'unacknowledged');
    }
    case 'snooze': {
      const snoozedUntil = new Date(operation.until).toISOString();
      if (alert.condition === 'resolved' || alert.snoozedUntil === snoozedUntil) return { alert };
      return told(
        changed(alert, { suppression: 'snoozed', snoozedUntil }, entry('snoozed', operation.note)),
        'snoozed',
      );
    }
    case 'unsnooze': {
      if (alert.snoozedUntil === undefined) return { alert };
      const { snoozedUntil: _, ...rest } = alert;
      return told(changed(rest, { suppression: 'none' }, entry('unsnoozed')), 'unsnoozed');
    }
    case 'comment': {
      const last = alert.history.at(-1);
      // The same words by the same person, one after the other, are a request that was sent again.
      if (last?.what === 'commented' && last.by === by && last.note === operation.note) return { alert };
      return told(changed(alert, {}, entry('commented', operation.note)), 'commented');
    }
    case 'resolve':
      if (alert.condition === 'resolved') return { alert };
      return told(resolveAlert(alert, nowMs, 'manual', by, operation.note), 'resolved');
  }
}

function acknowledge(
  alert: Alert,
  { note: text, until }: { note?: string | undefined; until?: string | undefined },
  by: string,
  nowMs: number,
): Handled {
  const known = alert.acknowledgement;
  const untilAt = until === undefined ? undefined : new Date(until).toISOString();
  if (isAcknowledged(alert, nowMs) && known?.by === by && known.until === untilAt && known.note === text)
    return { alert };
  const at = new Date(nowMs).toISOString();
  const acknowledgement: Acknowledgement = {
    by,
    at,
    ...(text === undefined ? {} : { note: text }),
    ...(untilAt === undefined ? {} : { until: untilAt }),
  };
  const entry = { at, what: 'acknowledged' as const, by, ...(text === undefined ? {} : { note: text }) };
  const acknowledged = changed(alert, { handling: 'acknowledged', acknowledgement }, entry);
  // A latched alert whose condition has ended was waiting for exactly this.
  if (acknowledged.returnedAt === undefined || acknowledged.condition === 'resolved')
    return told(acknowledged, 'acknowledged');
  return told(resolveAlert(acknowledged, Date.parse(acknowledged.returnedAt), 'condition', by), 'resolved');
}

function told(alert: Alert, change: AlertChange): Handled {
  return { alert, change };
}
