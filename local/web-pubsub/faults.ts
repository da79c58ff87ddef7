/**
 * Trouble on request, for tests: cut sockets, lose, repeat, delay or refuse messages, refuse recovery.
 * Chance is seeded, so that a run can be repeated.
 */

/** What goes wrong, and how much of it is left. */
export interface FaultPlan {
  /** Of the messages published next, this many are accepted and lost. */
  dropNext: number;
  /** Of all other messages this share is accepted and lost, from 0 to 1. */
  dropFraction: number;
  /** Of the messages published next, this many are delivered twice. */
  duplicateNext: number;
  /** Milliseconds every message waits before it is delivered; the order stays. */
  delayMs: number;
  /** Of all other messages this share is delivered twice, from 0 to 1. */
  duplicateFraction: number;
  /** Every so many messages that are published, every client's TCP connection is reset; 0 is never. */
  cutEvery: number;
  /** Of the requests to come, this many are refused. */
  rejectNext: number;
  /** Of all other requests this share is refused, from 0 to 1. */
  rejectFraction: number;
  /**
   * Which requests: an operation of the REST reference, or joinGroup, leaveGroup, sendToGroup of a client. Empty: every
   * send of a service.
   */
  rejectOperation: string;
  /** With what, from 400 to 599. A client sees the name that goes with it. */
  rejectStatus: number;
  /** Seconds of the `Retry-After` of a refusal. */
  rejectRetryAfterSeconds: number;
  /** Reconnecting sessions are told that they are gone (1008). */
  refuseRecovery: boolean;
  /** Seed of the chance that the fractions use; setting it starts the sequence again. */
  seed: number;
}

/** How a request is refused. */
export interface Rejection {
  status: number;
  code: string;
  retryAfterSeconds: number;
}

const CODES: Record<number, string> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
};

/** What faults have done since the start, for tests that must know that there was trouble. */
export interface FaultCounts {
  cut: number;
  dropped: number;
  duplicated: number;
  rejected: number;
  recoveriesRefused: number;
}

const healthy: FaultPlan = {
  dropNext: 0,
  dropFraction: 0,
  duplicateNext: 0,
  delayMs: 0,
  duplicateFraction: 0,
  cutEvery: 0,
  rejectNext: 0,
  rejectFraction: 0,
  rejectOperation: '',
  rejectStatus: 429,
  rejectRetryAfterSeconds: 0,
  refuseRecovery: false,
  seed: 1,
};

/** What the faults act upon. */
export interface FaultTargets {
  /** Resets the TCP connection of every client; returns how many there were. */
  cut: () => number;
  /** Ends the process as `kill -9` does. */
  kill: () => void;
  /** Moves the clock on: tokens, messages and sessions expire. */
  advanceClock: (milliseconds: number) => void;
}

/** The faults of one server. */
export class Faults {
  readonly counts: FaultCounts = { cut: 0, dropped: 0, duplicated: 0, rejected: 0, recoveriesRefused: 0 };
  #plan: FaultPlan = { ...healthy };
  #random = seededRandom(healthy.seed);
  #late: (() => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #targets: FaultTargets;
  #published = 0;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  get plan(): Readonly<FaultPlan> {
    return this.#plan;
  }

  /** Adds to the plan; what is not named stays. */
  set(change: Partial<FaultPlan>): void {
    this.#plan = { ...this.#plan, ...change };
    if (change.seed !== undefined) this.#random = seededRandom(change.seed);
  }

  /** Back to health. Messages that are already delayed still arrive. */
  clear(): void {
    this.set(healthy);
  }

  /** Resets the TCP connection of every client, without a close frame. */
  cut(): number {
    const cut = this.#targets.cut();
    this.counts.cut += cut;
    return cut;
  }

  /** Ends the process. */
  kill(): void {
    this.#targets.kill();
  }

  /** Moves the clock on. */
  advanceClock(milliseconds: number): void {
    this.#targets.advanceClock(milliseconds);
  }

  /** The refusal of a request, if it is its turn. */
  takeRejection(operation: string): Rejection | undefined {
    const plan = this.#plan;
    if (plan.rejectOperation === '' ? !operation.startsWith('SendTo') : operation !== plan.rejectOperation) {
      return undefined;
    }
    if (plan.rejectNext > 0) plan.rejectNext -= 1;
    else if (plan.rejectFraction === 0 || this.#random() >= plan.rejectFraction) return undefined;
    this.counts.rejected += 1;
    const { rejectStatus: status, rejectRetryAfterSeconds: retryAfterSeconds } = plan;
    return { status, code: CODES[status] ?? (status < 500 ? 'BadRequest' : 'InternalServerError'), retryAfterSeconds };
  }

  /** True when a recovery must be refused. */
  refusesRecovery(): boolean {
    if (this.#plan.refuseRecovery) this.counts.recoveriesRefused += 1;
    return this.#plan.refuseRecovery;
  }

  /** Lets a message through: not at all, once or twice, now or late, never out of order. */
  pass(deliver: () => void): void {
    for (let times = this.#timesToDeliver(); times > 0; times -= 1) {
      if (this.#plan.delayMs === 0 && this.#late.length === 0) deliver();
      else this.#later(deliver);
    }
    this.#published += 1;
    if (this.#plan.cutEvery > 0 && this.#published % this.#plan.cutEvery === 0) this.cut();
  }

  /** Forgets what is still delayed. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#late = [];
  }

  #timesToDeliver(): 0 | 1 | 2 {
    const plan = this.#plan;
    if (plan.dropNext > 0) {
      plan.dropNext -= 1;
      this.counts.dropped += 1;
      return 0;
    }
    if (plan.dropFraction > 0 && this.#random() < plan.dropFraction) {
      this.counts.dropped += 1;
      return 0;
    }
    if (plan.duplicateNext > 0) {
      plan.duplicateNext -= 1;
      this.counts.duplicated += 1;
      return 2;
    }
    if (plan.duplicateFraction > 0 && this.#random() < plan.duplicateFraction) {
      this.counts.duplicated += 1;
      return 2;
    }
    return 1;
  }

  /** Timers may fire in any order, so each delivers the oldest message that waits. */
  #later(deliver: () => void): void {
    this.#late.push(deliver);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#late.shift()?.();
    }, this.#plan.delayMs);
    this.#timers.add(timer);
  }
}

/** Numbers from 0 to 1, the same for the same seed (a 32-bit linear congruential generator, high bits used). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
