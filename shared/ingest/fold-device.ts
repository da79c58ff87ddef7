/** The pure heart of ingest: reading sets of one device in, its next state and everything they caused out. */
import { createHash } from 'node:crypto';
import { stepAnomalies, type AnomalyTransition, NO_EPISODES } from '../anomalies/anomaly-episodes.ts';
import type { DeviceDetectors } from '../anomalies/device-detectors.ts';
import { coverUpTo, isBeyond, type HubPosition } from '../journal/journal-entry.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import { closeFold, openFold } from '../rules/rule-fold.ts';
import type { RuleTransition } from '../rules/rule-transition.ts';
import { step } from '../rules/step.ts';
import { tick } from '../rules/tick.ts';
import type { TelemetryEvent } from '../telemetry/telemetry-event.ts';
import type { AppliedSet, StateDocument } from './device-state.ts';

/** One reading set of a hub event. `at.i` is absent on the last set of its event. */
export interface ReadingSet {
  at: HubPosition;
  event: TelemetryEvent;
  messageId?: string;
}

/** What a reading set caused. */
export type Caused = { at: HubPosition; cause: string } & (
  | { k: 'alert'; transition: RuleTransition }
  | { k: 'anomaly'; transition: AnomalyTransition }
);

/** The outcome of a fold. */
export interface Folded {
  state: StateDocument;
  applied: AppliedSet[];
  caused: Caused[];
  /** Sets looked at; fewer than given when the slice was full. */
  taken: number;
  /** Sets that the state had applied before: a redelivery. */
  repeated: ReadingSet[];
  /** Sets of an event that the device sent before under another sequence number. */
  duplicates: number;
}

/** Message ids a device's state remembers. */
const SEEN_MESSAGES_MAX = 32;
/** Bytes of readings in one slice: one commit must stay well below the store's 2 MB. */
const SLICE_BYTES_MAX = 500_000;
/** Transitions after which a slice ends: each writes a document of its own. */
const SLICE_TRANSITIONS_MAX = 40;
/** Bytes a set costs besides its names and values: position, id, times, what it belongs to. */
const SET_OVERHEAD_BYTES = 190;

/**
 * Applies reading sets in order until all are taken or the slice is full.
 * @param detectors changed by the call; throw them away when the outcome cannot be committed
 * @param setsMax at most this many new sets, when the store refused a larger slice
 */
export function foldDevice(
  state: StateDocument,
  detectors: DeviceDetectors,
  compiled: CompiledRules,
  lane: string,
  sets: readonly ReadingSet[],
  setsMax = Infinity,
): Folded {
  const fold = openFold(compiled, state.rules, state.last);
  const applied: AppliedSet[] = [];
  const caused: Caused[] = [];
  const repeated: ReadingSet[] = [];
  const seen = [...state.seen];
  let episodes = state.episodes ?? NO_EPISODES;
  let position = state.pos[lane];
  let taken = 0;
  let duplicates = 0;
  let bytes = 0;
  for (const set of sets) {
    if (bytes >= SLICE_BYTES_MAX || caused.length >= SLICE_TRANSITIONS_MAX || applied.length >= setsMax) break;
    taken++;
    const { at, event } = set;
    if (!isBeyond(at, position)) {
      repeated.push(set);
      continue;
    }
    position = coverUpTo(at, position);
    const hash = set.messageId === undefined ? undefined : hashOf(set.messageId);
    if (hash !== undefined && seen.includes(hash)) {
      duplicates++;
      continue;
    }
    // Remembered after the last set of the event, so that the event's own later sets are not taken for repeats.
    if (hash !== undefined && at.i === undefined) seen.push(hash);
    const cause = event.eventId;
    const judged = stepAnomalies(detectors, episodes, event);
    episodes = judged.episodes;
    for (const transition of step(fold, event, judged.scores)) caused.push({ at, cause, k: 'alert', transition });
    for (const transition of judged.transitions) caused.push({ at, cause, k: 'anomaly', transition });
    applied.push({
      at,
      id: cause,
      t: event.ts,
      ...(event.rawTs === undefined ? {} : { rt: event.rawTs }),
      v: event.readings,
      ...(event.traceParent === undefined ? {} : { tp: event.traceParent }),
    });
    bytes += SET_OVERHEAD_BYTES + bytesOf(event.readings);
  }
  const { states, last, due } = closeFold(fold);
  const { due: dueBefore, ...before } = state;
  const dueNow = applied.length > 0 ? due : dueBefore;
  const next: StateDocument = {
    ...before,
    n: state.n + applied.length,
    pos: position === undefined ? state.pos : { ...state.pos, [lane]: position },
    ...(applied.length > 0 ? { rules: states, last, episodes } : {}),
    seen: seen.slice(-SEEN_MESSAGES_MAX),
    ...(dueNow === undefined ? {} : { due: dueNow }),
  };
  return { state: next, applied, caused, taken, repeated, duplicates };
}

/**
 * Lets time pass for a device.
 * @param nowMs the hub's time as far as it has been processed, epoch milliseconds (see `processed-time.ts`)
 */
export function foldTime(
  state: StateDocument,
  compiled: CompiledRules,
  nowMs: number,
): { state: StateDocument; transitions: RuleTransition[] } {
  const fold = openFold(compiled, state.rules, state.last);
  const transitions = tick(fold, nowMs);
  const { states, last, due } = closeFold(fold);
  const { due: _, ...before } = state;
  return { state: { ...before, rules: states, last, ...(due === undefined ? {} : { due }) }, transitions };
}

function bytesOf(readings: TelemetryEvent['readings']): number {
  let bytes = 0;
  for (const name in readings) {
    const value = readings[name];
    bytes += name.length + 4 + (typeof value === 'string' ? value.length * 3 : 20);
  }
  return bytes;
}

/** 96 bits: enough that no two of a device's last 32 messages meet by chance. */
function hashOf(messageId: string): string {
  return createHash('sha256').update(messageId).digest('base64url').slice(0, 16);
}
