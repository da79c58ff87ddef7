/** What an instance remembers of a device between batches. The etag fences; the memory only saves the reads. */
import { DeviceDetectors } from '../anomalies/device-detectors.ts';
import { count } from '../observability.ts';
import { withoutSystemFields, type Store } from '../store/store.ts';
import {
  deviceKey,
  newState,
  type DetectorsDocument,
  type ReadingsDocument,
  type StateDocument,
} from './device-state.ts';

/** A device at hand: its state, the etag it was stored under (none before the first commit), its live detectors. */
export interface DeviceMemory {
  state: StateDocument;
  etag: string | undefined;
  detectors: DeviceDetectors;
}

/** Devices an instance remembers: about 10 KB each with a few detectors. */
const DEVICES_REMEMBERED = 5000;

/** The devices at hand, least recently used out first. */
export class DeviceMemories {
  readonly #store: Store;
  readonly #byKey = new Map<string, DeviceMemory>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Takes a device out, from memory or the store. Whoever took it owns it: a second taker meanwhile loads its own, and
   * the etag decides between them. Put it back after a commit, or drop it by not doing so.
   */
  async take(tenantId: string, deviceId: string): Promise<DeviceMemory> {
    const key = deviceKey(tenantId, deviceId);
    const known = this.#byKey.get(key);
    if (known) {
      this.#byKey.delete(key);
      return known;
    }
    const stored = await this.#store.read<StateDocument>('device-data', 'state', key);
    if (!stored) return { state: newState(tenantId, deviceId), etag: undefined, detectors: DeviceDetectors.restore() };
    return {
      state: withoutSystemFields(stored),
      etag: stored._etag,
      detectors: await this.#restoreDetectors(key, stored),
    };
  }

  /** Puts a device back for the next batch. */
  put(memory: DeviceMemory): void {
    if (this.#byKey.size >= DEVICES_REMEMBERED) this.#byKey.delete(this.#byKey.keys().next().value ?? '');
    this.#byKey.set(memory.state.pk, memory);
  }

  /** The saved detectors, taught with what was applied after they were saved. */
  async #restoreDetectors(pk: string, state: StateDocument): Promise<DeviceDetectors> {
    const saved =
      state.saved > 0 ? await this.#store.read<DetectorsDocument>('device-data', 'detectors', pk) : undefined;
    const detectors = DeviceDetectors.restore(saved?.detectors);
    if (detectors.restarted.length > 0) count('sluice.anomalies.restarted', detectors.restarted.length);
    const after = saved?.n ?? 0;
    if (after >= state.n) return detectors;
    const query = {
      query: "SELECT * FROM c WHERE c.kind = 'readings' AND c.n > @after",
      parameters: [{ name: '@after', value: after }],
    };
    const chunks = await this.#store.all<ReadingsDocument>('device-data', query, pk);
    for (const { n, e } of chunks.toSorted((a, b) => a.n - b.n)) {
      const first = n - e.length + 1;
      for (const [index, { t, v }] of e.entries()) {
        const number = first + index;
        if (number > after && number <= state.n) detectors.learn({ ts: t, readings: v });
      }
    }
    return detectors;
  }
}
