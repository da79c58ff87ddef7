/**
 * Commits reading sets of one device: state, readings, transitions, alerts, anomalies and now and then the detectors, in
 * one batch under the state's etag. Whoever else wrote meanwhile wins; what it applied is then skipped.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PositionedEvents } from '../journal/journal.ts';
import { BATCH_OPERATIONS_MAX, isTransient, type BatchOperation, type Store } from '../store/store.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import { positionedEvents } from './journal-events.ts';
import { transitionDocuments } from './transition-documents.ts';
import { DeviceMemories, type DeviceMemory } from './device-memory.ts';
import {
  deviceKey,
  type CausedTransition,
  type DetectorsDocument,
  type DeviceDocument,
  type ReadingsDocument,
  type TransitionsDocument,
} from './device-state.ts';
import { foldDevice, type Folded, type ReadingSet } from './fold-device.ts';

/** Reading sets of one device in one lane, in order. */
export interface DeviceBatch {
  tenantId: string;
  deviceId: string;
  lane: string;
  sets: ReadingSet[];
  compiled: CompiledRules;
  /**
   * Puts a set aside that the store refuses for good. Called before anything later is applied: afterwards a redelivery
   * would take the set for one that was.
   */
  refuse(set: ReadingSet): Promise<void>;
}

/** What became of a device's batch. */
export interface CommittedDevice {
  /** What the sets applied here caused, for the journal. */
  positioned: PositionedEvents[];
  /** Sets that had been applied before: their events are in the store, and perhaps not yet in the journal. */
  repeated: ReadingSet[];
  /** Sets of messages that the device had sent before. */
  duplicates: number;
}

/** Reading sets after which the detectors are saved again. */
const DETECTORS_SAVED_EVERY = 50;
/** Attempts of one commit against other writers and passing trouble before the trigger's retry takes over. */
const COMMIT_ATTEMPTS = 8;
/** Milliseconds before the second attempt after passing trouble; doubled each time. */
const RETRY_MS = 50;
/** Bytes of alerts and anomalies that go into the batch of the state; more are written ahead of it. */
const DOCUMENT_BYTES_MAX = 600_000;
const DAY_SECONDS = 86_400;

/** What became of one write. */
type Written =
  | { kind: 'committed'; memory: DeviceMemory; transitions: CausedTransition[] }
  | { kind: 'refused' }
  /** Another writer was faster, or the effect is unknown: reading the state again decides. */
  | { kind: 'lost'; error: Error; pauses: boolean };

/** Commits devices' batches over the store. */
export class DeviceCommitter {
  readonly #store: Store;
  readonly #memories: DeviceMemories;
  readonly #readingsTtl: number;
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  /** The last commit that waits or runs, by device: one device may send to several partitions at once. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(
    store: Store,
    options: { readingsDays: number; now: () => number; pause?: (ms: number) => Promise<unknown> },
  ) {
    this.#store = store;
    this.#memories = new DeviceMemories(store);
    this.#readingsTtl = options.readingsDays * DAY_SECONDS;
    this.#now = options.now;
    this.#pause = options.pause ?? delay;
  }

  /**
   * Applies all sets of the batch, slice by slice. Within an instance a device's batches take turns; against other
   * instances the etag decides.
   * @throws the store's error when trouble lasts; what was committed until then is skipped by the retry
   */
  async commit(batch: DeviceBatch): Promise<CommittedDevice> {
    const key = deviceKey(batch.tenantId, batch.deviceId);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#commit(batch));
    const ended = turn.catch(() => undefined);
    this.#turns.set(key, ended);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === ended) this.#turns.delete(key);
    }
  }

  async #commit(batch: DeviceBatch): Promise<CommittedDevice> {
    const outcome: CommittedDevice = { positioned: [], repeated: [], duplicates: 0 };
    let rest = batch.sets;
    let setsMax = Infinity;
    let attempt = 0;
    while (rest.length > 0) {
      const memory = await this.#memories.take(batch.tenantId, batch.deviceId);
      const folded = foldDevice(memory.state, memory.detectors, batch.compiled, batch.lane, rest, setsMax);
      const { applied, repeated, duplicates, taken } = folded;
      if (applied.length + duplicates === 0) {
        this.#memories.put(memory);
      } else {
        const written = await this.#write(batch, memory, folded);
        if (written.kind === 'lost') {
          if (++attempt >= COMMIT_ATTEMPTS) throw written.error;
          if (written.pauses) await this.#pause(RETRY_MS * 2 ** (attempt - 1));
          continue;
        }
        if (written.kind === 'refused' && applied.length > 1) {
          setsMax = Math.floor(applied.length / 2);
          continue;
        }
        if (written.kind === 'refused') {
          // A single set that does not fit goes aside, and the device goes on behind it: what was looked at after it was
          // looked at as if it had been applied.
          const index = rest.findIndex(({ at }) => at === applied[0]?.at);
          const refused = rest[index];
          if (refused) await batch.refuse(refused);
          outcome.repeated.push(...repeated);
          rest = rest.slice(refused ? index + 1 : taken);
          attempt = 0;
          continue;
        }
        this.#memories.put(written.memory);
        outcome.positioned.push(...positionedEvents(batch.deviceId, applied, written.transitions));
      }
      attempt = 0;
      outcome.repeated.push(...repeated);
      outcome.duplicates += duplicates;
      rest = rest.slice(taken);
    }
    return outcome;
  }

  async #write({ lane, compiled }: DeviceBatch, memory: DeviceMemory, folded: Folded): Promise<Written> {
    const { pk, tenantId, deviceId } = memory.state;
    const contended = (): Written => {
      return { kind: 'lost', error: new Error(`The device ${deviceId} is contended.`), pauses: false };
    };
    try {
      const { transitions, writes } = await transitionDocuments(
        this.#store,
        memory.state,
        folded.caused,
        compiled,
        this.#now(),
      );
      const due = folded.state.n - folded.state.saved >= DETECTORS_SAVED_EVERY;
      const state = due ? { ...folded.state, saved: folded.state.n } : folded.state;
      const { n } = state;
      const device = { pk, tenantId, deviceId };
      const operations: BatchOperation[] = [
        memory.etag === undefined
          ? { kind: 'create', document: state }
          : { kind: 'replace', document: state, etag: memory.etag },
      ];
      const chunk = { ...device, lane, n, seq: folded.applied.at(-1)?.at.seq ?? 0, ttl: this.#readingsTtl };
      if (folded.applied.length > 0) {
        operations.push(
          create<ReadingsDocument>({ id: `readings|${n}`, kind: 'readings', ...chunk, e: folded.applied }),
        );
      }
      if (transitions.length > 0) {
        operations.push(
          create<TransitionsDocument>({ id: `transitions|${n}`, kind: 'transitions', ...chunk, e: transitions }),
        );
      }
      if (due) {
        const detectors = memory.detectors.state();
        operations.push(upsert<DetectorsDocument>({ id: 'detectors', ...device, kind: 'detectors', n, detectors }));
      }
      if (fitsBeside(operations, writes)) operations.push(...writes);
      else {
        const ahead = await this.#writeAhead(pk, writes);
        if (ahead === 'refused') return { kind: 'refused' };
        if (ahead === 'conflict') return contended();
      }
      const outcome = await this.#store.batch('device-data', pk, operations);
      switch (outcome.kind) {
        case 'refused':
          return { kind: 'refused' };
        case 'conflict':
          return contended();
        case 'committed': {
          const [etag] = outcome.etags;
          return { kind: 'committed', memory: { state, etag, detectors: memory.detectors }, transitions };
        }
      }
    } catch (error) {
      // Perhaps applied, perhaps not.
      if (Error.isError(error) && isTransient(error)) return { kind: 'lost', error, pauses: true };
      throw error;
    }
  }

  /**
   * More at once than one batch holds: written ahead of the state. Their ids and contents follow from the state and the
   * events, so what a crash in between leaves is written again by the retry.
   */
  async #writeAhead(pk: string, writes: BatchOperation[]): Promise<'committed' | 'refused' | 'conflict'> {
    for (const part of partsOf(writes)) {
      const { kind } = await this.#store.batch('device-data', pk, part);
      if (kind !== 'committed') return kind;
    }
    return 'committed';
  }
}

function fitsBeside(operations: BatchOperation[], writes: BatchOperation[]): boolean {
  return operations.length + writes.length <= BATCH_OPERATIONS_MAX && bytesOf(writes) <= DOCUMENT_BYTES_MAX;
}

/** Halves until each part fits one batch. */
function partsOf(writes: BatchOperation[]): BatchOperation[][] {
  const fits = writes.length <= BATCH_OPERATIONS_MAX && bytesOf(writes) <= DOCUMENT_BYTES_MAX;
  if (fits || writes.length === 1) return [writes];
  const half = Math.ceil(writes.length / 2);
  return [...partsOf(writes.slice(0, half)), ...partsOf(writes.slice(half))];
}

function bytesOf(operations: BatchOperation[]): number {
  return operations.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(operations));
}

function create<T extends DeviceDocument>(document: T): BatchOperation {
  return { kind: 'create', document };
}

function upsert<T extends DeviceDocument>(document: T): BatchOperation {
  return { kind: 'upsert', document };
}
