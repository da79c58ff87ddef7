/**
 * An alert: what a rule found on a device, from opening to resolution. Three axes that do not disturb one another:
 * the *condition* is the rule's, the *handling* is the operators', the *suppression* decides who is told. Pending and
 * recovering are states of the rule, not of the document: writing them would cost a commit per change of mind. What
 * people do to an alert is in `handle-alert.ts`.
 * Times are ISO 8601 in UTC, as outside code sees them.
 */
import type { ResolveReason, RuleTransition, Silenced } from '../rules/rule-transition.ts';
import { isWorse } from '../rules/severity.ts';
import type { RuleKind } from '../rules/rule-kinds.ts';
import type { Severity } from '../rules/severity.ts';
import type { ReadingValue, Readings } from '../telemetry/telemetry-event.ts';

/** Entries of an alert's history; beyond it the oldest but the first are dropped. */
const HISTORY_ENTRIES_MAX = 50;

/** Why an alert ended: the rule's reasons, or a person, the registry, or the next alert of the same rule and device. */
export type CloseReason = ResolveReason | 'manual' | 'deviceRemoved' | 'retriggered';

/** What happened to an alert. `returned`: its condition ended, and it waits for a person. */
export type AlertChange =
  | 'opened'
  | 'raised'
  | 'returned'
  | 'resolved'
  | 'acknowledged'
  | 'unacknowledged'
  | 'snoozed'
  | 'unsnoozed'
  | 'commented'
  | 'suppressed'
  | 'unsuppressed';

/** Why nobody is told. */
export type Suppression = 'none' | 'snoozed' | 'maintenance' | 'flapping' | 'cooldown' | Silenced;

/** Something that happened to an alert. */
export interface AlertHistoryEntry {
  at: string;
  what: AlertChange;
  reason?: CloseReason;
  /** Who did it, where a person did. */
  by?: string;
  note?: string;
}

/** Who took an alert on. After `until` it counts as unacknowledged again. */
export interface Acknowledgement {
  by: string;
  at: string;
  note?: string;
  until?: string;
}

/** An alert as stored and as the API shows it. */
export interface Alert {
  /** `rule~device~n`. */
  id: string;
  tenantId: string;
  deviceId: string;
  ruleId: string;
  ruleName: string;
  ruleKind: RuleKind;
  ruleVersion?: number;
  severity: Severity;
  condition: 'active' | 'resolved';
  handling: 'unacknowledged' | 'acknowledged';
  suppression: Suppression;
  /** Counts changes, from 1: a copy of the alert is replaced only by a later one. */
  revision: number;
  /** Event time: when all of the rule was met. */
  openedAt: string;
  /** Processing time: when it was noticed. */
  detectedAt: string;
  /** Event time: when the condition of an alert that waits for a person ended. */
  returnedAt?: string;
  /** Event time: when it was clear. */
  resolvedAt?: string;
  durationMs?: number;
  reason?: CloseReason;
  acknowledgement?: Acknowledgement;
  snoozedUntil?: string;
  /** Times that the same rule opened on the device shortly before, one soon after the other. */
  flaps?: number;
  /** When that was, this one included. */
  openings?: string[];
  /** True: it opens and resolves so often that only the first of many is told. */
  flapping?: boolean;
  /** `suppression` is `cooldown` or `flapping`: until when. An alert that is active then is told. */
  quietUntil?: string;
  /** The comparison that decided. */
  parameter?: string;
  op?: string;
  value?: ReadingValue;
  threshold?: ReadingValue | ReadingValue[];
  /** The rule's parameters as known when it opened. */
  readings: Readings;
  message: string;
  history: AlertHistoryEntry[];
}

/** The `alert` event of a stream. */
export interface AlertEvent {
  eventId: string;
  alertId: string;
  ruleId: string;
  ruleName: string;
  deviceId: string;
  severity: Severity;
  /** What happened. */
  change: AlertChange;
  /** What the alert is since then, by the names of the API. */
  condition: Alert['condition'];
  handling: Alert['handling'];
  ts: string;
  openedAt: string;
  resolvedAt?: string;
  reason?: CloseReason;
  /** Absent: it is not. */
  flapping?: true;
  parameter?: string;
  value?: ReadingValue;
  threshold?: ReadingValue | ReadingValue[];
  message: string;
}

/** How an alert ends: by itself, when a person has seen it (`latch`), or only by a person (`autoResolve` false). */
interface Ending {
  latch?: boolean | undefined;
  autoResolve?: boolean | undefined;
}

/** What a transition is applied with. */
interface TransitionContext {
  tenantId: string;
  /** Processing time, epoch milliseconds. */
  nowMs: number;
  /** The rule's, where the rule is known. */
  ending?: Ending;
  /** Where it opens: how it follows the one before. */
  recurrence?: Partial<Alert>;
}

/**
 * Applies what a rule caused to the alert. Applying the same transition again changes nothing.
 * @param alert as stored; undefined before it opened
 */
export function applyTransition(
  alert: Alert | undefined,
  transition: RuleTransition,
  { tenantId, nowMs, ending = {}, recurrence }: TransitionContext,
): Alert {
  if (transition.kind === 'opened')
    return alert ?? { ...opened(transition, tenantId, nowMs), ...untold(transition, recurrence) };
  // Without the document (expired, deleted) the end of the alert is still worth a record of what is known.
  const before = alert ?? opened(transition, tenantId, nowMs);
  if (before.condition === 'resolved') return before;
  if (transition.kind === 'raised') {
    if (!isWorse(transition.severity, before.severity)) return before;
    return changed(before, { severity: transition.severity }, { at: iso(transition.raisedAt), what: 'raised' });
  }
  const { resolvedAt, reason } = transition;
  if (reason === 'condition' && waitsForPerson(before, ending, nowMs)) {
    if (before.returnedAt !== undefined) return before;
    const at = iso(resolvedAt);
    return changed(before, { returnedAt: at }, { at, what: 'returned' });
  }
  return resolveAlert(before, resolvedAt, reason);
}

/** Whether an acknowledgement holds at a moment. */
export function isAcknowledged({ handling, acknowledgement }: Alert, nowMs: number): boolean {
  const until = acknowledgement?.until;
  return handling === 'acknowledged' && (until === undefined || Date.parse(until) > nowMs);
}

/** Whether people are kept from hearing of the alert by a snooze. */
export function isSnoozed({ snoozedUntil }: Alert, nowMs: number): boolean {
  return snoozedUntil !== undefined && Date.parse(snoozedUntil) > nowMs;
}

/** The alert with why nobody is told, or `none`. */
export function withSuppression(alert: Alert, suppression: Suppression, nowMs: number): Alert {
  if (alert.suppression === suppression || alert.condition === 'resolved') return alert;
  const what = suppression === 'none' ? 'unsuppressed' : 'suppressed';
  return changed(
    alert,
    { suppression },
    { at: iso(nowMs), what, ...(suppression === 'none' ? {} : { note: suppression }) },
  );
}

/** The alert made worse by time: nobody has taken care of it. One that is as bad already stays. */
export function raiseAlert(alert: Alert, severity: Severity, nowMs: number): Alert {
  if (alert.condition === 'resolved' || !isWorse(severity, alert.severity)) return alert;
  return changed(alert, { severity }, { at: iso(nowMs), what: 'raised' });
}

/** Ends an alert. @param atMs event time where there is one, epoch milliseconds */
export function resolveAlert(alert: Alert, atMs: number, reason: CloseReason, by?: string, note?: string): Alert {
  if (alert.condition === 'resolved') return alert;
  const at = iso(atMs);
  return changed(
    alert,
    { condition: 'resolved', resolvedAt: at, durationMs: Math.max(0, atMs - Date.parse(alert.openedAt)), reason },
    { at, what: 'resolved', reason, ...(by === undefined ? {} : { by }), ...(note === undefined ? {} : { note }) },
  );
}

/** The alert with a change, counted and in its history. */
export function changed(alert: Alert, change: Partial<Alert>, entry: AlertHistoryEntry): Alert {
  const history = withEntry(alert.history, entry);
  return { ...alert, ...change, revision: alert.revision + 1, history };
}

function waitsForPerson(alert: Alert, { latch, autoResolve }: Ending, nowMs: number): boolean {
  return autoResolve === false || (latch === true && !isAcknowledged(alert, nowMs));
}

function withEntry([first, ...rest]: AlertHistoryEntry[], entry: AlertHistoryEntry): AlertHistoryEntry[] {
  const history = [...rest, entry].slice(1 - HISTORY_ENTRIES_MAX);
  return first ? [first, ...history] : history;
}

/** What a stream says of a transition. @param alert as it is after the transition */
export function alertEvent(transition: RuleTransition, alert: Alert): AlertEvent {
  const { evidence } = transition;
  const stays = transition.kind === 'resolved' && alert.condition === 'active';
  return {
    eventId: transition.id,
    ...eventOf(alert, stays ? 'returned' : transition.kind, transition.ts),
    ...(transition.kind === 'resolved' && !stays
      ? { resolvedAt: iso(transition.resolvedAt), reason: transition.reason }
      : undefined),
    ...(evidence?.parameter === undefined ? undefined : { parameter: evidence.parameter }),
    ...(evidence?.value === undefined ? undefined : { value: evidence.value }),
    ...(evidence?.threshold === undefined ? undefined : { threshold: evidence.threshold }),
    message: transition.message,
  };
}

/** What a stream says of what a person did, or of what became of the alert without its rule. */
export function handlingEvent(alert: Alert, change: AlertChange, atMs: number): AlertEvent {
  return {
    // The revision makes it unique, and the same for whoever tells it again.
    eventId: `${alert.id}~${change}~${alert.revision}`,
    ...eventOf(alert, change, atMs),
    ...(alert.condition === 'resolved' && alert.resolvedAt !== undefined
      ? { resolvedAt: alert.resolvedAt }
      : undefined),
    ...(alert.condition === 'resolved' && alert.reason !== undefined ? { reason: alert.reason } : undefined),
    message: alert.message,
  };
}

function eventOf(alert: Alert, change: AlertChange, atMs: number) {
  const { id: alertId, ruleId, ruleName, deviceId, severity, condition, handling, openedAt } = alert;
  const flapping = alert.flapping ? { flapping: true as const } : undefined;
  const about = { alertId, ruleId, ruleName, deviceId, severity, change, condition, handling };
  return { ...about, ts: iso(atMs), openedAt, ...flapping };
}

/** A reason of the rule itself stands before one of the alerts before. */
function untold({ silenced }: { silenced?: Silenced }, recurrence: Partial<Alert> = {}): Partial<Alert> {
  return silenced === undefined ? recurrence : { ...recurrence, suppression: silenced };
}

function opened(transition: RuleTransition, tenantId: string, nowMs: number): Alert {
  const { alertId, deviceId, ruleId, evidence } = transition;
  const openedAt = iso(transition.openedAt);
  const first = transition.kind === 'opened' ? transition : undefined;
  return {
    id: alertId,
    tenantId,
    deviceId,
    ruleId,
    ruleName: transition.ruleName ?? ruleId,
    ruleKind: first?.ruleKind ?? 'condition',
    ...(first?.ruleVersion === undefined ? undefined : { ruleVersion: first.ruleVersion }),
    severity: transition.severity ?? 'warning',
    condition: 'active',
    handling: 'unacknowledged',
    suppression: first?.silenced ?? 'none',
    revision: 1,
    openedAt,
    detectedAt: iso(nowMs),
    ...(evidence === undefined ? undefined : { op: evidence.op }),
    ...(evidence?.parameter === undefined ? undefined : { parameter: evidence.parameter }),
    ...(evidence?.value === undefined ? undefined : { value: evidence.value }),
    ...(evidence?.threshold === undefined ? undefined : { threshold: evidence.threshold }),
    readings: first?.readings ?? {},
    message: transition.message,
    history: [{ at: openedAt, what: 'opened' }],
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
