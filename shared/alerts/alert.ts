/**
 * An alert: what a rule found on a device, from opening to resolution. Three axes that do not disturb one another:
 * the *condition* is the rule's, the *handling* is the operators', the *suppression* decides who is told. Pending and
 * recovering are states of the rule, not of the document: writing them would cost a commit per change of mind.
 * Times are ISO 8601 in UTC, as outside code sees them.
 */
import type { ResolveReason, RuleTransition } from '../rules/rule-transition.ts';
import { isWorse } from '../rules/severity.ts';
import type { RuleKind } from '../rules/rule-kinds.ts';
import type { Severity } from '../rules/severity.ts';
import type { ReadingValue, Readings } from '../telemetry/telemetry-event.ts';

/** Entries of an alert's history; beyond it the oldest but the first are dropped. */
const HISTORY_ENTRIES_MAX = 50;

/** Something that happened to an alert. */
interface AlertHistoryEntry {
  at: string;
  what: 'opened' | 'raised' | 'resolved';
  reason?: ResolveReason;
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
  handling: 'unacknowledged';
  suppression: 'none';
  /** Event time: when all of the rule was met. */
  openedAt: string;
  /** Processing time: when it was noticed. */
  detectedAt: string;
  /** Event time: when it was clear. */
  resolvedAt?: string;
  durationMs?: number;
  reason?: ResolveReason;
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
  state: 'opened' | 'raised' | 'resolved';
  ts: string;
  openedAt: string;
  resolvedAt?: string;
  reason?: ResolveReason;
  parameter?: string;
  value?: ReadingValue;
  threshold?: ReadingValue | ReadingValue[];
  message: string;
}

/**
 * Applies what a rule caused to the alert. Applying the same transition again changes nothing.
 * @param alert as stored; undefined before it opened
 * @param nowMs processing time, epoch milliseconds
 */
export function applyTransition(
  alert: Alert | undefined,
  transition: RuleTransition,
  { tenantId, nowMs }: { tenantId: string; nowMs: number },
): Alert {
  if (transition.kind === 'opened') return alert ?? opened(transition, tenantId, nowMs);
  // Without the document (expired, deleted) the end of the alert is still worth a record of what is known.
  const before = alert ?? opened(transition, tenantId, nowMs);
  if (before.condition === 'resolved') return before;
  if (transition.kind === 'raised') {
    if (!isWorse(transition.severity, before.severity)) return before;
    const entry = { at: iso(transition.raisedAt), what: 'raised' as const };
    return { ...before, severity: transition.severity, history: withEntry(before.history, entry) };
  }
  const { resolvedAt, openedAt, reason } = transition;
  const at = iso(resolvedAt);
  return {
    ...before,
    condition: 'resolved',
    resolvedAt: at,
    durationMs: Math.max(0, resolvedAt - openedAt),
    reason,
    history: withEntry(before.history, { at, what: 'resolved', reason }),
  };
}

function withEntry([first, ...rest]: AlertHistoryEntry[], entry: AlertHistoryEntry): AlertHistoryEntry[] {
  const history = [...rest, entry].slice(1 - HISTORY_ENTRIES_MAX);
  return first ? [first, ...history] : history;
}

/** What a stream says of a transition. */
export function alertEvent(transition: RuleTransition, alert: Alert): AlertEvent {
  const { evidence } = transition;
  return {
    eventId: transition.id,
    alertId: transition.alertId,
    ruleId: transition.ruleId,
    ruleName: alert.ruleName,
    deviceId: transition.deviceId,
    severity: alert.severity,
    state: transition.kind,
    ts: iso(transition.ts),
    openedAt: iso(transition.openedAt),
    ...(transition.kind === 'resolved'
      ? { resolvedAt: iso(transition.resolvedAt), reason: transition.reason }
      : undefined),
    ...(evidence === undefined ? undefined : { parameter: evidence.parameter }),
    ...(evidence?.value === undefined ? undefined : { value: evidence.value }),
    ...(evidence?.threshold === undefined ? undefined : { threshold: evidence.threshold }),
    message: transition.message,
  };
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
    suppression: 'none',
    openedAt,
    detectedAt: iso(nowMs),
    ...(evidence === undefined ? undefined : { parameter: evidence.parameter, op: evidence.op }),
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
