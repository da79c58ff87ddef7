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
import type {
  AlertDocument,
  AnomalyDocument,
  DetectorsDocument,
  ReadingsDocument,
  TransitionsDocument,
} from './device-state.ts';
import { foldDevice, type Folded, type ReadingSet } from './fold-device.ts';

/** Reading sets of one device in one lane, in order. */
export interface DeviceBatch {
  tenantId: string;
  deviceId: string;
  lane: string;
  sets: ReadingSet[];
  compiled: CompiledRules;
}

/** What became of a device's batch. */
export interface CommittedDevice {
  /** What the sets applied here caused, for the journal. */
  positioned: PositionedEvents[];
  /** Sets that had been applied before: their events are in the store, and perhaps not yet in the journal. */
  repeated: ReadingSet[];
  /** Sets the store refused for good. */
  refused: ReadingSet[];
  duplicates: number;
}

/** Reading sets after which the detectors are saved again. */
const DETECTORS_SAVED_EVERY = 50;
/** Attempts of one commit against other writers and passing trouble before the trigger's retry takes over. */
const COMMIT_ATTEMPTS = 8;
/** Milliseconds before the second attempt after passing trouble; doubled each time. */
const RETRY_MS = 50;
const DAY_SECONDS = 86_400;

/** Commits devices' batches over the store. */
export class DeviceCommitter {
  readonly #store: Store;
  readonly #memories: DeviceMemories;
  readonly #readingsTtl: number;
  readonly #now: () => number;

  constructor(store: Store, options: { readingsDays: number; now: () => number }) {
    this.#store = store;
    this.#memories = new DeviceMemories(store);
    this.#readingsTtl = options.readingsDays * DAY_SECONDS;
    this.#now = options.now;
  }

  /**
   * Applies all sets of the batch, slice by slice.
   * @throws the store's error when trouble lasts; what was committed until then is skipped by the retry
   */
  async commit(batch: DeviceBatch): Promise<CommittedDevice> {
    const outcome: CommittedDevice = { positioned: [], repeated: [], refused: [], duplicates: 0 };
    let rest = batch.sets;
    let setsMax = Infinity;
    let attempt = 0;
    while (rest.length > 0) {
      const memory = await this.#memories.take(batch.tenantId, batch.deviceId);
      const folded = foldDevice(memory.state, memory.detectors, batch.compiled, batch.lane, rest, setsMax);
      const result =
        folded.applied.length + folded.duplicates === 0
          ? { kind: 'nothing' as const }
          : await this.#write(batch.lane, memory, folded);
      switch (result.kind) {
        case 'committed':
          this.#memories.put({ state: result.state, etag: result.etag, detectors: memory.detectors });
          outcome.positioned.push(...positionedEvents(batch.deviceId, folded.applied, result.transitions));
          break;
        case 'nothing':
          this.#memories.put(memory);
          break;
        case 'lost':
          if (++attempt >= COMMIT_ATTEMPTS) throw result.error;
          if (result.transient) await delay(RETRY_MS * 2 ** Math.min(attempt - 1, 5));
          continue;
        case 'refused':
          // Half the slice; a single set that does not fit goes to quarantine, and the device goes on without it.
          if (folded.applied.length > 1) setsMax = Math.floor(folded.applied.length / 2);
          else {
            const index = rest.findIndex(({ at }) => at === folded.applied[0]?.at);
            outcome.refused.push(...rest.slice(index, index + 1));
            rest = rest.toSpliced(index, 1);
          }
          continue;
      }
      attempt = 0;
      outcome.repeated.push(...folded.repeated);
      outcome.duplicates += folded.duplicates;
      rest = rest.slice(folded.taken);
    }
    return outcome;
  }

  async #write(lane: string, memory: DeviceMemory, folded: Folded) {
    const { pk } = memory.state;
    try {
      const { transitions, documents } = await transitionDocuments(
        this.#store,
        memory.state,
        folded.caused,
        this.#now(),
      );
      const due = folded.state.n - folded.state.saved >= DETECTORS_SAVED_EVERY;
      const state = due ? { ...folded.state, saved: folded.state.n } : folded.state;
      const operations: BatchOperation[] = [
        memory.etag === undefined
          ? { kind: 'create', document: state }
          : { kind: 'replace', document: state, etag: memory.etag },
      ];
      const base = { pk, tenantId: state.tenantId, deviceId: state.deviceId, lane, n: state.n, ttl: this.#readingsTtl };
      const seq = folded.applied.at(-1)?.at.seq ?? 0;
      if (folded.applied.length > 0) {
        const document: ReadingsDocument = {
          id: `readings|${state.n}`,
          kind: 'readings',
          ...base,
          seq,
          e: folded.applied,
        };
        operations.push({ kind: 'create', document });
      }
      if (transitions.length > 0) {
        const document: TransitionsDocument = {
          id: `transitions|${state.n}`,
          kind: 'transitions',
          ...base,
          seq,
          e: transitions,
        };
        operations.push({ kind: 'create', document });
      }
      if (due) {
        const document: DetectorsDocument = {
          id: 'detectors',
          pk,
          kind: 'detectors',
          tenantId: state.tenantId,
          deviceId: state.deviceId,
          n: state.n,
          detectors: memory.detectors.state(),
        };
        operations.push({ kind: 'upsert', document });
      }
      const room = BATCH_OPERATIONS_MAX - operations.length;
      // More at once than one batch holds: they are written ahead. The ids are deterministic, so a crash in between
      // leaves documents that the retry writes again with the same content.
      for (let from = room; from < documents.length; from += BATCH_OPERATIONS_MAX) {
        await this.#store.batch('device-data', pk, documents.slice(from, from + BATCH_OPERATIONS_MAX).map(upsert));
      }
      operations.push(...documents.slice(0, room).map(upsert));
      const outcome = await this.#store.batch('device-data', pk, operations);
      if (outcome.kind === 'refused') return { kind: 'refused' as const };
      if (outcome.kind === 'conflict') {
        return {
          kind: 'lost' as const,
          transient: false,
          error: new Error(`The device ${state.deviceId} is contended.`),
        };
      }
      return { kind: 'committed' as const, state, etag: outcome.etags[0] ?? '', transitions };
    } catch (error) {
      // Perhaps applied, perhaps not: reading the state again decides.
      if (isTransient(error)) return { kind: 'lost' as const, transient: true, error };
      throw error;
    }
  }
}

function upsert(document: AlertDocument | AnomalyDocument): BatchOperation {
  return { kind: 'upsert', document };
}
