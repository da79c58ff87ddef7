/**
 * A simulated Event Hub: partitions that number what they accept, with the brokers' clocks; checkpoints of the consumer
 * group; partitions that are added while devices send; and a hub that is deleted and created again, which numbers from 0.
 */
import type { PartitionEnd } from '../../shared/ingest/processed-time.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';

/** A partition. `log` is what the present hub holds, `all` what every hub of this name has held. */
export interface Partition {
  lane: string;
  log: RawEvent[];
  all: RawEvent[];
  /** Sequence number from which a new owner reads; none: from the start. */
  checkpoint: number | undefined;
  /** Events of the log that some owner has processed. */
  processed: number;
  /** Milliseconds that the clock of its broker is off. */
  clockOffMs: number;
}

/** See the top of the file. */
export class Hub {
  readonly partitions: Partition[] = [];
  /** Counts the hubs of this name. */
  generation = 0;

  constructor(partitions: number) {
    this.add(partitions);
  }

  /** Adds partitions: from now on keys go elsewhere. */
  add(partitions: number): void {
    for (let index = 0; index < partitions; index++) {
      const lane = `direct-${this.partitions.length}`;
      this.partitions.push({ lane, log: [], all: [], checkpoint: undefined, processed: 0, clockOffMs: 0 });
    }
  }

  /** Deletes the hub and creates it again, and deletes its checkpoints, without which the trigger would only fail. */
  recreate(): void {
    this.generation++;
    for (const partition of this.partitions)
      Object.assign(partition, { log: [], checkpoint: undefined, processed: 0, clockOffMs: 0 });
  }

  /** Accepts an event; the key says into which partition. */
  send(key: string, body: unknown, nowMs: number): RawEvent | undefined {
    const partition = this.partitions[hashOf(key) % this.partitions.length];
    if (!partition) return undefined;
    const { lane, log, all, clockOffMs } = partition;
    const raw: RawEvent = {
      body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      properties: {},
      lane,
      seq: log.length,
      enqueuedMs: nowMs + clockOffMs,
    };
    log.push(raw);
    all.push(raw);
    return raw;
  }

  /** Where the partitions end, as the hub says. */
  ends(): PartitionEnd[] {
    return this.partitions.map(({ lane, log }) => {
      const last = log.at(-1);
      return { lane, isEmpty: !last, lastSeq: last?.seq ?? -1, lastEnqueuedMs: last?.enqueuedMs ?? 0 };
    });
  }

  /** Whether everything has been processed by somebody. */
  isDrained(): boolean {
    return this.partitions.every(({ log, processed }) => processed >= log.length);
  }
}

function hashOf(key: string): number {
  let hash = 0;
  for (let index = 0; index < key.length; index++) hash = (hash * 31 + key.charCodeAt(index)) >>> 0;
  return hash;
}
