/**
 * The projection: what follows from documents of `device-data`, in the order of each device. It keeps the tenant's list
 * of alerts, appends to the lane `ops` what no device event caused, and hands every change of an alert to those who tell
 * people. All of it is safe to repeat: the list by the alert's revision, the lane by the transition document's id, and
 * notifications by the transition's id.
 */
import type { Alert, AlertEvent } from '../alerts/alert.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalEntry, JournalEvent } from '../journal/journal-entry.ts';
import { count } from '../observability.ts';
import type { Store, Stored } from '../store/store.ts';
import { alertOf, ENDED_SECONDS } from './alert-documents.ts';
import { OPS_LANE, type AlertDocument, type TransitionsDocument } from './device-state.ts';

/** What the projection works with. */
export interface ProjectionServices {
  store: Store;
  journal: Journal;
  /** Wakes live streams; a lost publish is harmless. */
  publish(entries: JournalEntry[]): Promise<void>;
  /** Plans who is told of a change; the same change again plans nothing new. */
  notify(tenantId: string, event: AlertEvent): Promise<void>;
}

/** Devices projected at the same time. */
const DEVICES_AT_ONCE = 16;
/** Attempts to replace one entry of the list against other writers. */
const ATTEMPTS = 8;

/** An alert in the tenant's list: container `alerts`. */
type ListedAlert = Alert & { ttl?: number };

/**
 * Projects changed documents.
 * @throws the store's error when trouble lasts; the feed then delivers the documents again
 */
export async function project(services: ProjectionServices, documents: readonly unknown[]): Promise<void> {
  const byDevice = [...Map.groupBy(documents.filter(isOurs), ({ pk }) => pk).values()];
  const queue = byDevice.values();
  const errors: unknown[] = [];
  const worker = async () => {
    for (const ofDevice of queue) {
      if (errors.length > 0) return;
      await projectDevice(services, ofDevice).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(DEVICES_AT_ONCE, byDevice.length) }, worker));
  if (errors.length > 0) throw errors[0];
}

type Projected = Stored<AlertDocument> | Stored<TransitionsDocument>;

function isOurs(document: unknown): document is Projected {
  const { kind, pk } = Object(document) as { kind?: unknown; pk?: unknown };
  return typeof pk === 'string' && (kind === 'alert' || kind === 'transitions');
}

async function projectDevice(services: ProjectionServices, documents: readonly Projected[]): Promise<void> {
  for (const document of documents) {
    if (document.kind === 'alert') await list(services.store, alertOf(document));
    else await tell(services, document);
  }
}

/** Puts the alert into the tenant's list, unless a later revision is there. */
async function list(store: Store, alert: Alert): Promise<void> {
  const { id, tenantId } = alert;
  const listed: ListedAlert = alert.condition === 'resolved' ? { ...alert, ttl: ENDED_SECONDS } : alert;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const known = await store.read<ListedAlert>('alerts', id, tenantId);
    if (known && known.revision >= alert.revision) return;
    if (known ? await store.replace('alerts', listed, known._etag) : await store.create('alerts', listed)) return;
  }
  throw new Error(`The entry of the alert ${id} is contended.`);
}

async function tell(services: ProjectionServices, document: TransitionsDocument): Promise<void> {
  const { tenantId, deviceId, lane, id, e, ttl } = document;
  if (lane === OPS_LANE) {
    const events = e.map(({ k, d }) => ({ k, d }) as JournalEvent);
    const entries = await services.journal.appendOnce(tenantId, OPS_LANE, { id: `${deviceId}|${id}`, ttl }, events);
    count('sluice.journal.entries', entries.length);
    if (entries.length > 0) await services.publish(entries);
  }
  for (const { k, d } of e) if (k === 'alert') await services.notify(tenantId, d as AlertEvent);
}
