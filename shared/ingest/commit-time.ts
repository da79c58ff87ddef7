/**
 * Commits what time alone caused on a device: state, transitions and alerts in one batch under the state's etag, as a
 * batch of events would. Whoever else wrote meanwhile wins, and then time is looked at again.
 */
import type { CompiledRules } from '../rules/compile-rules.ts';
import { withoutSystemFields, type BatchOperation, type Store } from '../store/store.ts';
import { deviceKey, newState, OPS_LANE, type StateDocument, type TransitionsDocument } from './device-state.ts';
import { foldTime, type Caused } from './fold-device.ts';
import { transitionDocuments } from './transition-documents.ts';

/** A device whose time has come. */
export interface TimePassed {
  tenantId: string;
  deviceId: string;
  compiled: CompiledRules;
  /** The hub's time as far as it has been processed, epoch milliseconds. */
  processedMs: number;
  /** Processing time. */
  nowMs: number;
  /** Seconds that transitions are kept. */
  ttl: number;
}

/** Attempts of one commit against other writers before the next sweep takes over. */
const ATTEMPTS = 8;

/**
 * Lets time pass for a device that is known to the store.
 * @returns how many transitions that caused
 * @throws the store's error, and an Error when other writers always win; the sweep comes again
 */
export async function commitTime(store: Store, passed: TimePassed): Promise<number> {
  const { tenantId, deviceId, compiled, processedMs, nowMs, ttl } = passed;
  const pk = deviceKey(tenantId, deviceId);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await store.read<StateDocument>('device-data', 'state', pk);
    const before = stored ? withoutSystemFields<StateDocument>(stored) : newState(tenantId, deviceId);
    const folded = foldTime(before, compiled, processedMs);
    const ops = (before.ops ?? 0) + 1;
    const caused = folded.transitions.map((transition): Caused => ({
      at: { seq: ops, enq: nowMs },
      cause: OPS_LANE,
      k: 'alert',
      transition,
    }));
    const { transitions, writes } = await transitionDocuments(store, before, caused, compiled, nowMs);
    const state: StateDocument = transitions.length > 0 ? { ...folded.state, ops } : folded.state;
    // A look that changes nothing writes nothing.
    if (transitions.length === 0 && JSON.stringify(state) === JSON.stringify(before)) return 0;
    if (transitions.length === 0 && !stored && state.due === undefined) return 0;
    const operations: BatchOperation[] = [
      stored ? { kind: 'replace', document: state, etag: stored._etag } : { kind: 'create', document: state },
    ];
    if (transitions.length > 0) {
      const document: TransitionsDocument = {
        id: `transitions|${OPS_LANE}-${ops}`,
        pk,
        tenantId,
        deviceId,
        kind: 'transitions',
        lane: OPS_LANE,
        n: state.n,
        seq: ops,
        e: transitions,
        ttl,
      };
      operations.push({ kind: 'create', document });
    }
    const outcome = await store.batch('device-data', pk, [...operations, ...writes]);
    if (outcome.kind === 'committed') return transitions.length;
    if (outcome.kind === 'refused')
      throw new Error(`The store refuses what time caused on ${deviceId}: ${outcome.reason}.`);
  }
  throw new Error(`The device ${deviceId} is contended: its time is looked at again.`);
}
