/**
 * Commits what people, or the registry, do to an alert: the alert under its etag, the transition for streams, and where
 * the alert ends the rule's state with it, in one batch.
 */
import {
  handlingEvent,
  raiseAlert,
  resolveAlert,
  type Alert,
  type AlertChange,
  type CloseReason,
} from '../alerts/alert.ts';
import type { Severity } from '../rules/severity.ts';
import { handleAlert, type AlertOperation, type Handled } from '../alerts/handle-alert.ts';
import { withoutSystemFields, type BatchOperation, type Store } from '../store/store.ts';
import { alertDocument, alertOf, deviceOfAlert, numberOfAlert, readAlert } from './alert-documents.ts';
import {
  deviceKey,
  OPS_LANE,
  type AlertDocument,
  type StateDocument,
  type TransitionsDocument,
} from './device-state.ts';

/** An alert with the etag of its document. */
interface StoredAlert {
  alert: Alert;
  etag: string;
}

/** What management does with alerts. */
export interface AlertDesk {
  find(tenantId: string, alertId: string): Promise<StoredAlert | undefined>;
  /**
   * Applies an operation; the same one again changes nothing.
   * @param isExpected throws when the caller has seen another version
   * @returns undefined when there is no such alert
   * @throws an Error when others keep changing it
   */
  handle(
    tenantId: string,
    alertId: string,
    operation: AlertOperation,
    by: string,
    isExpected?: (etag: string) => void,
  ): Promise<StoredAlert | undefined>;
  /** Ends every open alert of a device. */
  endAll(tenantId: string, deviceId: string, reason: CloseReason): Promise<void>;
  /** Records why nobody is told. */
  suppress(tenantId: string, alertId: string, change: (alert: Alert) => Alert): Promise<StoredAlert | undefined>;
  /** Makes an alert worse that nobody has taken care of; streams are told. */
  raise(tenantId: string, alertId: string, severity: Severity): Promise<void>;
}

/** Attempts of one commit against other writers. */
const ATTEMPTS = 12;

/** Makes the desk over the store. @param ttl seconds that transitions are kept */
export function createAlertDesk(store: Store, ttl: number, now: () => number = Date.now): AlertDesk {
  const find = async (tenantId: string, alertId: string) => {
    const deviceId = deviceOfAlert(alertId);
    return deviceId === undefined ? undefined : readAlert(store, deviceKey(tenantId, deviceId), alertId);
  };
  const change = async (
    tenantId: string,
    alertId: string,
    apply: (alert: Alert) => Handled,
    isExpected?: (etag: string) => void,
  ): Promise<StoredAlert | undefined> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = await find(tenantId, alertId);
      if (!known) return undefined;
      isExpected?.(known.etag);
      const handled = apply(known.alert);
      if (handled.alert === known.alert) return known;
      const written = await commitHandled(store, known, handled, ttl, now());
      if (written) return written;
    }
    throw new Error(`The alert ${alertId} is contended.`);
  };
  return {
    find,
    handle: (tenantId, alertId, operation, by, isExpected) =>
      change(tenantId, alertId, (alert) => handleAlert(alert, operation, by, now()), isExpected),
    suppress: (tenantId, alertId, apply) => change(tenantId, alertId, (alert) => ({ alert: apply(alert) })),
    async raise(tenantId, alertId, severity) {
      await change(tenantId, alertId, (alert) => {
        const raised = raiseAlert(alert, severity, now());
        return raised === alert ? { alert } : { alert: raised, change: 'raised' };
      });
    },
    async endAll(tenantId, deviceId, reason) {
      const query = { query: "SELECT * FROM c WHERE c.kind = 'alert' AND c.condition = 'active'" };
      const open = await store.all<AlertDocument>('device-data', query, deviceKey(tenantId, deviceId));
      for (const { id } of open.map(alertOf)) {
        await change(tenantId, id, (alert) => {
          const ended = resolveAlert(alert, now(), reason);
          return ended === alert ? { alert } : { alert: ended, change: 'resolved' };
        });
      }
    },
  };
}

async function commitHandled(
  store: Store,
  known: StoredAlert,
  { alert, change }: Handled,
  ttl: number,
  nowMs: number,
): Promise<StoredAlert | undefined> {
  const pk = deviceKey(alert.tenantId, alert.deviceId);
  const operations: BatchOperation[] = [{ kind: 'replace', document: alertDocument(pk, alert), etag: known.etag }];
  if (change !== undefined && isTold(change))
    operations.push({ kind: 'create', document: transitions(pk, alert, change, ttl, nowMs) });
  if (alert.condition === 'resolved' && known.alert.condition === 'active') {
    const stored = await store.read<StateDocument>('device-data', 'state', pk);
    const rule = stored?.rules?.r[alert.ruleId];
    if (stored?.rules && rule?.n === numberOfAlert(alert.id)) {
      // The rule is at rest again: where its condition still holds, the next reading opens the next alert.
      const { [alert.ruleId]: _, ...r } = stored.rules.r;
      const state = { ...withoutSystemFields<StateDocument>(stored), rules: { ...stored.rules, r } };
      operations.push({ kind: 'replace', document: state, etag: stored._etag });
    }
  }
  const outcome = await store.batch('device-data', pk, operations);
  if (outcome.kind === 'refused')
    throw new Error(`The store refuses a change of the alert ${alert.id}: ${outcome.reason}.`);
  return outcome.kind === 'conflict' ? undefined : { alert, etag: outcome.etags[0] ?? '' };
}

/** What people write about an alert is theirs; outside applications hear of what became of it. */
function isTold(change: AlertChange): boolean {
  return change !== 'commented';
}

function transitions(pk: string, alert: Alert, change: AlertChange, ttl: number, nowMs: number): TransitionsDocument {
  const { tenantId, deviceId, id, revision } = alert;
  return {
    id: `transitions|${id}|${revision}`,
    pk,
    tenantId,
    deviceId,
    kind: 'transitions',
    lane: OPS_LANE,
    n: 0,
    seq: revision,
    e: [{ at: { seq: revision, enq: nowMs }, cause: OPS_LANE, k: 'alert', d: handlingEvent(alert, change, nowMs) }],
    ttl,
  };
}
