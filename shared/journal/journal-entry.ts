/**
 * What streams read: one entry of a lane, the same JSON in the store, on the live bus and in a catch-up.
 * A lane is one source partition of a tenant (`direct-3`), or `ops` for what no device event caused.
 */
import type { TelemetryEvent } from '../telemetry/telemetry-event.ts';
import type { AlertEvent } from '../alerts/alert.ts';
import type { AnomalyEvent } from '../anomalies/anomalies.ts';

/**
 * A position in a source partition. `enq` (epoch ms) tells a re-created hub's numbers from old ones. `i` is the index of
 * the last reading set of that hub event; absent means all of it.
 */
export interface HubPosition {
  seq: number;
  enq: number;
  i?: number;
}

/** True when a position lies beyond a covered one. A re-created hub numbers from 0 again, but later. */
export function isBeyond(position: HubPosition, covered: HubPosition | undefined): boolean {
  if (covered === undefined || position.seq > covered.seq || position.enq > covered.enq) return true;
  return position.seq === covered.seq && (position.i ?? Infinity) > (covered.i ?? Infinity);
}

/**
 * What is covered once `position`, which lies beyond, is. The latest enqueued time stays: a broker that takes over may
 * have a clock that is behind, and then an event before it would look like one of a re-created hub.
 */
export function coverUpTo(position: HubPosition, covered: HubPosition | undefined): HubPosition {
  return covered !== undefined && covered.enq > position.enq ? { ...position, enq: covered.enq } : position;
}

/**
 * What a stream may deliver. `k` is the kind, `d` the payload that an application sees, `tp` the `traceparent` of what the
 * device sent.
 */
export type JournalEvent =
  | { k: 'telemetry'; d: TelemetryData; tp?: string }
  | { k: 'alert'; d: AlertEvent }
  | { k: 'anomaly'; d: AnomalyEvent };

/** The payload of a telemetry event as an application sees it. Times are ISO 8601 in UTC. */
interface TelemetryData {
  eventId: string;
  deviceId: string;
  ts: string;
  receivedTs: string;
  readings: TelemetryEvent['readings'];
}

/** Events of one append, in order. `n` counts the lane's entries from 1 without holes. */
export interface JournalEntry {
  tenantId: string;
  lane: string;
  n: number;
  to: HubPosition;
  e: JournalEvent[];
}

/** Bytes of one entry: a Web PubSub frame ends at 1 MB, and a message carries several entries. */
export const ENTRY_BYTES_MAX = 256 * 1024;
