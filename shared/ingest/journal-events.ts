/** From what is stored of a device to what streams read. */
import type { PositionedEvents } from '../journal/journal.ts';
import { isBeyond, type HubPosition, type JournalEvent } from '../journal/journal-entry.ts';
import type { Store } from '../store/store.ts';
import {
  deviceKey,
  type AppliedSet,
  type CausedTransition,
  type ReadingsDocument,
  type TransitionsDocument,
} from './device-state.ts';

/** The journal's view of applied sets and what they caused, in order. */
export function positionedEvents(
  deviceId: string,
  applied: readonly AppliedSet[],
  transitions: readonly CausedTransition[],
): PositionedEvents[] {
  const byCause = Map.groupBy(transitions, ({ cause }) => cause);
  return applied.map((set) => {
    const telemetry: JournalEvent = {
      k: 'telemetry',
      d: { eventId: set.id, deviceId, ts: iso(set.t), receivedTs: iso(set.at.enq), readings: set.v },
    };
    const caused = (byCause.get(set.id) ?? []).map((transition): JournalEvent =>
      transition.k === 'alert' ? { k: 'alert', d: transition.d } : { k: 'anomaly', d: transition.d },
    );
    return { at: set.at, events: [telemetry, ...caused] };
  });
}

/**
 * Finds what was applied to a device at the given positions: a writer committed it and died before it was journaled.
 * A set that was skipped as a repeat has left nothing, and stays skipped.
 */
export async function recoverEvents(
  store: Store,
  device: { tenantId: string; deviceId: string; lane: string },
  positions: readonly HubPosition[],
  covered: HubPosition | undefined,
): Promise<PositionedEvents[]> {
  const wanted = new Set(positions.filter((at) => isBeyond(at, covered)).map(keyOf));
  if (wanted.size === 0) return [];
  const query = {
    query: "SELECT * FROM c WHERE c.kind IN ('readings', 'transitions') AND c.lane = @lane AND c.seq >= @from",
    parameters: [
      { name: '@lane', value: device.lane },
      { name: '@from', value: Math.min(...positions.map(({ seq }) => seq)) },
    ],
  };
  const documents = await store.all<ReadingsDocument | TransitionsDocument>(
    'device-data',
    query,
    deviceKey(device.tenantId, device.deviceId),
  );
  const ordered = documents.toSorted((a, b) => a.n - b.n);
  const applied = ordered
    .flatMap((document) => (document.kind === 'readings' ? document.e : []))
    .filter(({ at }) => wanted.has(keyOf(at)));
  const transitions = ordered.flatMap((document) => (document.kind === 'transitions' ? document.e : []));
  return positionedEvents(device.deviceId, applied, transitions);
}

function keyOf({ seq, enq, i }: HubPosition): string {
  return `${seq}/${enq}/${i ?? ''}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
