/**
 * What rules cause: an alert opened, an alert resolved. Every id is made of the rule, the device and a counter in
 * the device's state, so that folding the same event again gives the same ids.
 */
import type { ReadingValue, Readings } from '../telemetry/telemetry-event.ts';
import type { Operator } from './message-template.ts';
import type { RuleKind } from './rule-kinds.ts';
import type { Severity } from './severity.ts';

/**
 * Why an alert ended. `ruleChanged`: edited, or no longer for this device; `ruleDisabled`: switched off or gone; `fired`:
 * a timer's alert is over as soon as it was told, or when the timer fires again.
 */
export type ResolveReason = 'condition' | 'fired' | 'ruleChanged' | 'ruleDisabled';

/** Why nobody is told although an alert opened. */
export type Silenced = 'shadow' | 'outsideSchedule';

/** What decided, and what was known at that moment. */
export interface Evidence {
  /** Absent where nothing was compared: a plain timer, the silence of a whole device. */
  parameter?: string;
  /** The parameter's window, where the value is made of one: `avg`, `rate`, `hits`… */
  function?: string;
  op: Operator;
  value?: ReadingValue;
  threshold?: ReadingValue | ReadingValue[];
}

interface TransitionBase {
  /** Stable: the alert's id and what happened to it. */
  id: string;
  alertId: string;
  ruleId: string;
  deviceId: string;
  /** The telemetry event that caused it; absent where time alone did. */
  eventId?: string;
  /** The device's time when it was noticed, epoch milliseconds. */
  ts: number;
  /** When the alert opened, epoch milliseconds: the first moment all of the rule was met. */
  openedAt: number;
  message: string;
}

/** An alert opened. */
export interface AlertOpened extends TransitionBase {
  kind: 'opened';
  ruleName: string;
  ruleKind: RuleKind;
  ruleVersion?: number;
  severity: Severity;
  evidence: Evidence;
  /** The rule's parameters as last known. */
  readings: Readings;
  silenced?: Silenced;
}

/** An open alert became worse. */
export interface AlertRaised extends TransitionBase {
  kind: 'raised';
  ruleName: string;
  severity: Severity;
  /** When, epoch milliseconds. */
  raisedAt: number;
  evidence: Evidence;
}

/** An alert resolved. There is no evidence where the rule ended rather than its condition. */
export interface AlertResolved extends TransitionBase {
  kind: 'resolved';
  /** Absent, as is the severity, where the rule is gone: the alert itself knows them. */
  ruleName?: string;
  severity?: Severity;
  /** When it was clear, epoch milliseconds. */
  resolvedAt: number;
  reason: ResolveReason;
  evidence?: Evidence;
}

/** One change of one alert. */
export type RuleTransition = AlertOpened | AlertRaised | AlertResolved;

/** The id of an alert. */
export function alertIdOf(ruleId: string, deviceId: string, number: number): string {
  return `${ruleId}~${deviceId}~${number}`;
}
