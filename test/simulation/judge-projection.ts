/**
 * Invariants behind the commits: the tenant's list holds every alert as its device has it; whoever tells people heard
 * of every change of an alert, once, in the order of each device.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CausedTransition } from '../../shared/ingest/device-state.ts';
import { textOf, type Account, type StoredDocument } from './account.ts';
import { difference } from './judge-device.ts';
import type { SimulatedDevice } from './scenario.ts';

/** Judges what the projection made of every device. */
export function judgeProjection(account: Account, devices: readonly SimulatedDevice[]): string[] {
  const wrong: string[] = [];
  const told = account.all('actions');
  for (const { tenantId, deviceId } of devices) {
    const documents = account.all('device-data', `${tenantId}|${deviceId}`);
    const alerts = documents.filter(({ kind }) => kind === 'alert');
    for (const alert of alerts) {
      const { pk: _pk, kind: _kind, alertId, ...facts } = alert;
      const listed = account.read('alerts', textOf(alertId), tenantId);
      const wanted = { ...withoutSystem(facts), id: alertId };
      if (!listed || !isDeepStrictEqual(withoutSystem(listed), wanted))
        wrong.push(`${deviceId}: the list of alerts: ${difference(listed && withoutSystem(listed), wanted)}.`);
    }
    const changes = account.commits
      .filter(({ container, pk }) => container === 'device-data' && pk === `${tenantId}|${deviceId}`)
      .flatMap((commit) => commit.documents.filter(({ kind }) => kind === 'transitions'))
      .flatMap(({ e }) => e as unknown as CausedTransition[])
      .filter(({ k }) => k === 'alert');
    const heard = told
      .filter((each) => each['tenantId'] === tenantId && each['deviceId'] === deviceId)
      .map(({ id }) => id);
    const wanted = changes.map(({ d }) => d.eventId);
    if (!isDeepStrictEqual(heard, wanted)) wrong.push(`${deviceId}: people hear: ${difference(heard, wanted)}.`);
    wrong.push(...judgeAlerts(deviceId, alerts, changes));
  }
  return wrong;
}

/** Every alert that opened is stored, as its last change left it. */
function judgeAlerts(
  deviceId: string,
  alerts: readonly StoredDocument[],
  changes: readonly CausedTransition[],
): string[] {
  const condition = new Map<string, string>();
  for (const { k, d } of changes) if (k === 'alert') condition.set(d.alertId, d.condition);
  const stored = new Map(alerts.map(({ alertId, condition: now }) => [textOf(alertId), textOf(now)]));
  return isDeepStrictEqual(stored, condition)
    ? []
    : [`${deviceId}: its alerts: ${difference(Object.fromEntries(stored), Object.fromEntries(condition))}.`];
}

function withoutSystem(document: object): object {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !name.startsWith('_')));
}
