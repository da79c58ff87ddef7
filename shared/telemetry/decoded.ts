/**
 * What goes into a source's decoder and what comes out. A decoder never throws for what a device sent: it answers
 * with events, or with the reason why the event belongs into quarantine.
 */
import type { TelemetryEvent } from './telemetry-event.ts';

/** An event as the trigger hands it over, before anything is known about it. */
export interface RawEvent {
  /** Whatever the Functions worker made of the bytes: parsed JSON, a string that is none, or a Buffer. */
  body: unknown;
  /** Application properties. */
  properties: Record<string, unknown>;
  partitionKey?: string;
  /** The message id of the transport (AMQP's own field, not an application property). */
  messageId?: string;
  /** The source partition, such as `direct-3`. */
  lane: string;
  /** Sequence number within the lane. */
  seq: number;
  /** When the hub accepted it, epoch milliseconds. */
  enqueuedMs: number;
  /** Bytes of the body, where the trigger knows them. */
  eventBytes?: number;
}

/**
 * Why an event was quarantined; stable, operators filter by it.
 * `too-large` is any limit of size or count; the last three are decided by who the device is.
 */
export type QuarantineReason =
  | 'malformed-json'
  | 'invalid-event'
  | 'too-large'
  | 'unknown-device'
  | 'foreign-tenant'
  | 'device-disabled';

/** An event refused. `detail` names the field, the rule and the type of the value; it never echoes the value. */
export interface Refused {
  ok: false;
  reason: QuarantineReason;
  detail: string;
}

/** A decoded event: all its reading sets are of one device. */
export type Decoded =
  | {
      ok: true;
      deviceId: string;
      /** The tenant the event says it belongs to; the registration decides, a different claim is refused. */
      claimedTenantId?: string;
      /** The producer's id, for recognising a re-send under a new sequence number. */
      messageId?: string;
      events: TelemetryEvent[];
    }
  | Refused;
