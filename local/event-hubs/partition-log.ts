/**
 * One partition: an append-only log of events with gapless sequence numbers. A plain library; the sockets above it,
 * tests and seeders all use it the same way. Appends are synchronous: when `append` returns, the events are in the file.
 */
import fs from 'node:fs';
import { type BrokerStamp, type IncomingEvent, stampedBytes, writeStamped } from './event-message.ts';
import {
  DamagedLog,
  Segment,
  type WriteAt,
  allocateRecord,
  sealRecord,
  segmentFile,
  segmentFiles,
  writeAt,
} from './segment.ts';

/** Bytes after which a log goes on in a new segment: retention and memory are given back by the segment. */
const SEGMENT_BYTES = 8 * 1024 * 1024;
/** Bytes of events of one partition kept in memory where there is no disk: the oldest are dropped. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;
/** The same beside a disk: who keeps up reads from memory, older events are read back from their file. */
const MEMORY_BYTES_MAX_BESIDE_DISK = 16 * 1024 * 1024;
/** Bytes of one partition kept on disk whatever their age. */
const PARTITION_BYTES_MAX = 1024 * 1024 * 1024;

/** Milliseconds after which something happened; injected so that tests can move time. */
export type Clock = () => number;

export interface PartitionLogOptions {
  readonly now: Clock;
  /** Milliseconds an event is kept. */
  readonly retentionMs: number;
  /** Folder of the segment files; absent keeps everything in memory. */
  readonly directory?: string | undefined;
  readonly segmentBytes?: number | undefined;
  readonly memoryBytesMax?: number | undefined;
  readonly partitionBytesMax?: number | undefined;
  readonly write?: WriteAt | undefined;
}

/** What the service reports about a partition. */
export interface PartitionState {
  readonly isEmpty: boolean;
  readonly beginSequence: number;
  /** -1 when nothing was ever enqueued. */
  readonly lastSequence: number;
  readonly lastOffset: string;
  readonly lastEnqueuedMs: number;
}

/** Opens the log of one partition, reading back what its folder holds. @throws DamagedLog */
export class PartitionLog {
  readonly #now: Clock;
  readonly #retentionMs: number;
  readonly #directory: string | undefined;
  readonly #segmentBytes: number;
  readonly #memoryBytesMax: number;
  readonly #partitionBytesMax: number;
  readonly #write: WriteAt;
  readonly #segments: Segment[] = [];
  readonly #listeners = new Set<() => void>();
  #beginSequence = 0;
  #lastOffset = -1;
  #lastEnqueuedMs = 0;

  constructor(options: PartitionLogOptions) {
    this.#now = options.now;
    this.#retentionMs = options.retentionMs;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#memoryBytesMax =
      options.memoryBytesMax ?? (this.#directory === undefined ? MEMORY_BYTES_MAX : MEMORY_BYTES_MAX_BESIDE_DISK);
    const bytesMax = options.partitionBytesMax ?? PARTITION_BYTES_MAX;
    // Without a disk the memory is the log: its cap is then the retention by bytes.
    this.#partitionBytesMax = this.#directory === undefined ? Math.min(bytesMax, this.#memoryBytesMax) : bytesMax;
    this.#write = options.write ?? writeAt;
    if (this.#directory !== undefined) this.#load(this.#directory);
  }

  #load(directory: string): void {
    fs.mkdirSync(directory, { recursive: true });
    const files = segmentFiles(directory);
    for (const [index, file] of files.entries()) {
      const segment = Segment.load(file, index === files.length - 1);
      if (segment === undefined) continue;
      if (index > 0 && segment.firstSequence !== this.nextSequence) {
        throw new DamagedLog(`${directory} lacks the file with event ${this.nextSequence}.`);
      }
      this.#segments.push(segment);
    }
    this.#beginSequence = this.#segments[0]?.firstSequence ?? 0;
    const last = this.#segments.findLast((segment) => segment.count > 0);
    if (last !== undefined) {
      this.#lastOffset = last.offsetOf(last.count - 1);
      this.#lastEnqueuedMs = last.timeOf(last.count - 1);
    }
  }

  get nextSequence(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 0 : last.firstSequence + last.count;
  }

  /** Offset the next event will have: the bytes of all events before it. Opaque to clients. */
  get #nextOffset(): number {
    return this.#segments.at(-1)?.endOffset ?? 0;
  }

  state(): PartitionState {
    this.#expire();
    return {
      isEmpty: this.#beginSequence >= this.nextSequence,
      beginSequence: this.#beginSequence,
      lastSequence: this.nextSequence - 1,
      lastOffset: String(this.#lastOffset),
      lastEnqueuedMs: this.#lastEnqueuedMs,
    };
  }

  /**
   * Appends events as one unit: all of them or none.
   * @param partitionKey the key of the send, which the events' own annotations do not override
   * @returns the sequence number of the first
   * @throws the write's error; nothing was appended then
   */
  append(events: readonly IncomingEvent[], partitionKey?: string): number {
    const firstSequence = this.nextSequence;
    const firstOffset = this.#nextOffset;
    // A clock set back must not make an event older than the one before it: reading by time is a binary search.
    const enqueuedMs = Math.max(this.#now(), this.#lastEnqueuedMs);
    const lengths: number[] = [];
    const stamps: BrokerStamp[] = [];
    let offset = firstOffset;
    for (const [index, event] of events.entries()) {
      const key = partitionKey ?? event.partitionKey;
      const stamp = { sequenceNumber: firstSequence + index, offset, enqueuedMs, partitionKey: key };
      const length = stampedBytes(event, stamp);
      stamps.push(stamp);
      lengths.push(length);
      offset += length;
    }
    const { record, eventsAt } = allocateRecord(firstSequence, firstOffset, enqueuedMs, lengths);
    let at = eventsAt;
    for (const [index, event] of events.entries()) {
      const stamp = stamps[index];
      if (stamp !== undefined) at = writeStamped(event, stamp, record.bytes, at);
    }
    const segment = this.#activeSegment();
    if (segment.file !== undefined) sealRecord(record);
    segment.append(record, this.#write);
    this.#lastOffset = stamps.at(-1)?.offset ?? this.#lastOffset;
    this.#lastEnqueuedMs = enqueuedMs;
    this.#expire();
    for (const listener of this.#listeners) listener();
    return firstSequence;
  }

  #activeSegment(): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.endOffset - last.firstOffset < this.#segmentBytes) return last;
    const sequence = this.nextSequence;
    const file = this.#directory === undefined ? undefined : segmentFile(this.#directory, sequence);
    const segment = new Segment(sequence, this.#nextOffset, file);
    segment.create(this.#write);
    last?.close();
    this.#segments.push(segment);
    this.#boundMemory();
    return segment;
  }

  /** Applies retention: by age to the event, by bytes to the segment. The newest segment stays, it knows what comes next. */
  #expire(): void {
    const oldestMs = this.#now() - this.#retentionMs;
    for (let first = this.#segments[0]; first !== undefined && this.#segments.length > 1; first = this.#segments[0]) {
      const isOld = first.timeOf(first.count - 1) < oldestMs;
      const isOver = this.#nextOffset - first.firstOffset > this.#partitionBytesMax;
      if (!isOld && !isOver) break;
      this.#segments.shift();
      first.remove();
    }
    const first = this.#segments[0];
    if (first === undefined) return;
    const kept = first.firstSequence + first.firstWhere((_offset, enqueuedMs) => enqueuedMs >= oldestMs);
    if (kept > this.#beginSequence) this.#beginSequence = kept;
  }

  #boundMemory(): void {
    let bytes = 0;
    for (const segment of this.#segments.toReversed()) {
      bytes += segment.bytesInMemory;
      if (bytes > this.#memoryBytesMax) segment.evict();
    }
  }

  #segmentOf(sequence: number): Segment | undefined {
    return this.#segments.findLast((segment) => segment.firstSequence <= sequence);
  }

  /**
   * Encoded events from a sequence number on; fewer than `countMax` where a segment ends. Starts at the oldest kept
   * event when the wanted one has expired.
   * @returns the sequence number of the first event returned, and the events
   */
  read(sequence: number, countMax: number, bytesMax: number): { first: number; events: Buffer[] } {
    this.#expire();
    const first = Math.max(sequence, this.#beginSequence);
    const segment = this.#segmentOf(first);
    if (segment === undefined || first >= this.nextSequence) return { first, events: [] };
    return { first, events: segment.read(first - segment.firstSequence, countMax, bytesMax) };
  }

  /** Sequence number of the first kept event for which the test holds; the next one to come when none does. */
  firstWhere(test: (offset: number, enqueuedMs: number) => boolean): number {
    this.#expire();
    for (const segment of this.#segments) {
      const index = segment.firstWhere(test);
      if (index < segment.count) return Math.max(segment.firstSequence + index, this.#beginSequence);
    }
    return this.nextSequence;
  }

  /** Calls back after every append, until the returned function is called. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    for (const segment of this.#segments) segment.close();
    this.#listeners.clear();
  }
}
