/**
 * One partition: batches in order, one invocation at a time, whole-batch retries, a checkpoint after the last attempt
 * whether it succeeded or not, and none when the host is stopping or the partition was lost.
 */
import type { ReceivedEventData } from '@azure/event-hubs';

/** Milliseconds without a batch after which what is done is checkpointed, whatever the frequency says. */
const IDLE_CHECKPOINT_MS = 600_000;

export interface PartitionPumpOptions {
  /** The same partition's earlier pump, still ending: its last invocation comes first. */
  before: Promise<void> | undefined;
  minBatchSize: number;
  maxBatchSize: number;
  /** Milliseconds that a batch below the minimum waits for more. */
  maxWaitMs: number;
  /** Batches per checkpoint. */
  checkpointFrequency: number;
  /** For tests: the platform's 600 s. */
  idleCheckpointMs?: number;
  /** Runs one batch with its retries. */
  run: (events: ReceivedEventData[], signal: AbortSignal) => Promise<void>;
  /** Asked after a batch: another host may have taken the partition while it ran. */
  stillOwned: () => Promise<boolean>;
  checkpoint: (last: ReceivedEventData) => Promise<void>;
  onError: (error: unknown) => void;
}

export class PartitionPump {
  readonly #options: PartitionPumpOptions;
  readonly #ended = new AbortController();
  #waiting: ReceivedEventData[] = [];
  #flushTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Everything runs in a chain: the SDK's batches and the flush of a short one. */
  #chain: Promise<void>;
  #batchesSinceCheckpoint = 0;
  #done: ReceivedEventData | undefined;

  constructor(options: PartitionPumpOptions) {
    this.#options = options;
    this.#chain = options.before ?? Promise.resolve();
  }

  /** Takes what the SDK received; resolves when it may receive more. */
  push(events: ReceivedEventData[]): Promise<void> {
    this.#waiting.push(...events);
    return this.#enqueue(() => this.#drain(this.#options.minBatchSize));
  }

  /** Starts no further batch, gives up waiting for retries; resolves when the running batch has ended. */
  async end(reason: 'stopping' | 'lost'): Promise<void> {
    const wasBusy = this.#busy;
    this.#ended.abort(reason);
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#idleTimer);
    this.#waiting = [];
    await this.#chain;
    // Batches that were done long ago but wait for their turn of the frequency; a batch cut off by the stop is not done.
    if (reason === 'stopping' && !wasBusy && this.#done !== undefined) await this.#checkpoint(this.#done);
  }

  #busy = false;

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#chain = this.#chain.then(work).catch(this.#options.onError);
    return this.#chain;
  }

  async #drain(minimum: number): Promise<void> {
    clearTimeout(this.#flushTimer);
    while (this.#waiting.length >= minimum && this.#waiting.length > 0 && !this.#ended.signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop -- in order, one at a time
      await this.#runBatch(this.#waiting.splice(0, this.#options.maxBatchSize));
    }
    if (this.#waiting.length > 0 && !this.#ended.signal.aborted) {
      this.#flushTimer = setTimeout(() => void this.#enqueue(() => this.#drain(1)), this.#options.maxWaitMs);
    }
  }

  async #runBatch(batch: ReceivedEventData[]): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#idleTimer);
    await this.#options.run(batch, this.#ended.signal);
    this.#busy = false;
    if (this.#ended.signal.aborted) return;
    this.#done = batch.at(-1);
    this.#batchesSinceCheckpoint += 1;
    if (this.#done !== undefined && this.#batchesSinceCheckpoint >= this.#options.checkpointFrequency) {
      await this.#checkpoint(this.#done);
    } else this.#checkpointWhenIdle();
  }

  #checkpointWhenIdle(): void {
    const work = async () => {
      if (this.#done !== undefined && !this.#ended.signal.aborted) await this.#checkpoint(this.#done);
    };
    this.#idleTimer = setTimeout(() => void this.#enqueue(work), this.#options.idleCheckpointMs ?? IDLE_CHECKPOINT_MS);
    this.#idleTimer.unref();
  }

  async #checkpoint(last: ReceivedEventData): Promise<void> {
    if (!(await this.#options.stillOwned())) return;
    await this.#options.checkpoint(last);
    this.#done = undefined;
    this.#batchesSinceCheckpoint = 0;
  }
}
