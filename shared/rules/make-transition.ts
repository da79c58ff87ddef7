/** Transitions with what they say: the deciding comparison, the values, the message. Off the hot path. */
import type { Readings, ReadingValue } from '../telemetry/telemetry-event.ts';
import { decidingLeaf, type CompiledCondition } from './compile-condition.ts';
import type { CompiledRule } from './compile-rules.ts';
import type { PlainLeaf } from './condition.ts';
import { fillTemplate, operatorText, parseTemplate, thresholdText, type Template } from './message-template.ts';
import { silentFrom, type RuleFold } from './rule-fold.ts';
import type { RuleState } from './rule-states.ts';
import { alertIdOf, type AlertOpened, type AlertRaised, type AlertResolved } from './rule-transition.ts';
import type { Evidence, ResolveReason, Silenced } from './rule-transition.ts';
import { isOnSchedule } from './schedule.ts';
import type { Severity } from './severity.ts';
import { FALSE, TRUE, type Truth } from './truth.ts';

/** What a resolved alert says, whatever the rule: the rule's own message describes the trouble. */
const RESOLVED = parseTemplate('{{rule.name}} resolved on {{device.name}}: {{param}} is {{value}}');
const OVER = parseTemplate('{{rule.name}} resolved on {{device.name}}');

/** The transition of an alert that opens at the fold's present moment. */
export function openedTransition(
  fold: RuleFold,
  rule: CompiledRule,
  alertId: string,
  openedAt: number,
  eventId: string | undefined,
  severity: Severity,
): AlertOpened {
  const { id, name, version, when } = rule.definition;
  const evidence = evidenceOf(fold, rule, rule.open, TRUE);
  const silenced = silencedBy(rule, openedAt);
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
    ...(eventId === undefined ? undefined : { eventId }),
    ts: Math.max(fold.clock, openedAt),
    openedAt,
    evidence,
    readings: readingsOf(fold, rule),
    ...(silenced && { silenced }),
    message: messageOf(rule.message, fold, rule, evidence, severity),
  };
}

/** The transition of an open alert that becomes worse. */
export function raisedTransition(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState,
  { severity, rank, condition }: CompiledRule['raise'][number],
  raisedAt: number,
  eventId: string | undefined,
): AlertRaised {
  const evidence = evidenceOf(fold, rule, condition, TRUE);
  const { alertId, ...about } = aboutAlert(fold, rule.definition.id, state, eventId, raisedAt);
  return {
    ...about,
    id: `${alertId}~raised-${rank}`,
    kind: 'raised',
    alertId,
    ruleName: rule.definition.name,
    severity,
    raisedAt,
    evidence,
    message: messageOf(rule.message, fold, rule, evidence, severity),
  };
}

/** The transition of an alert that is over. */
export function resolvedTransition(
  fold: RuleFold,
  rule: CompiledRule,
  state: RuleState,
  resolvedAt: number,
  eventId: string | undefined,
  reason: 'condition' | 'fired',
): AlertResolved {
  const clear = rule.clear ?? rule.open;
  const evidence = evidenceOf(fold, rule, clear, rule.clear || reason === 'fired' ? TRUE : FALSE);
  const { alertId, ...about } = aboutAlert(fold, rule.definition.id, state, eventId, resolvedAt);
  const severity = rule.raise.find(({ rank }) => rank === state.v)?.severity ?? rule.definition.severity;
  return {
    ...about,
    id: `${alertId}~resolved`,
    kind: 'resolved',
    alertId,
    resolvedAt,
    ruleName: rule.definition.name,
    severity,
    reason,
    evidence,
    message: messageOf(
      evidence.parameter === undefined || evidence.op === 'silent' ? OVER : RESOLVED,
      fold,
      rule,
      evidence,
      severity,
    ),
  };
}

/** The transition of an open alert whose rule no longer runs on this device as it did. */
export function orphanTransition(
  fold: RuleFold,
  ruleId: string,
  state: RuleState,
  eventId: string | undefined,
): AlertResolved {
  const { byId, elsewhere } = fold.compiled;
  const changed = byId.has(ruleId) || elsewhere.has(ruleId);
  // A late event may be the first one after the change; what it ends did not end before it was open.
  const resolvedAt = Math.max(fold.clock, state.o ?? 0);
  const { alertId, ...about } = aboutAlert(fold, ruleId, state, eventId, resolvedAt);
  const reason: ResolveReason = changed ? 'ruleChanged' : 'ruleDisabled';
  const message = changed ? 'Resolved: the rule was changed' : 'Resolved: the rule was disabled or removed';
  return { ...about, id: `${alertId}~resolved`, kind: 'resolved', alertId, resolvedAt, reason, message };
}

function aboutAlert(fold: RuleFold, ruleId: string, state: RuleState, eventId: string | undefined, atMs: number) {
  const deviceId = fold.compiled.device.id;
  return {
    alertId: alertIdOf(ruleId, deviceId, state.n ?? 0),
    ruleId,
    deviceId,
    ...(eventId === undefined ? undefined : { eventId }),
    ts: Math.max(fold.clock, atMs),
    openedAt: state.o ?? atMs,
  };
}

function silencedBy({ definition }: CompiledRule, atMs: number): Silenced | undefined {
  if (definition.shadow) return 'shadow';
  return definition.schedule && !isOnSchedule(definition.schedule, atMs) ? 'outsideSchedule' : undefined;
}

function evidenceOf(fold: RuleFold, rule: CompiledRule, condition: CompiledCondition, truth: Truth): Evidence {
  const { when } = rule.definition;
  if (when.kind === 'nodata') {
    const slot = silentFrom(fold, rule)?.slot;
    const parameter = slot === undefined ? undefined : fold.compiled.parameters[slot];
    const value = slot === undefined ? undefined : fold.memory.values[slot];
    return {
      ...(parameter === undefined ? undefined : { parameter }),
      op: 'silent',
      ...(value === undefined ? undefined : { value }),
      threshold: durationText(when.after),
    };
  }
  const leaf = decidingLeaf(condition, truth, fold.memory);
  if (!leaf) return { op: 'fired', ...(when.kind === 'timer' ? { threshold: when.cron } : undefined) };
  return { ...namesOf(fold, rule, leaf), op: leaf.op, ...valuesOf(fold, leaf) };
}

/** A window goes by the name of its parameter: what it is called in the state is nobody's business. */
function namesOf({ compiled }: RuleFold, rule: CompiledRule, { param }: PlainLeaf) {
  const window = rule.window === undefined ? undefined : compiled.windows[rule.window];
  if (window?.spec.key !== param) return { parameter: param };
  const { params, fn } = window.spec;
  return params.length > 0 ? { parameter: params.join(', '), function: fn } : { function: fn };
}

function valuesOf(fold: RuleFold, leaf: PlainLeaf) {
  const value = valueOf(fold, leaf.param);
  return {
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

function messageOf(
  template: Template,
  fold: RuleFold,
  rule: CompiledRule,
  evidence: Evidence,
  severity: Severity,
): string {
  const { id, name } = fold.compiled.device;
  const { value, threshold, op, parameter, function: fn } = evidence;
  const subject = fn === undefined ? (parameter ?? '') : parameter === undefined ? fn : `${fn} of ${parameter}`;
  return fillTemplate(template, {
    'device.id': id,
    'device.name': name ?? id,
    'rule.name': rule.definition.name,
    severity,
    param: subject,
    value: value === undefined ? (subject === '' ? '' : 'unknown') : valueText(value, fn),
    op: operatorText(op),
    threshold: thresholdText(op, threshold),
  });
}

/** What a window came to is made of sums: its last digits are noise. */
function valueText(value: ReadingValue, fn: string | undefined): string {
  return String(fn !== undefined && typeof value === 'number' ? Number(value.toPrecision(6)) : value);
}

/** A duration as people write it: `15m`, `1h30m`. */
function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts.map(([count, unit]) => (count > 0 ? `${count}${unit}` : '')).join('');
}
