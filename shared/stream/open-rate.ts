/** How often one application may open streams: reconnect loops are the commonest mistake of stream clients. */
import type { Timing } from './timing.ts';

/** Openings per second that an application may keep up. */
export const OPENS_PER_SECOND = 20;

/** A token bucket per application: a burst as large as its share of streams, then OPENS_PER_SECOND. */
export class OpenRate {
  readonly #timing: Pick<Timing, 'now'>;
  readonly #burst: number;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(burst: number, timing: Pick<Timing, 'now'>) {
    this.#burst = Math.max(burst, OPENS_PER_SECOND);
    this.#timing = timing;
  }

  /** Takes one opening; the seconds to wait when there is none left. */
  take(application: string): number | undefined {
    const nowMs = this.#timing.now();
    const bucket = this.#buckets.get(application) ?? { left: this.#burst, atMs: nowMs };
    const left = Math.min(this.#burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * OPENS_PER_SECOND);
    this.#buckets.set(application, { left: left < 1 ? left : left - 1, atMs: nowMs });
    return left < 1 ? Math.ceil((1 - left) / OPENS_PER_SECOND) : undefined;
  }

  /** Forgets applications that have rested long enough to have their whole burst again. */
  sweep(): void {
    const restedMs = this.#timing.now() - (this.#burst / OPENS_PER_SECOND) * 1000;
    for (const [application, { atMs }] of this.#buckets) if (atMs <= restedMs) this.#buckets.delete(application);
  }
}
