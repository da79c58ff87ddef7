/** Alerts as documents of their device: `device-data`, id `alert|…`. */
import type { Alert } from '../alerts/alert.ts';
import { withoutSystemFields, type Stored, type Store } from '../store/store.ts';
import type { AlertDocument } from './device-state.ts';

/** Seconds a resolved alert or a closed anomaly is kept. */
export const ENDED_SECONDS = 90 * 86_400;

/** An alert, with the etag of its document; none before it is written. */
export interface FencedAlert {
  alert: Alert;
  etag: string | undefined;
}

/** The document of an alert. */
export function alertDocument(pk: string, alert: Alert): AlertDocument {
  const ended = alert.condition === 'resolved' ? { ttl: ENDED_SECONDS } : {};
  return { ...alert, id: `alert|${alert.id}`, pk, kind: 'alert', alertId: alert.id, ...ended };
}

/** The alert of a document. */
export function alertOf(stored: Stored<AlertDocument>): Alert {
  const { pk: _pk, kind: _kind, alertId: id, ttl: _ttl, ...alert } = withoutSystemFields<AlertDocument>(stored);
  return { ...alert, id };
}

/** Reads one alert of a device. */
export async function readAlert(
  store: Store,
  pk: string,
  alertId: string,
): Promise<{ alert: Alert; etag: string } | undefined> {
  const stored = await store.read<AlertDocument>('device-data', `alert|${alertId}`, pk);
  return stored && { alert: alertOf(stored), etag: stored._etag };
}

/** The alerts of a rule on a device whose condition has ended and that wait for a person. */
export async function returnedAlerts(store: Store, pk: string, ruleId: string): Promise<FencedAlert[]> {
  const query = {
    query:
      "SELECT * FROM c WHERE c.kind = 'alert' AND c.ruleId = @rule AND c.condition = 'active' AND IS_DEFINED(c.returnedAt)",
    parameters: [{ name: '@rule', value: ruleId }],
  };
  const stored = await store.all<AlertDocument>('device-data', query, pk);
  return stored.map((each) => ({ alert: alertOf(each), etag: each._etag }));
}

/** The alert of a rule on a device that opened last, but for those named. */
export async function lastAlert(
  store: Store,
  pk: string,
  ruleId: string,
  without: ReadonlySet<string>,
): Promise<Alert | undefined> {
  const query = {
    query: `SELECT * FROM c WHERE c.kind = 'alert' AND c.ruleId = @rule ORDER BY c.openedAt DESC OFFSET 0 LIMIT ${without.size + 1}`,
    parameters: [{ name: '@rule', value: ruleId }],
  };
  const found = (await store.all<AlertDocument>('device-data', query, pk)).map(alertOf);
  return found.find(({ id }) => !without.has(id));
}

/** Which device an alert is of: its id is `rule~device~n`, and a device's id may hold `~` where a rule's may not. */
export function deviceOfAlert(alertId: string): string | undefined {
  return /^[A-Za-z0-9_-]+~(.+)~\d+$/.exec(alertId)?.[1];
}

/** The number in an alert's id. */
export function numberOfAlert(alertId: string): number {
  return Number(alertId.slice(alertId.lastIndexOf('~') + 1));
}
