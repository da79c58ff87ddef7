/** How many streams an instance holds, and how many of them for one tenant and one application. */
import { Problem } from '../http/problem.ts';
import type { StreamCaller } from './authority-watch.ts';
import { OpenRate } from './open-rate.ts';
import type { Timing } from './timing.ts';

/** Caps of one instance. */
export interface StreamLimits {
  streams: number;
  streamsPerTenant: number;
  streamsPerApplication: number;
  /** Longest life of a stream, in milliseconds. */
  lifeMs: number;
  /** How long entries can be resumed, in milliseconds. */
  retentionMs: number;
}

/** Shares of an instance that one tenant and one application may hold. */
export const TENANT_SHARE = 0.8;
export const APPLICATION_SHARE = 0.5;
/** Seconds after which a client may try again, when the instance or its own share is full. */
const RETRY_AFTER = { instance: 5, share: 15 };

/** The caps that follow from the settings. */
export function streamLimits(settings: {
  STREAMS_PER_INSTANCE: number;
  STREAM_MAX_SECONDS: number;
  JOURNAL_HOURS: number;
}): StreamLimits {
  const streams = settings.STREAMS_PER_INSTANCE;
  return {
    streams,
    streamsPerTenant: Math.ceil(streams * TENANT_SHARE),
    streamsPerApplication: Math.ceil(streams * APPLICATION_SHARE),
    lifeMs: settings.STREAM_MAX_SECONDS * 1000,
    retentionMs: settings.JOURNAL_HOURS * 3_600_000,
  };
}

/** Hands out slots. */
export class StreamCaps {
  readonly #limits: StreamLimits;
  readonly #timing: Timing;
  readonly #rate: OpenRate;
  readonly #perTenant = new Map<string, number>();
  readonly #perApplication = new Map<string, number>();
  #taken = 0;

  constructor(limits: StreamLimits, timing: Timing) {
    this.#limits = limits;
    this.#timing = timing;
    this.#rate = new OpenRate(limits.streamsPerApplication, timing);
  }

  /** Slots taken now. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a slot of the instance, the tenant and the application; returns what gives it back, once.
   * @throws Problem 503 when the instance is full, 429 above a share or when the application opens too often
   */
  take({ tenantId, applicationId }: StreamCaller): () => void {
    const { streams, streamsPerTenant, streamsPerApplication } = this.#limits;
    if (this.#taken >= streams) {
      const detail = `This instance holds ${streams} streams, its limit.`;
      throw refused('instance-full', 503, detail, this.#spread(RETRY_AFTER.instance));
    }
    const shares = [
      { who: 'tenant', key: tenantId, held: this.#perTenant, max: streamsPerTenant },
      { who: 'application', key: applicationId, held: this.#perApplication, max: streamsPerApplication },
    ];
    for (const { who, key, held, max } of shares) {
      if ((held.get(key) ?? 0) < max) continue;
      const detail = `This ${who} has ${max} streams open here, its limit.`;
      throw refused('too-many-streams', 429, detail, this.#spread(RETRY_AFTER.share));
    }
    const waitSeconds = this.#rate.take(applicationId);
    if (waitSeconds !== undefined) {
      throw refused('opening-too-often', 429, 'This application opens streams too often: slow down.', waitSeconds);
    }
    this.#taken += 1;
    for (const { key, held } of shares) held.set(key, (held.get(key) ?? 0) + 1);
    return () => {
      this.#taken -= 1;
      for (const { key, held } of shares) {
        const left = (held.get(key) ?? 1) - 1;
        if (left > 0) held.set(key, left);
        else held.delete(key);
      }
    };
  }

  /** Forgets what is not needed any more. Call it now and then. */
  sweep(): void {
    this.#rate.sweep();
  }

  /** Refused clients must not all come back at once. */
  #spread(seconds: number): number {
    return seconds + Math.floor(this.#timing.random() * seconds);
  }
}

/** A refusal with the time after which to try again. */
export function refused(kind: string, status: 429 | 503, detail: string, retryAfterSeconds: number): Problem {
  return new Problem(kind, status, detail, { headers: { 'retry-after': String(retryAfterSeconds) } });
}
