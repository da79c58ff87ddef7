/**
 * What travels on the live bus: an array of journal entries as JSON, or the same array deflated, in base64, as `{ z }`.
 * JSON either way, so that a client which connects to Web PubSub itself can read it.
 */
import { promisify } from 'node:util';
import { deflateRaw, inflateRawSync } from 'node:zlib';
import type { JournalEntry } from './journal-entry.ts';

/** Bytes of JSON in one message: Web PubSub ends at 1 MB, and base64 of what does not compress is a third longer. */
const LIVE_MESSAGE_BYTES_MAX = 700 * 1024;
/** Events from which compressing pays: below it the envelope and the time are worth more than the bytes. */
const COMPRESS_EVENTS_MIN = 8;
/** Bytes a received message may grow to: nothing we send is larger, so that is not ours. */
const INFLATED_BYTES_MAX = 2 * LIVE_MESSAGE_BYTES_MAX;

const kinds: ReadonlySet<unknown> = new Set(['telemetry', 'alert', 'anomaly']);
const deflate = promisify(deflateRaw);

/** A message as the SDK takes it. */
export type LiveMessage = JournalEntry[] | { z: string };

/** Splits entries, in order, so that each part fits one message. An entry larger than that stands alone. */
export function splitForMessages(entries: JournalEntry[]): JournalEntry[][] {
  const parts: JournalEntry[][] = [];
  let part: JournalEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = Buffer.byteLength(JSON.stringify(entry)) + 1;
    if (part.length > 0 && bytes + size > LIVE_MESSAGE_BYTES_MAX) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** Makes one message, compressed where that pays. */
export async function packLiveMessage(entries: JournalEntry[]): Promise<LiveMessage> {
  const events = entries.reduce((sum, { e }) => sum + e.length, 0);
  if (events < COMPRESS_EVENTS_MIN) return entries;
  const json = Buffer.from(JSON.stringify(entries));
  const z = (await deflate(json)).toString('base64');
  return z.length < json.length ? { z } : entries;
}

/**
 * Reads a message that came in. Synchronous, because messages must stay in order.
 * @returns the entries that have the right shape, and whether anything had not
 */
export function readLiveMessage(data: unknown): { entries: JournalEntry[]; damaged: boolean } {
  const list = isRecord(data) && typeof data['z'] === 'string' ? inflate(data['z']) : data;
  if (!Array.isArray(list)) return { entries: [], damaged: true };
  const entries = list.filter(isJournalEntry);
  return { entries, damaged: entries.length < list.length };
}

function inflate(base64: string): unknown {
  try {
    const json = inflateRawSync(Buffer.from(base64, 'base64'), { maxOutputLength: INFLATED_BYTES_MAX });
    return JSON.parse(json.toString());
  } catch {
    return undefined;
  }
}

/** Checks the envelope; what is inside of `d` was made by our own ingest and is only passed on. */
function isJournalEntry(value: unknown): value is JournalEntry {
  if (!isRecord(value)) return false;
  const { tenantId, lane, n, to, e } = value;
  return (
    isName(tenantId) &&
    isName(lane) &&
    isWhole(n) &&
    n > 0 &&
    isRecord(to) &&
    isWhole(to['seq']) &&
    isWhole(to['enq']) &&
    (to['i'] === undefined || isWhole(to['i'])) &&
    Array.isArray(e) &&
    e.every((event: unknown) => isRecord(event) && kinds.has(event['k']) && isRecord(event['d']))
  );
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
