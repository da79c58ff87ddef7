/**
 * What is remembered of a device between events: the rules that are not at rest, and the last value of every
 * parameter. Both are plain JSON with short keys, because serialising state costs more than evaluating rules; a rule
 * at rest takes no room. Times are event time, epoch milliseconds.
 */
import type { ReadingValue } from '../telemetry/telemetry-event.ts';
import type { StoredWindow } from './window.ts';

/** Parameters remembered per device; a new one beyond it replaces the one unseen for longest. */
export const PARAMETERS_PER_DEVICE_MAX = 256;

/** A rule that is not at rest: pending while it has no `n`, an open alert while it has. */
export interface RuleState {
  /** Hash of the rule's meaning when the state began. */
  h: string;
  /** Pending: since when the condition has been true. */
  s?: number;
  /** Pending: readings in a row that met the condition, where the rule counts them. */
  c?: number;
  /** Open: the number in the alert's id. */
  n?: number;
  /** Open: when the alert opened. */
  o?: number;
  /** Open and recovering (`keepFiring`): when the alert will resolve. */
  u?: number;
  /** Open: how far its severity has risen; absent: not at all. */
  v?: number;
  /** At rest, where the rule waits for an edge: its condition has been false. */
  e?: 1;
  /** Timer: the last firing that has been dealt with, or when the timer began. Wall clock, epoch milliseconds. */
  f?: number;
}

/** The rule states of one device. */
export interface RuleStates {
  /** The device's now: the latest event time seen. Earlier events are late. */
  t: number;
  /** Alerts opened on the device so far; the last one's number. Never goes back, so an alert id is never used twice. */
  n: number;
  /** By rule id. */
  r: Record<string, RuleState>;
  /** How far the device's now was behind the hub's clock at its last event, milliseconds: its clock, and the road. */
  k?: number;
  /** Windows by key. */
  w?: Record<string, StoredWindow>;
}

/** The last value of each parameter, with its event time. */
export type LastValues = Record<string, [ts: number, value: ReadingValue]>;
