/** Transitions with what they say: the deciding comparison, the values, the message. Off the hot path. */
import type { Readings, TelemetryEvent } from '../telemetry/telemetry-event.ts';
import { decidingLeaf, type CompiledCondition } from './compile-condition.ts';
import type { CompiledRule } from './compile-rules.ts';
import type { Leaf } from './condition.ts';
import { fillTemplate, operatorText, parseTemplate, thresholdText, type Template } from './message-template.ts';
import type { RuleFold } from './rule-fold.ts';
import type { RuleState } from './rule-states.ts';
import { alertIdOf, type AlertOpened, type AlertResolved, type Evidence } from './rule-transition.ts';
import { FALSE, TRUE, type Truth } from './truth.ts';

/** What a resolved alert says, whatever the rule: the rule's own message describes the trouble. */
const RESOLVED = parseTemplate('{{rule.name}} resolved on {{device.name}}: {{param}} is {{value}}');

/** The transition of an alert that opens at the fold's present event. */
export function openedTransition(
  fold: RuleFold,
  rule: CompiledRule,
  alertId: string,
  openedAt: number,
  event: TelemetryEvent,
): AlertOpened {
  const { id, name, severity, version, when } = rule.definition;
  const evidence = evidenceOf(fold, decide(rule.open, TRUE, fold));
  return {
    id: `${alertId}~opened`,
    kind: 'opened',
    alertId,
    ruleId: id,
    ruleName: name,
    ruleKind: when.kind,
    ...(version === undefined ? undefined : { ruleVersion: version }),
    severity,
    deviceId: fold.compiled.device.id,
    eventId: event.eventId,
    ts: event.ts,
    openedAt,
    evidence,
    readings: readingsOf(fold, rule),
    message: messageOf(rule.message, fold, rule, evidence),
  };
}

/** The transition of an alert whose condition has cleared. */
export function resolvedTransition(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState,
  resolvedAt: number,
  event: TelemetryEvent,
): AlertResolved {
  const evidence = evidenceOf(fold, rule.clear ? decide(rule.clear, TRUE, fold) : decide(rule.open, FALSE, fold));
  return {
    ...resolved(fold, rule.definition.id, state, event, resolvedAt),
    ruleName: rule.definition.name,
    severity: rule.definition.severity,
    reason: 'condition',
    evidence,
    message: messageOf(RESOLVED, fold, rule, evidence),
  };
}

/** The transition of an open alert whose rule no longer runs on this device as it did. */
export function orphanTransition(
  fold: RuleFold,
  ruleId: string,
  state: RuleState,
  event: TelemetryEvent,
): AlertResolved {
  const { byId, elsewhere } = fold.compiled;
  const changed = byId.has(ruleId) || elsewhere.has(ruleId);
  return {
    // A late event may be the first one after the change; what it ends did not end before it was open.
    ...resolved(fold, ruleId, state, event, Math.max(fold.now, state.o ?? 0)),
    reason: changed ? 'ruleChanged' : 'ruleDisabled',
    message: changed ? 'Resolved: the rule was changed' : 'Resolved: the rule was disabled or removed',
  };
}

function resolved(fold: RuleFold, ruleId: string, state: RuleState, event: TelemetryEvent, resolvedAt: number) {
  const deviceId = fold.compiled.device.id;
  const alertId = alertIdOf(ruleId, deviceId, state.n ?? 0);
  return {
    id: `${alertId}~resolved`,
    kind: 'resolved' as const,
    alertId,
    ruleId,
    deviceId,
    eventId: event.eventId,
    ts: fold.now,
    openedAt: state.o ?? resolvedAt,
    resolvedAt,
  };
}

function decide(condition: CompiledCondition, truth: Truth, fold: RuleFold): Leaf {
  const leaf = decidingLeaf(condition, truth, fold.memory);
  if (leaf) return leaf;
  throw new Error('a condition without leaves was compiled');
}

function evidenceOf(fold: RuleFold, leaf: Leaf): Evidence {
  const value = valueOf(fold, leaf.param);
  return {
    parameter: leaf.param,
    op: leaf.op,
    ...(value === undefined ? undefined : { value }),
    ...('value' in leaf ? { threshold: leaf.value } : undefined),
  };
}

function readingsOf(fold: RuleFold, rule: CompiledRule): Readings {
  const readings: Readings = {};
  for (const parameter of rule.parameters) {
    const value = valueOf(fold, parameter);
    if (value !== undefined) readings[parameter] = value;
  }
  return readings;
}

function valueOf(fold: RuleFold, parameter: string) {
  return fold.memory.values[fold.compiled.slots.get(parameter) ?? -1];
}

function messageOf(template: Template, fold: RuleFold, rule: CompiledRule, evidence: Evidence): string {
  const { id, name } = fold.compiled.device;
  const { value, threshold, op, parameter } = evidence;
  return fillTemplate(template, {
    'device.id': id,
    'device.name': name ?? id,
    'rule.name': rule.definition.name,
    severity: rule.definition.severity,
    param: parameter,
    value: value === undefined ? 'unknown' : String(value),
    op: operatorText(op),
    threshold: thresholdText(op, threshold),
  });
}
