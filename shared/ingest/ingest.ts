/**
 * The road of a reading: decode, quarantine what cannot be accepted, group by device, commit every device (in order
 * within one, in parallel across them), and when all are committed append one journal entry per tenant and publish it.
 * Nothing that a device sends can throw. What throws is trouble of the store, and then the trigger delivers the whole
 * batch again: everything here is safe to repeat.
 */
import type { Device } from '../devices/devices.ts';
import type { Journal, PositionedEvents } from '../journal/journal.ts';
import type { JournalEntry } from '../journal/journal-entry.ts';
import { count, record } from '../observability.ts';
import type { Store } from '../store/store.ts';
import type { RawEvent, Decoded } from '../telemetry/decoded.ts';
import { decodeDirect } from '../telemetry/decode-direct.ts';
import type { CommittedDevice, DeviceBatch, DeviceCommitter } from './commit-device.ts';
import type { ReadingSet } from './fold-device.ts';
import { rulesOf, type RulesOfDevices } from './rules-of-device.ts';
import { recoverEvents } from './journal-events.ts';
import type { ProcessedTime } from './processed-time.ts';
import { quarantine, type Quarantining } from './quarantine.ts';

/** What ingest works with. */
export interface IngestServices extends RulesOfDevices {
  store: Store;
  committer: DeviceCommitter;
  journal: Journal;
  processed: ProcessedTime;
  /** The registration of a device: possibly a few seconds old, or as it is now. */
  findDevice(deviceId: string): Promise<Device | undefined>;
  readDevice(deviceId: string): Promise<Device | undefined>;
  /** Wakes live streams; a lost publish is harmless. */
  publish(entries: JournalEntry[]): Promise<void>;
  now(): number;
}

/** Devices committed at the same time: enough to hide the store's latency, few enough not to be throttled. */
const DEVICES_IN_PARALLEL = 16;

interface PendingDevice {
  device: Device;
  sets: ReadingSet[];
  /** For quarantine, should the store refuse a set. */
  raws: Map<ReadingSet, RawEvent>;
}

/**
 * Ingests one batch of one source partition.
 * @throws the store's error when trouble lasts; repeating the batch then is safe and loses nothing
 */
export async function ingestBatch(services: IngestServices, lane: string, events: RawEvent[]): Promise<void> {
  record('sluice.ingest.batch', events.length);
  const devices = await sortOut(services, events);
  const committed = await commitDevices(services, lane, [...devices.values()]);
  const byTenant = Map.groupBy(committed, ({ batch }) => batch.tenantId);
  await eachInParallel([...byTenant], async ([tenantId, ofTenant]) => {
    const positioned = (await Promise.all(ofTenant.map((each) => journalEvents(services, each)))).flat();
    const entries = await services.journal.append(tenantId, lane, positioned.toSorted(byPosition));
    count('sluice.journal.entries', entries.length);
    if (entries.length > 0) await services.publish(entries);
  });
  const newest = events.at(-1);
  if (newest) await services.processed.advance(lane, { seq: newest.seq, enq: newest.enqueuedMs });
  if (newest) record('sluice.ingest.lag', Math.max(0, services.now() - newest.enqueuedMs));
}

/** Decodes every event and looks up whose it is; the refused ones are in quarantine when this returns. */
async function sortOut(services: IngestServices, events: RawEvent[]): Promise<Map<string, PendingDevice>> {
  const decoded = events.map((raw) => ({ raw, result: decodeDirect(raw) }));
  const ids = new Set(decoded.flatMap(({ result }) => (result.ok ? [result.deviceId] : [])));
  const registered = new Map<string, Device | undefined>();
  // A device that was registered or enabled a moment ago must not be refused because of what this instance remembers.
  await eachInParallel([...ids], async (id) => {
    const known = await services.findDevice(id);
    registered.set(id, known?.enabled ? known : await services.readDevice(id));
  });
  const pending = new Map<string, PendingDevice>();
  const refused: [RawEvent, Quarantining][] = [];
  for (const { raw, result } of decoded) {
    const device = result.ok ? registered.get(result.deviceId) : undefined;
    const why = refusal(result, device);
    if (why || !device || !result.ok) {
      if (why) refused.push([raw, why]);
      continue;
    }
    const known: PendingDevice = pending.get(device.deviceId) ?? { device, sets: [], raws: new Map() };
    pending.set(device.deviceId, known);
    for (const set of readingSets(result, raw)) {
      known.sets.push(set);
      known.raws.set(set, raw);
    }
  }
  await eachInParallel(refused, ([raw, why]) => putAside(services, raw, why));
  return pending;
}

function refusal(result: Decoded, device: Device | undefined): Quarantining | undefined {
  if (!result.ok) return { reason: result.reason, detail: result.detail };
  const { deviceId } = result;
  if (!device)
    return { reason: 'unknown-device', detail: 'deviceId: no such device is registered for this source', deviceId };
  const { tenantId } = device;
  if (result.claimedTenantId !== undefined && result.claimedTenantId !== tenantId) {
    return {
      reason: 'foreign-tenant',
      detail: 'tenantId: the device is registered for another tenant',
      deviceId,
      tenantId,
    };
  }
  if (!device.enabled)
    return { reason: 'device-disabled', detail: 'deviceId: the device is disabled', deviceId, tenantId };
  return undefined;
}

function readingSets(decoded: Decoded & { ok: true }, raw: RawEvent): ReadingSet[] {
  const { events, messageId } = decoded;
  return events.map((event, index) => ({
    at: { seq: raw.seq, enq: raw.enqueuedMs, ...(index < events.length - 1 ? { i: index } : {}) },
    event,
    ...(messageId === undefined ? {} : { messageId }),
  }));
}

interface Committed extends CommittedDevice {
  batch: DeviceBatch;
}

async function commitDevices(services: IngestServices, lane: string, pending: PendingDevice[]): Promise<Committed[]> {
  const committed: Committed[] = [];
  await eachInParallel(pending, async ({ device, sets, raws }) => {
    const { tenantId, deviceId } = device;
    const compiled = await rulesOf(services, device);
    const refuse = async (set: ReadingSet) => {
      const raw = raws.get(set);
      const detail = `[${set.at.i ?? 'last'}]: the store refuses what this reading set would write`;
      if (raw) await putAside(services, raw, { reason: 'too-large', detail, deviceId, tenantId });
    };
    const batch: DeviceBatch = { tenantId, deviceId, lane, sets, compiled, refuse };
    const outcome = await services.committer.commit(batch);
    committed.push({ ...outcome, batch });
    countOutcome(outcome);
  });
  return committed;
}

/** What is new for the journal: what was applied here, and what a writer that died had applied. */
async function journalEvents(
  services: IngestServices,
  { batch, positioned, repeated }: Committed,
): Promise<PositionedEvents[]> {
  if (repeated.length === 0) return positioned;
  const covered = await services.journal.covered(batch.tenantId, batch.lane);
  const recovered = await recoverEvents(
    services.store,
    batch,
    repeated.map(({ at }) => at),
    covered,
  );
  count('sluice.journal.recovered', recovered.length);
  return [...recovered, ...positioned];
}

/** One batch is of one hub, so its numbers alone are in order. */
function byPosition({ at: a }: PositionedEvents, { at: b }: PositionedEvents): number {
  return a.seq - b.seq || (a.i ?? Number.MAX_SAFE_INTEGER) - (b.i ?? Number.MAX_SAFE_INTEGER);
}

function countOutcome({ positioned, repeated, duplicates }: CommittedDevice): void {
  count('sluice.ingest.accepted', positioned.length);
  count('sluice.ingest.duplicates', duplicates + repeated.length);
  for (const { events } of positioned) {
    for (const event of events) {
      if (event.k === 'alert') count('sluice.rules.transitions', 1, { change: event.d.change });
      if (event.k === 'anomaly') count('sluice.anomalies.transitions', 1, { state: event.d.state });
    }
  }
}

async function putAside(services: IngestServices, raw: RawEvent, why: Quarantining): Promise<void> {
  await quarantine(services.store, raw, why, services.now());
  count('sluice.ingest.quarantined', 1, { reason: why.reason });
}

/** Runs `work` for every item, a few at a time; waits for all that started before it throws the first error. */
async function eachInParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) {
      if (errors.length > 0) return;
      await work(item).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(DEVICES_IN_PARALLEL, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
}
