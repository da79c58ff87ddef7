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
  // By position and not by event id: a re-created hub gives ids again.
  const byPosition = Map.groupBy(transitions, ({ at }) => keyOf(at));
  return applied.map((set) => {
    const telemetry: JournalEvent = {
      k: 'telemetry',
      d: { eventId: set.id, deviceId, ts: iso(set.t), receivedTs: iso(set.at.enq), readings: set.v },
      ...(set.tp === undefined ? {} : { tp: set.tp }),
    };
    const caused = (byPosition.get(keyOf(set.at)) ?? []).map((transition): JournalEvent =>
      transition.k === 'alert' ? { k: 'alert', d: transition.d } : { k: 'anomaly', d: transition.d },
    );
    return { at: set.at, events: [telemetry, ...caused] };
  });
}

/** Seconds that the clock of the store may be behind the hub's. */
const CLOCKS_APART_SECONDS = 600;

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
  const missing = positions.filter((at) => isBeyond(at, covered));
  if (missing.length === 0) return [];
  const wanted = new Set(missing.map(keyOf));
  const acceptedMs = Math.min(...missing.map(({ enq }) => enq));
  const query = {
    // The time keeps out what an earlier hub with the same numbers has left: that may be all the device ever sent.
    query:
      "SELECT * FROM c WHERE c.kind IN ('readings', 'transitions') AND c.lane = @lane AND c.seq >= @from AND c._ts >= @since",
    parameters: [
      { name: '@lane', value: device.lane },
      { name: '@from', value: Math.min(...missing.map(({ seq }) => seq)) },
      { name: '@since', value: Math.floor(acceptedMs / 1000) - CLOCKS_APART_SECONDS },
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
