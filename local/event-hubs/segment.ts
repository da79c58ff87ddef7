/**
 * A run of consecutive events of one partition. In memory a segment is an index (where each event lies, when it was
 * enqueued) and, while they fit, the events themselves; on disk it is one append-only file of records.
 *
 * File: magic (8 bytes), first sequence number (f64), first offset (f64); then records, one per append, each
 * `bytes of the rest (u32) | crc32 of the rest (u32) | first sequence (f64) | first offset (f64) | enqueued ms (f64) |
 * count (u32) | length of each event (u32 each) | events`. A record is whole or it does not count, so a send is too.
 */
import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';

const MAGIC = Buffer.from('SLUICEH1', 'latin1');
const FILE_HEADER_BYTES = 24;
const RECORD_PREFIX_BYTES = 8;
const RECORD_HEADER_BYTES = RECORD_PREFIX_BYTES + 28;

/** Writes bytes at a position and returns how many were written; injected so that a full disk can be rehearsed. */
export type WriteAt = (file: number, bytes: Buffer, position: number) => number;

/** Writes to the file system. */
export const writeAt: WriteAt = (file, bytes, position) => fs.writeSync(file, bytes, 0, bytes.length, position);

/** One append as it is laid out in memory and, byte for byte, in the file. */
export interface Record {
  readonly bytes: Buffer;
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly enqueuedMs: number;
  /** Length in bytes of each event. */
  readonly lengths: readonly number[];
}

/** A log on disk cannot be trusted: what is wrong, where, and what to do. */
export class DamagedLog extends Error {
  override readonly name = 'DamagedLog';
}

/**
 * Room for a record of events of these lengths, its header written; the caller fills in the events from `eventsAt` on
 * and then calls `sealRecord`.
 */
export function allocateRecord(
  firstSequence: number,
  firstOffset: number,
  enqueuedMs: number,
  lengths: readonly number[],
): { record: Record; eventsAt: number } {
  const eventsAt = RECORD_HEADER_BYTES + 4 * lengths.length;
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, eventsAt));
  bytes.writeUInt32BE(bytes.length - RECORD_PREFIX_BYTES, 0);
  bytes.writeDoubleBE(firstSequence, 8);
  bytes.writeDoubleBE(firstOffset, 16);
  bytes.writeDoubleBE(enqueuedMs, 24);
  bytes.writeUInt32BE(lengths.length, 32);
  for (const [index, length] of lengths.entries()) bytes.writeUInt32BE(length, RECORD_HEADER_BYTES + 4 * index);
  return { record: { bytes, firstSequence, firstOffset, enqueuedMs, lengths }, eventsAt };
}

/** Writes the checksum of a record whose events are in place; only a record that goes to disk needs one. */
export function sealRecord(record: Record): void {
  record.bytes.writeUInt32BE(crc32(record.bytes.subarray(RECORD_PREFIX_BYTES)), 4);
}

/** A segment of a partition's log; `file` is set while it is written to disk. */
export class Segment {
  readonly firstSequence: number;
  readonly firstOffset: number;
  readonly file: string | undefined;
  /** Bytes of the file that are known good; the next record goes there. */
  fileBytes = FILE_HEADER_BYTES;
  /** Offset after the last event. */
  endOffset: number;
  readonly #offsets: number[] = [];
  readonly #positions: number[] = [];
  readonly #times: number[] = [];
  #events: Buffer[] | undefined = [];
  #handle: number | undefined;
  /** A failed write left bytes behind that could not be cut off yet. */
  #tailDirty = false;

  constructor(firstSequence: number, firstOffset: number, file?: string) {
    this.firstSequence = firstSequence;
    this.firstOffset = firstOffset;
    this.endOffset = firstOffset;
    this.file = file;
  }

  get count(): number {
    return this.#times.length;
  }
  /** Bytes of events held in memory. */
  get bytesInMemory(): number {
    return this.#events === undefined ? 0 : this.endOffset - this.firstOffset;
  }
  offsetOf(index: number): number {
    return this.#offsets[index] ?? this.endOffset;
  }
  timeOf(index: number): number {
    return this.#times[index] ?? 0;
  }

  /** Index of the first event for which `test` of its offset and time holds (they only grow); `count` when none. */
  firstWhere(test: (offset: number, enqueuedMs: number) => boolean): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (test(this.offsetOf(middle), this.timeOf(middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Takes a record into the index; `position` is where it starts in the file. */
  #index(record: Record, position: number, keepEvents: boolean): void {
    let at = RECORD_HEADER_BYTES + 4 * record.lengths.length;
    let offset = record.firstOffset;
    for (const length of record.lengths) {
      this.#offsets.push(offset);
      this.#positions.push(position + at);
      this.#times.push(record.enqueuedMs);
      if (keepEvents) this.#events?.push(record.bytes.subarray(at, at + length));
      at += length;
      offset += length;
    }
    this.endOffset = offset;
  }

  /** Creates the file of a fresh segment. */
  create(write: WriteAt): void {
    if (this.file === undefined) return;
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    MAGIC.copy(header);
    header.writeDoubleBE(this.firstSequence, 8);
    header.writeDoubleBE(this.firstOffset, 16);
    const handle = fs.openSync(this.file, 'w');
    try {
      writeWhole(write, handle, header, 0);
    } catch (error) {
      fs.closeSync(handle);
      fs.rmSync(this.file, { force: true });
      throw error;
    }
    this.#handle = handle;
  }

  /**
   * Appends a record, on disk first when the segment has a file.
   * @throws whatever the write threw; the segment is then as it was before
   */
  append(record: Record, write: WriteAt): void {
    if (this.file !== undefined) {
      this.#handle ??= fs.openSync(this.file, 'r+');
      if (this.#tailDirty) this.#cutTail(this.#handle);
      try {
        writeWhole(write, this.#handle, record.bytes, this.fileBytes);
      } catch (error) {
        this.#tailDirty = true;
        try {
          this.#cutTail(this.#handle);
        } catch {
          // The next append cuts it off before it writes; a restart recognises it as torn.
        }
        throw error;
      }
    }
    this.#index(record, this.fileBytes, true);
    this.fileBytes += record.bytes.length;
  }

  #cutTail(handle: number): void {
    fs.ftruncateSync(handle, this.fileBytes);
    this.#tailDirty = false;
  }

  /** Forgets the events but not where they lie; afterwards they are read from the file. */
  evict(): void {
    if (this.file !== undefined) this.#events = undefined;
  }

  /** Up to `countMax` events from `index` on, at least one and then no more than `bytesMax`. */
  read(index: number, countMax: number, bytesMax: number): Buffer[] {
    let end = Math.min(this.count, index + countMax);
    const start = this.offsetOf(index);
    while (end > index + 1 && this.offsetOf(end) - start > bytesMax) end = index + Math.ceil((end - index) / 2);
    if (this.#events !== undefined) return this.#events.slice(index, end);
    return this.#readFromFile(index, end);
  }

  #readFromFile(index: number, end: number): Buffer[] {
    if (this.file === undefined || end <= index) return [];
    const from = this.#positions[index] ?? 0;
    const last = end - 1;
    const to = (this.#positions[last] ?? 0) + this.offsetOf(last + 1) - this.offsetOf(last);
    const bytes = Buffer.allocUnsafe(to - from);
    const handle = fs.openSync(this.file, 'r');
    try {
      const got = fs.readSync(handle, bytes, 0, bytes.length, from);
      if (got !== bytes.length) throw new DamagedLog(`${this.file} ends at byte ${from + got}, before its last event`);
    } finally {
      fs.closeSync(handle);
    }
    const events: Buffer[] = [];
    for (let i = index; i < end; i += 1) {
      const at = (this.#positions[i] ?? 0) - from;
      events.push(bytes.subarray(at, at + this.offsetOf(i + 1) - this.offsetOf(i)));
    }
    return events;
  }

  close(): void {
    if (this.#handle !== undefined) fs.closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** Closes and deletes the file. */
  remove(): void {
    this.close();
    if (this.file !== undefined) fs.rmSync(this.file, { force: true });
  }

  /**
   * Reads a segment back from its file.
   * @param isLast only the last file of a log may end in a torn record (the process died in mid-write); it is cut off
   * @returns undefined when the file holds nothing, not even its header, and was removed
   * @throws DamagedLog when a record inside the file is not what was written
   */
  static load(file: string, isLast: boolean): Segment | undefined {
    const bytes = fs.readFileSync(file);
    if (bytes.length < FILE_HEADER_BYTES && isLast) {
      fs.rmSync(file);
      return undefined;
    }
    if (bytes.length < FILE_HEADER_BYTES || bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) {
      throw new DamagedLog(`${file} is not a partition log. ${WHAT_TO_DO}`);
    }
    const segment = new Segment(bytes.readDoubleBE(8), bytes.readDoubleBE(16), file);
    segment.#events = undefined;
    let at = FILE_HEADER_BYTES;
    while (at < bytes.length) {
      const record = recordAt(bytes, at);
      if (record === undefined) {
        if (!isLast || !isTorn(bytes, at)) throw new DamagedLog(`${file} is damaged at byte ${at}. ${WHAT_TO_DO}`);
        fs.truncateSync(file, at);
        break;
      }
      if (record.firstSequence !== segment.firstSequence + segment.count) {
        throw new DamagedLog(`${file} skips from event ${segment.count} at byte ${at}. ${WHAT_TO_DO}`);
      }
      segment.#index(record, at, false);
      at += record.bytes.length;
    }
    segment.fileBytes = at;
    return segment;
  }
}

const WHAT_TO_DO = 'Restore the file, or start with an empty data folder.';

function writeWhole(write: WriteAt, handle: number, bytes: Buffer, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    const written = write(handle, done === 0 ? bytes : bytes.subarray(done), position + done);
    if (written <= 0) throw new Error(`only ${done} of ${bytes.length} bytes could be written`);
    done += written;
  }
}

function recordAt(bytes: Buffer, at: number): Record | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length) return undefined;
  const end = at + RECORD_PREFIX_BYTES + bytes.readUInt32BE(at);
  if (end > bytes.length || end < at + RECORD_HEADER_BYTES) return undefined;
  if (crc32(bytes.subarray(at + RECORD_PREFIX_BYTES, end)) !== bytes.readUInt32BE(at + 4)) return undefined;
  const count = bytes.readUInt32BE(at + 32);
  const lengths: number[] = [];
  for (let i = 0; i < count; i += 1) lengths.push(bytes.readUInt32BE(at + RECORD_HEADER_BYTES + 4 * i));
  return {
    bytes: bytes.subarray(at, end),
    firstSequence: bytes.readDoubleBE(at + 8),
    firstOffset: bytes.readDoubleBE(at + 16),
    enqueuedMs: bytes.readDoubleBE(at + 24),
    lengths,
  };
}

/** Whether what starts at `at` can be the last write of a process that died: it reaches the end of the file, or is zeros. */
function isTorn(bytes: Buffer, at: number): boolean {
  const left = bytes.length - at;
  if (left < RECORD_HEADER_BYTES) return true;
  if (RECORD_PREFIX_BYTES + bytes.readUInt32BE(at) >= left) return true;
  return bytes.subarray(at).every((byte) => byte === 0);
}

/** Name of the file of a segment; sorted by name the files of a partition are in order. */
export const segmentFile = (directory: string, firstSequence: number): string =>
  path.join(directory, `${String(firstSequence).padStart(20, '0')}.log`);

/** The files of a partition's segments, in order. */
export const segmentFiles = (directory: string): string[] =>
  fs
    .readdirSync(directory)
    .filter((name) => /^\d{20}\.log$/.test(name))
    .toSorted()
    .map((name) => path.join(directory, name));
