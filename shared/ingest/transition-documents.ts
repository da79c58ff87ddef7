/** What a commit writes for what was caused: the list of transitions, and the current alerts and anomalies. */
import { alertEvent, applyTransition, handlingEvent, resolveAlert, type Alert } from '../alerts/alert.ts';
import { looksBack, recurrenceOf } from '../alerts/recurrence.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import type { RuleTransition } from '../rules/rule-transition.ts';
import type { BatchOperation, Store } from '../store/store.ts';
import {
  alertDocument,
  lastAlert,
  readAlert,
  returnedAlerts,
  ENDED_SECONDS,
  type FencedAlert,
} from './alert-documents.ts';
import type { AnomalyDocument, CausedTransition, StateDocument } from './device-state.ts';
import type { Caused } from './fold-device.ts';

/** Alerts of one device read at the same time. */
const READS_AT_A_TIME = 16;

/**
 * Builds the writes; an alert or anomaly touched twice is written once, as it is at the end. An alert that was there is
 * replaced under its etag, because people change alerts as well.
 * @param nowMs processing time: when alerts are noticed
 */
export async function transitionDocuments(
  store: Store,
  state: StateDocument,
  caused: readonly Caused[],
  compiled: CompiledRules,
  nowMs: number,
): Promise<{ transitions: CausedTransition[]; writes: BatchOperation[] }> {
  const { pk, tenantId, deviceId } = state;
  const transitions: CausedTransition[] = [];
  const alerts = await alertsBefore(store, pk, caused, compiled);
  const lastOfRule = await lastAlerts(store, pk, caused, compiled);
  const touched = new Set<string>();
  const anomalies = new Map<string, AnomalyDocument>();
  for (const { at, cause, ...what } of caused) {
    if (what.k === 'anomaly') {
      const { event, anomaly } = what.transition;
      const id = `anomaly|${anomaly.id}`;
      const ended = anomaly.state === 'closed' ? { ttl: ENDED_SECONDS } : {};
      anomalies.set(id, {
        ...anomaly,
        id,
        pk,
        kind: 'anomaly',
        anomalyKind: anomaly.kind,
        tenantId,
        deviceId,
        anomalyId: anomaly.id,
        ...ended,
      });
      transitions.push({ at, cause, k: 'anomaly', d: event });
      continue;
    }
    const { transition } = what;
    const put = (alert: Alert) => {
      alerts.set(alert.id, { alert, etag: alerts.get(alert.id)?.etag });
      touched.add(alert.id);
      if (lastOfRule.get(alert.ruleId)?.id === alert.id) lastOfRule.set(alert.ruleId, alert);
      return alert;
    };
    if (transition.kind === 'opened') {
      // One open alert of a rule and device: what waited for a person gives way to the next.
      for (const { alert } of [...alerts.values()].filter((known) => isSuperseded(known.alert, transition))) {
        const ended = put(resolveAlert(alert, transition.openedAt, 'retriggered'));
        transitions.push({ at, cause, k: 'alert', d: handlingEvent(ended, 'resolved', transition.ts) });
      }
    }
    const { definition: ending } = compiled.byId.get(transition.ruleId) ?? {};
    const before = alerts.get(transition.alertId)?.alert;
    const context = { tenantId, nowMs, ...(ending ? { ending } : {}) };
    const notify = ending?.notify;
    const recurs = transition.kind === 'opened' && looksBack(notify);
    const recurrence = recurs ? recurrenceOf(lastOfRule.get(transition.ruleId), transition.openedAt, notify) : {};
    const alert = put(applyTransition(before, transition, { ...context, recurrence }));
    if (recurs) lastOfRule.set(alert.ruleId, alert);
    transitions.push({ at, cause, k: 'alert', d: alertEvent(transition, alert) });
  }
  const writes = [...touched].flatMap((alertId): BatchOperation[] => {
    const known = alerts.get(alertId);
    if (!known) return [];
    const document = alertDocument(pk, known.alert);
    return [known.etag === undefined ? { kind: 'upsert', document } : { kind: 'replace', document, etag: known.etag }];
  });
  writes.push(...[...anomalies.values()].map((document): BatchOperation => ({ kind: 'upsert', document })));
  return { transitions, writes };
}

/** The alert before, of rules that open now and ask for it. */
async function lastAlerts(
  store: Store,
  pk: string,
  caused: readonly Caused[],
  compiled: CompiledRules,
): Promise<Map<string, Alert>> {
  const opening = caused.flatMap((what) =>
    what.k === 'alert' && what.transition.kind === 'opened' ? [what.transition] : [],
  );
  const last = new Map<string, Alert>();
  for (const [ruleId, now] of Map.groupBy(opening, (transition) => transition.ruleId)) {
    if (!looksBack(compiled.byId.get(ruleId)?.definition.notify)) continue;
    // What a writer that died has left of these very alerts is not before them.
    const before = await lastAlert(store, pk, ruleId, new Set(now.map(({ alertId }) => alertId)));
    if (before) last.set(ruleId, before);
  }
  return last;
}

function isSuperseded(alert: Alert, opened: RuleTransition): boolean {
  return alert.ruleId === opened.ruleId && alert.returnedAt !== undefined && alert.condition === 'active';
}

/**
 * The stored alerts that are touched now. Those that open are not looked for: their numbers are never used twice; but
 * one of the same rule may be waiting for a person.
 */
async function alertsBefore(
  store: Store,
  pk: string,
  caused: readonly Caused[],
  compiled: CompiledRules,
): Promise<Map<string, FencedAlert>> {
  const opened = new Set<string>();
  const wanted = new Set<string>();
  const waiting = new Set<string>();
  for (const what of caused) {
    if (what.k !== 'alert') continue;
    const { kind, alertId, ruleId } = what.transition;
    if (kind === 'opened') {
      opened.add(alertId);
      const rule = compiled.byId.get(ruleId)?.definition;
      if (rule?.latch === true || rule?.autoResolve === false) waiting.add(ruleId);
    } else if (!opened.has(alertId)) wanted.add(alertId);
  }
  const before = new Map<string, FencedAlert>();
  for (const ruleId of waiting)
    for (const known of await returnedAlerts(store, pk, ruleId)) before.set(known.alert.id, known);
  const ids = [...wanted].filter((id) => !before.has(id));
  for (let from = 0; from < ids.length; from += READS_AT_A_TIME) {
    const alerts = await Promise.all(ids.slice(from, from + READS_AT_A_TIME).map((id) => readAlert(store, pk, id)));
    for (const known of alerts) if (known) before.set(known.alert.id, known);
  }
  return before;
}
