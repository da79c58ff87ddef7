/** Where events go that cannot be accepted: kept whole, with the reason, so that they can be looked at and replayed. */
import { gzipSync } from 'node:zlib';
import { isRefusal, type Store } from '../store/store.ts';
import type { QuarantineReason, RawEvent } from '../telemetry/decoded.ts';

/** An event in quarantine: container `quarantine`, key lane. */
export interface QuarantinedEvent extends Facts, Content {}

interface Facts extends Quarantining {
  /** `seq-enqueuedMs`: a redelivery finds it taken. */
  id: string;
  lane: string;
  seq: number;
  enqueuedAt: string;
  quarantinedAt: string;
  bodyBytes: number;
}

/** Why an event goes there, and whose it seems to be. */
export interface Quarantining {
  reason: QuarantineReason;
  /** Names the field, the rule and the type of the value. */
  detail: string;
  /** The device that the event named, where that could be read. */
  deviceId?: string;
  /** The tenant of that device, where it is registered. */
  tenantId?: string;
}

interface Content {
  partitionKey?: string;
  /** Application properties; base64 of their gzipped JSON where they are large. */
  properties?: Record<string, unknown> | string;
  /** The body as it came: text, base64 of bytes, base64 of gzipped bytes; omitted when the store takes it in no form. */
  body: string;
  bodyEncoding: 'utf8' | 'base64' | 'gzip-base64' | 'omitted';
}

/** Bytes of JSON for a part of the event that is stored as it is; beyond it is packed, because an item ends at 2 MB. */
const PLAIN_BYTES_MAX = 300_000;

/** Puts an event into quarantine; putting it there again changes nothing. It never fails for what the event holds. */
export async function quarantine(store: Store, raw: RawEvent, why: Quarantining, nowMs: number): Promise<void> {
  const { lane, seq, enqueuedMs } = raw;
  const body = bytesOf(raw.body);
  const facts: Facts = {
    id: `${seq}-${enqueuedMs}`,
    lane,
    seq,
    enqueuedAt: new Date(enqueuedMs).toISOString(),
    quarantinedAt: new Date(nowMs).toISOString(),
    bodyBytes: body.length,
    ...why,
  };
  const put = (content: Content) => store.create('quarantine', { ...facts, ...content } satisfies QuarantinedEvent);
  try {
    await put(contentOf(raw, body));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    // Without the fact that it was there, the event would stop its partition or vanish.
    await put({ body: '', bodyEncoding: 'omitted' });
  }
}

function contentOf({ partitionKey, properties }: RawEvent, body: Buffer): Content {
  const json = JSON.stringify(properties);
  return {
    ...(partitionKey === undefined ? {} : { partitionKey }),
    properties: Buffer.byteLength(json) > PLAIN_BYTES_MAX ? gzipped(Buffer.from(json)) : properties,
    ...encodeBody(body),
  };
}

function encodeBody(bytes: Buffer): Pick<Content, 'body' | 'bodyEncoding'> {
  if (bytes.length <= PLAIN_BYTES_MAX) {
    const text = bytes.toString('utf8');
    // What is no UTF-8 would not survive as text, and control characters grow sixfold in JSON.
    const isText = Buffer.from(text, 'utf8').equals(bytes);
    if (isText && Buffer.byteLength(JSON.stringify(text)) <= PLAIN_BYTES_MAX)
      return { body: text, bodyEncoding: 'utf8' };
    if (!isText) return { body: bytes.toString('base64'), bodyEncoding: 'base64' };
  }
  return { body: gzipped(bytes), bodyEncoding: 'gzip-base64' };
}

function gzipped(bytes: Buffer): string {
  return gzipSync(bytes).toString('base64');
}

function bytesOf(body: unknown): Buffer {
  // Not `instanceof Uint8Array`: a Buffer may come from another realm.
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
}
