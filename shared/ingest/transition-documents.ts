/** What a commit writes for what was caused: the list of transitions, and the current alerts and anomalies. */
import { alertEvent, applyTransition, type Alert } from '../alerts/alert.ts';
import { withoutSystemFields, type Store } from '../store/store.ts';
import type { AlertDocument, AnomalyDocument, CausedTransition, StateDocument } from './device-state.ts';
import type { Caused } from './fold-device.ts';

/** Seconds a resolved alert or a closed anomaly is kept. */
const ENDED_SECONDS = 90 * 86_400;

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
  const alerts = new Map<string, Alert | undefined>();
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
    const known = alerts.has(alertId) ? alerts.get(alertId) : await alertBefore(store, pk, transition.kind, alertId);
    const alert = applyTransition(known, transition, { tenantId, nowMs });
    alerts.set(alertId, alert);
    const id = `alert|${alertId}`;
    const ended = alert.condition === 'resolved' ? { ttl: ENDED_SECONDS } : {};
    documents.set(id, { ...alert, id, pk, kind: 'alert', alertId, ...ended });
    transitions.push({ at, cause, k: 'alert', d: alertEvent(transition, alert) });
  }
  return { transitions, documents: [...documents.values()] };
}

/** Numbers of alerts are never used twice, so nothing can be there before an alert opens. */
async function alertBefore(
  store: Store,
  pk: string,
  kind: 'opened' | 'resolved',
  alertId: string,
): Promise<Alert | undefined> {
  if (kind === 'opened') return undefined;
  const stored = await store.read<AlertDocument>('device-data', `alert|${alertId}`, pk);
  if (!stored) return undefined;
  const { pk: _pk, kind: _kind, alertId: id, ttl: _ttl, ...alert } = withoutSystemFields<AlertDocument>(stored);
  return { ...alert, id };
}
