/**
 * What rules cause: an alert opened, an alert resolved. Every id is made of the rule, the device and a counter in
 * the device's state, so that folding the same event again gives the same ids.
 */
import type { ReadingValue, Readings } from '../telemetry/telemetry-event.ts';
import type { Leaf } from './condition.ts';
import type { Severity } from './rule-definition.ts';

/** Why an alert ended. `ruleChanged`: edited, or no longer for this device; `ruleDisabled`: switched off or gone. */
export type ResolveReason = 'condition' | 'ruleChanged' | 'ruleDisabled';

/** The comparison that decided, and what was known at that moment. */
export interface Evidence {
  parameter: string;
  op: Leaf['op'];
  value?: ReadingValue;
  threshold?: ReadingValue | ReadingValue[];
}

interface TransitionBase {
  /** Stable: the alert's id and what happened to it. */
  id: string;
  alertId: string;
  ruleId: string;
  deviceId: string;
  /** The telemetry event that caused it. */
  eventId: string;
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
  ruleKind: 'condition';
  ruleVersion?: number;
  severity: Severity;
  evidence: Evidence;
  /** The rule's parameters as last known. */
  readings: Readings;
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
export type RuleTransition = AlertOpened | AlertResolved;

/** The id of an alert. */
export function alertIdOf(ruleId: string, deviceId: string, number: number): string {
  return `${ruleId}~${deviceId}~${number}`;
}
