/** Where events go that cannot be accepted: kept whole, with the reason, so that they can be looked at and replayed. */
import { gzipSync } from 'node:zlib';
import type { Store } from '../store/store.ts';
import type { QuarantineReason, RawEvent } from '../telemetry/decoded.ts';

/** An event in quarantine: container `quarantine`, key lane. */
export interface QuarantinedEvent {
  /** `seq-enqueuedMs`: a redelivery finds it taken. */
  id: string;
  lane: string;
  seq: number;
  enqueuedAt: string;
  quarantinedAt: string;
  reason: QuarantineReason;
  /** Names the field, the rule and the type of the value. */
  detail: string;
  /** The device that the event named, where that could be read. */
  deviceId?: string;
  /** The tenant of that device, where it is registered. */
  tenantId?: string;
  partitionKey?: string;
  properties: Record<string, unknown>;
  /** The body as it came: text, or base64 of bytes, or base64 of gzipped bytes. */
  body: string;
  bodyEncoding: 'utf8' | 'base64' | 'gzip-base64';
}

/** Why an event goes there, and whose it seems to be. */
export interface Quarantining {
  reason: QuarantineReason;
  detail: string;
  deviceId?: string;
  tenantId?: string;
}

/** Bytes of a body as stored text: the store's item ends at 2 MB, and escaping may double a text. */
const BODY_TEXT_MAX = 500_000;

/** Puts an event into quarantine; putting it there again changes nothing. */
export async function quarantine(store: Store, raw: RawEvent, why: Quarantining, nowMs: number): Promise<void> {
  const { lane, seq, enqueuedMs, partitionKey, properties } = raw;
  const document: QuarantinedEvent = {
    id: `${seq}-${enqueuedMs}`,
    lane,
    seq,
    enqueuedAt: new Date(enqueuedMs).toISOString(),
    quarantinedAt: new Date(nowMs).toISOString(),
    ...why,
    ...(partitionKey === undefined ? {} : { partitionKey }),
    properties,
    ...encodeBody(raw.body),
  };
  await store.create('quarantine', document);
}

function encodeBody(body: unknown): Pick<QuarantinedEvent, 'body' | 'bodyEncoding'> {
  const bytes =
    body instanceof Uint8Array
      ? Buffer.from(body)
      : Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
  if (bytes.length > BODY_TEXT_MAX) return { body: gzipSync(bytes).toString('base64'), bodyEncoding: 'gzip-base64' };
  const text = bytes.toString('utf8');
  // What is no UTF-8 would not survive as text.
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { body: text, bodyEncoding: 'utf8' }
    : { body: bytes.toString('base64'), bodyEncoding: 'base64' };
}
