/**
 * Reads one range of a change feed under a lease: a page, an invocation, then the lease moves on, also when the function
 * failed and its retries are used up. The lease does not move when the host stops or the lease was lost.
 */
import { ChangeFeedStartFrom, type Container, type FeedRange } from '@azure/cosmos';
import type { Clock } from '../../clock.ts';
import { type Lease, writeLease } from './leases.ts';

export interface FeedReaderOptions {
  monitored: Container;
  leases: Container;
  range: FeedRange;
  /** Acquired: its owner is this host. */
  lease: Lease;
  pollDelayMs: number;
  pageSize: number | undefined;
  /** Where a lease without a position begins. */
  start: (range: FeedRange) => ChangeFeedStartFrom;
  clock: Clock;
  run: (documents: unknown[], signal: AbortSignal) => Promise<void>;
  onError: (error: unknown) => void;
}

/** Milliseconds of pause after an error of the store. */
const ERROR_PAUSE_MS = 1000;

export class FeedReader {
  readonly #options: FeedReaderOptions;
  readonly #ended = new AbortController();
  readonly #done: Promise<void>;
  #lease: Lease;
  /** Lease writes come from the reader and from renewal: one after the other, each on the etag of the last. */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(options: FeedReaderOptions) {
    this.#options = options;
    this.#lease = options.lease;
    this.#done = this.#read();
  }

  /** Whether it still reads; false once the lease was lost. */
  get isReading(): boolean {
    return !this.#ended.signal.aborted;
  }

  /** Keeps the lease. */
  async renew(intervalMs: number): Promise<void> {
    if (this.#options.clock.now() - this.#lease.renewedMs >= intervalMs) await this.#write({});
  }

  /** Stops behind the running invocation and gives the lease back. */
  async stop(): Promise<void> {
    const held = this.isReading;
    this.#ended.abort();
    await this.#done;
    if (held) await this.#write({ Owner: undefined });
  }

  async #read(): Promise<void> {
    const { clock, pollDelayMs, onError } = this.#options;
    const { signal } = this.#ended;
    let iterator = this.#openIterator();
    while (!signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- page by page
        const page = await iterator.readNext();
        const documents = page.result ?? [];
        // oxlint-disable-next-line no-await-in-loop
        if (documents.length > 0) await this.#options.run(documents, signal);
        if (signal.aborted) return;
        const moved = page.continuationToken !== this.#lease.ContinuationToken;
        // oxlint-disable-next-line no-await-in-loop
        if (moved) await this.#write({ ContinuationToken: page.continuationToken });
        // oxlint-disable-next-line no-await-in-loop
        if (documents.length === 0) await clock.wait(pollDelayMs, signal);
      } catch (error) {
        onError(error);
        // The iterator may have moved beyond what was processed: begin again at the lease.
        iterator = this.#openIterator();
        // oxlint-disable-next-line no-await-in-loop
        await clock.wait(ERROR_PAUSE_MS, signal);
      }
    }
  }

  #openIterator() {
    const { monitored, range, start, pageSize } = this.#options;
    const { ContinuationToken: token } = this.#lease;
    return monitored.items.getChangeFeedIterator<unknown>({
      changeFeedStartFrom: token === undefined ? start(range) : ChangeFeedStartFrom.Continuation(token),
      ...(pageSize === undefined ? {} : { maxItemCount: pageSize }),
    });
  }

  #write(change: Partial<Lease>): Promise<void> {
    const write = this.#writes.then(async () => {
      const next = { ...this.#lease, ...change, renewedMs: this.#options.clock.now() };
      const written = await writeLease(this.#options.leases, next);
      if (written === undefined) this.#ended.abort();
      else this.#lease = written;
    });
    this.#writes = write.catch(() => {});
    return write;
  }
}
