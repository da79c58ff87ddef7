/** What a commit writes for what was caused: the list of transitions, and the current alerts and anomalies. */
import { alertEvent, applyTransition, type Alert } from '../alerts/alert.ts';
import { withoutSystemFields, type Store } from '../store/store.ts';
import type { AlertDocument, AnomalyDocument, CausedTransition, StateDocument } from './device-state.ts';
import type { Caused } from './fold-device.ts';

/** Seconds a resolved alert or a closed anomaly is kept. */
const ENDED_SECONDS = 90 * 86_400;
/** Alerts of one device read at the same time. */
const READS_AT_A_TIME = 16;

/**
 * Builds the documents; an alert or anomaly touched twice is written once, as it is at the end.
 * @param nowMs processing time: when alerts are noticed
 */
export async function transitionDocuments(
  store: Store,
  state: StateDocument,
  caused: readonly Caused[],
  nowMs: number,
) {
  const { pk, tenantId, deviceId } = state;
  const transitions: CausedTransition[] = [];
  const alerts = await alertsBefore(store, pk, caused);
  const documents = new Map<string, AlertDocument | AnomalyDocument>();
  for (const { at, cause, ...what } of caused) {
    if (what.k === 'anomaly') {
      const { event, anomaly } = what.transition;
      const id = `anomaly|${anomaly.id}`;
      const ended = anomaly.state === 'closed' ? { ttl: ENDED_SECONDS } : {};
      documents.set(id, {
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
    const { alertId } = transition;
    const alert = applyTransition(alerts.get(alertId), transition, { tenantId, nowMs });
    alerts.set(alertId, alert);
    const id = `alert|${alertId}`;
    const ended = alert.condition === 'resolved' ? { ttl: ENDED_SECONDS } : {};
    documents.set(id, { ...alert, id, pk, kind: 'alert', alertId, ...ended });
    transitions.push({ at, cause, k: 'alert', d: alertEvent(transition, alert) });
  }
  return { transitions, documents: [...documents.values()] };
}

/** The stored alerts that are resolved now. Those that open are not looked for: their numbers are never used twice. */
async function alertsBefore(store: Store, pk: string, caused: readonly Caused[]): Promise<Map<string, Alert>> {
  const opened = new Set<string>();
  const wanted = new Set<string>();
  for (const what of caused) {
    if (what.k !== 'alert') continue;
    const { kind, alertId } = what.transition;
    if (kind === 'opened') opened.add(alertId);
    else if (!opened.has(alertId)) wanted.add(alertId);
  }
  const before = new Map<string, Alert>();
  const ids = [...wanted];
  for (let from = 0; from < ids.length; from += READS_AT_A_TIME) {
    const alerts = await Promise.all(ids.slice(from, from + READS_AT_A_TIME).map((id) => readAlert(store, pk, id)));
    for (const alert of alerts) if (alert) before.set(alert.id, alert);
  }
  return before;
}

async function readAlert(store: Store, pk: string, alertId: string): Promise<Alert | undefined> {
  const stored = await store.read<AlertDocument>('device-data', `alert|${alertId}`, pk);
  if (!stored) return undefined;
  const { pk: _pk, kind: _kind, alertId: id, ttl: _ttl, ...alert } = withoutSystemFields<AlertDocument>(stored);
  return { ...alert, id };
}
