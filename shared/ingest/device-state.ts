/**
 * What the store keeps of a device (container `device-data`, key `tenant|device`):
 * - `state`: one small document; its etag fences every commit of the device
 * - `readings`: what was applied, one immutable chunk per commit, with the hub positions; expires
 * - `transitions`: what was caused, one immutable document per commit; the outbox, and the journal's source after a crash.
 *   What no event caused (time, people) is in the lane `ops` and reaches the journal by the projection
 * - `alert`, `anomaly`: one document each, current
 * - `detectors`: large, saved now and then, rebuilt from the readings after it
 */
import type { Alert, AlertEvent } from '../alerts/alert.ts';
import type { Anomaly, AnomalyEvent } from '../anomalies/anomalies.ts';
import type { AnomalyEpisodes } from '../anomalies/anomaly-episodes.ts';
import type { DeviceDetectorsState } from '../anomalies/device-detectors.ts';
import type { HubPosition } from '../journal/journal-entry.ts';
import type { LastValues, RuleStates } from '../rules/rule-states.ts';
import type { Readings } from '../telemetry/telemetry-event.ts';

/** What all documents of a device share. */
export interface DeviceDocument {
  id: string;
  pk: string;
  tenantId: string;
  deviceId: string;
}

/** The state of a device. `n` counts the reading sets applied so far. */
export interface StateDocument extends DeviceDocument {
  kind: 'state';
  n: number;
  /** Last applied position by lane. */
  pos: Record<string, HubPosition>;
  rules?: RuleStates;
  /** When time alone may move a rule next, in the hub's time, epoch milliseconds; absent: never (`rules/tick.ts`). */
  due?: number;
  last?: LastValues;
  episodes?: AnomalyEpisodes;
  /** Hashes of the last message ids, oldest first: recognises what a device sent twice. */
  seen: string[];
  /** The `n` at which the detectors were saved. */
  saved: number;
  /** Commits so far that no event caused: the number in their transitions' id. */
  ops?: number;
}

/** One applied reading set in a chunk: position, event id, event time, raw time if clamped, readings. */
export interface AppliedSet {
  at: HubPosition;
  id: string;
  t: number;
  rt?: number;
  v: Readings;
  /** What the set belongs to: its `traceparent`. */
  tp?: string;
}

/** Reading sets of one commit. `n` and `seq` are those of the last one. */
export interface ReadingsDocument extends DeviceDocument {
  kind: 'readings';
  lane: string;
  n: number;
  seq: number;
  e: AppliedSet[];
  ttl: number;
}

/** One transition, with the reading set that caused it. */
export type CausedTransition = { at: HubPosition; cause: string } & (
  | { k: 'alert'; d: AlertEvent }
  | { k: 'anomaly'; d: AnomalyEvent }
);

/** Transitions of one commit, in order. */
export interface TransitionsDocument extends DeviceDocument {
  kind: 'transitions';
  lane: string;
  n: number;
  seq: number;
  e: CausedTransition[];
  ttl: number;
}

/** An alert as stored; it expires some time after it resolved. */
export type AlertDocument = DeviceDocument & { kind: 'alert'; alertId: string; ttl?: number } & Omit<Alert, 'id'>;
/** An anomaly as stored; it expires some time after it closed. `kind` names the document, `anomalyKind` the anomaly's. */
export type AnomalyDocument = DeviceDocument & {
  kind: 'anomaly';
  anomalyId: string;
  anomalyKind: Anomaly['kind'];
  ttl?: number;
} & Omit<Anomaly, 'id' | 'kind'>;

/** The detectors of a device as they were after `n` reading sets. */
export interface DetectorsDocument extends DeviceDocument {
  kind: 'detectors';
  n: number;
  detectors: DeviceDetectorsState;
}

/** The lane of what no device event caused. */
export const OPS_LANE = 'ops';

/** The partition key of a device's documents. */
export function deviceKey(tenantId: string, deviceId: string): string {
  return `${tenantId}|${deviceId}`;
}

/** A device that has sent nothing yet. */
export function newState(tenantId: string, deviceId: string): StateDocument {
  return {
    id: 'state',
    pk: deviceKey(tenantId, deviceId),
    kind: 'state',
    tenantId,
    deviceId,
    n: 0,
    pos: {},
    seen: [],
    saved: 0,
  };
}
