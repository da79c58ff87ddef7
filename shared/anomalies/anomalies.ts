/**
 * An anomaly is a stretch of time in which a parameter of a device behaved as it never had before. Nobody writes a rule
 * for it: a detector per numeric parameter learns what the parameter normally does and scores every point.
 *
 * How ingest uses this room, per device:
 *
 *     const detectors = DeviceDetectors.restore(item?.detectors);   // item: saved every 50 events, may lag behind
 *     for (const event of readingsSince(item)) detectors.learn(event);
 *     ...
 *     const { episodes, transitions } = stepAnomalies(detectors, state.episodes ?? NO_EPISODES, event);
 *
 * `detectors` is mutable and large (about 3 KB a parameter): keep it in memory, drop it when a commit fails, save
 * `detectors.state()` now and then. `episodes` is immutable and small: it belongs in the device's state document.
 * Each transition has the stream's `event` and the `anomaly` document to upsert, in the same batch. All of it is a pure
 * function of the events in their order, so a redelivered batch that starts from the committed state gives the same ids.
 */
import type { AnomalyDirection, AnomalyKind } from './detector.ts';

/** How eagerly a parameter raises anomalies. */
export type Sensitivity = 'low' | 'normal' | 'high' | 'max';

/** The score at which an anomaly opens. */
export const ALARM_LEVELS: Readonly<Record<Sensitivity, number>> = { low: 0.2, normal: 0.1, high: 0.05, max: 0.035 };

/** What is known of an anomaly, wherever it is told. Times are ISO 8601 in UTC. */
interface AnomalyFacts {
  deviceId: string;
  parameter: string;
  kind: AnomalyKind;
  /** `none` for a signal that is stuck. */
  direction: AnomalyDirection | 'none';
  openedAt: string;
  closedAt?: string;
  /** The highest score so far; see {@link ALARM_LEVELS}. */
  score: number;
  /** The value that had the highest score. */
  value: number;
  /** What would have been usual when the anomaly opened. */
  expected: number;
  /** Bounds of what would have been normal when the anomaly opened. */
  lower: number;
  upper: number;
  /** Why, in one sentence. */
  message: string;
}

/** What a stream delivers when an anomaly opens or closes. */
export interface AnomalyEvent extends AnomalyFacts {
  eventId: string;
  anomalyId: string;
  state: 'opened' | 'closed';
  /** Event time of the point that opened or closed it. */
  ts: string;
}

/** The stored anomaly: written when it opens and again when it closes. */
export interface Anomaly extends AnomalyFacts {
  /** `parameter~deviceId~k`, the device's k-th anomaly. */
  id: string;
  state: 'open' | 'closed';
}
