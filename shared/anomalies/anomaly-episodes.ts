/** From scores to anomalies: opened at the alarm level, closed after a rest, at most one of a sort at a time. */
import { ALARM_LEVELS } from './anomalies.ts';
import type { Anomaly, AnomalyEvent, Sensitivity } from './anomalies.ts';
import type { DetectorInput, DeviceDetectors } from './device-detectors.ts';
import type { AnomalyKind, Verdict } from './detector.ts';
import { explainAnomaly } from './explain-anomaly.ts';

/** Quiet points of the parameter after which its anomaly closes. */
export const REST_POINTS = 30;

/** An anomaly that has not closed yet. Short: it lives in the device's state document. */
interface OpenAnomaly {
  /** Number within the device, from 1. */
  k: number;
  kind: AnomalyKind;
  direction: AnomalyEvent['direction'];
  /** Event time of the opening, epoch milliseconds. */
  at: number;
  score: number;
  value: number;
  expected: number;
  lower: number;
  upper: number;
  message: string;
  /** Quiet points in a row. */
  quiet: number;
}

/** The anomalies of one device as its state document keeps them. */
export interface AnomalyEpisodes {
  /** How many the device ever had: makes ids that never repeat. */
  n: number;
  /** By parameter; `parameter~stuck` for a stuck one, which may run beside another. */
  open: Readonly<Record<string, OpenAnomaly>>;
}

/** Where a device starts. */
export const NO_EPISODES: AnomalyEpisodes = { n: 0, open: {} };

/** An anomaly that opened or closed: what streams get, and the document as it is stored from now on. */
export interface AnomalyTransition {
  event: AnomalyEvent;
  anomaly: Anomaly;
}

/** What the owner of the devices chose. */
export interface AnomalyOptions {
  sensitivity?: Sensitivity;
}

/**
 * Judges all numeric readings of one event, which the device's detectors learn on the way.
 * @param detectors changed by the call: if what it led to cannot be committed, throw them away and restore
 * @param episodes never changed; the same object comes back while nothing is open and nothing opens
 * @returns the next episodes, the transitions in the order of the readings, and how anomalous each number is
 */
export function stepAnomalies(
  detectors: DeviceDetectors,
  episodes: AnomalyEpisodes,
  event: DetectorInput & { deviceId: string },
  options: AnomalyOptions = {},
): { episodes: AnomalyEpisodes; transitions: AnomalyTransition[]; scores: Record<string, number> } {
  const level = ALARM_LEVELS[options.sensitivity ?? 'normal'];
  const transitions: AnomalyTransition[] = [];
  const scores: Record<string, number> = {};
  let next = episodes;
  for (const parameter in event.readings) {
    const value = event.readings[parameter];
    if (typeof value !== 'number') continue;
    const verdict = detectors.of(parameter)?.update(value, event.ts, level);
    if (!verdict) continue;
    scores[parameter] = verdict.novelty;
    const point = { parameter, deviceId: event.deviceId, ts: event.ts, value, verdict };
    next = settle(next, parameter, point, noveltySignal(verdict, level), transitions);
    next = settle(next, `${parameter}~stuck`, point, stuckSignal(verdict), transitions);
  }
  return { episodes: next, transitions, scores };
}

interface Point {
  parameter: string;
  deviceId: string;
  ts: number;
  value: number;
  verdict: Verdict;
}

/** What one point says about one sort of anomaly. */
interface Signal {
  opens: boolean;
  /** Keeps an open one from closing. */
  lasts: boolean;
  kind: AnomalyKind;
  direction: AnomalyEvent['direction'];
  score: number;
  /** Quiet points to close. */
  rest: number;
}

function noveltySignal({ score, novelty, kind, direction }: Verdict, level: number): Signal {
  return { opens: score >= level, lasts: novelty >= level, kind, direction, score: novelty, rest: REST_POINTS };
}

/** A stuck signal is repaired by its first change. */
function stuckSignal({ stuck }: Verdict): Signal {
  return { opens: stuck >= 1, lasts: stuck >= 1, kind: 'stuck', direction: 'none', score: stuck, rest: 1 };
}

function settle(
  episodes: AnomalyEpisodes,
  key: string,
  point: Point,
  signal: Signal,
  transitions: AnomalyTransition[],
): AnomalyEpisodes {
  const open = episodes.open[key];
  if (!open) {
    if (!signal.opens) return episodes;
    const opened = openAnomaly(episodes.n + 1, point, signal);
    transitions.push(transition(opened, point));
    return { n: opened.k, open: { ...episodes.open, [key]: opened } };
  }
  const worse = signal.lasts && signal.score > open.score;
  const after: OpenAnomaly = {
    ...open,
    quiet: signal.lasts ? 0 : open.quiet + 1,
    score: worse ? round(signal.score) : open.score,
    value: worse ? point.value : open.value,
  };
  if (after.quiet < signal.rest) return { n: episodes.n, open: { ...episodes.open, [key]: after } };
  transitions.push(transition(after, point, point.ts));
  const { [key]: _closed, ...rest } = episodes.open;
  return { n: episodes.n, open: rest };
}

function openAnomaly(k: number, { parameter, ts, value, verdict }: Point, signal: Signal): OpenAnomaly {
  const { kind, direction, score } = signal;
  const expected = round(verdict.expected);
  const lower = round(verdict.lower);
  const upper = round(verdict.upper);
  const message = explainAnomaly({ parameter, kind, direction, value, expected, lower, upper, near: verdict.near });
  return { k, kind, direction, at: ts, score: round(score), value, expected, lower, upper, message, quiet: 0 };
}

function transition(open: OpenAnomaly, { parameter, deviceId, ts }: Point, closedMs?: number): AnomalyTransition {
  const { kind, direction, score, value, expected, lower, upper, message } = open;
  const id = `${parameter}~${deviceId}~${open.k}`;
  const openedAt = new Date(open.at).toISOString();
  const closedAt = closedMs === undefined ? {} : { closedAt: new Date(closedMs).toISOString() };
  const facts = { score, value, expected, lower, upper, message };
  const state = closedMs === undefined ? 'opened' : 'closed';
  const who = { deviceId, parameter, kind, direction };
  return {
    event: {
      eventId: `${id}~${state}`,
      anomalyId: id,
      ...who,
      state,
      ts: new Date(ts).toISOString(),
      openedAt,
      ...closedAt,
      ...facts,
    },
    anomaly: { id, ...who, state: closedMs === undefined ? 'open' : 'closed', openedAt, ...closedAt, ...facts },
  };
}

/** Six significant digits: enough for a person, short in the state document. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}
