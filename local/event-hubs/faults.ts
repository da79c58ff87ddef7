/**
 * Trouble on request: what the network and the service do on a bad day, so that clients can be tested against it. Counts
 * say how often a fault strikes from now on; rates strike at random, repeatably, from a seed. Over HTTP, see
 * faults-endpoint.ts.
 */
import { INTERNAL_ERROR, Refused } from './amqp-error.ts';
import {
  COUNTED,
  type CountedFault,
  type FaultPlan,
  type LinkKind,
  type Operation,
  type Refusal,
  parseFaultPlan,
} from './fault-plan.ts';

/** The faults that have not struck yet, and the settings that are on. */
export interface FaultState extends Record<CountedFault, number> {
  readonly refuse: readonly Required<Refusal>[];
  readonly delayMs: number;
  readonly slowDiskMs: number;
  readonly throughputUnits: number;
  /** Milliseconds by which the clock was moved on. */
  readonly clockMs: number;
  readonly rates: Readonly<Partial<Record<CountedFault, number>>>;
}

/** What the faults act upon. */
export interface FaultTargets {
  /** Destroys every socket; returns how many. */
  cutConnections(): number;
  /** Detaches the links of this kind; returns how many. */
  detachLinks(kind: LinkKind): number;
  /** Ends the process as `kill -9` does. */
  kill(): void;
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

const none = (): Record<CountedFault, number> => ({
  throttleSends: 0,
  dropSends: 0,
  dropAccepts: 0,
  duplicateDeliveries: 0,
  failWrites: 0,
});

/** The faults of one stand-in. */
export class Faults {
  readonly #targets: FaultTargets;
  #counts = none();
  #refusals: Required<Refusal>[] = [];
  #rates: FaultState['rates'] = {};
  #random = randomFrom(1);
  #delayMs = 0;
  #slowDiskMs = 0;
  #throughputUnits = 0;
  #clockMs = 0;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  /** Applies a plan; returns how many sockets were cut and links detached by it. @throws BadFaultPlan */
  apply(plan: FaultPlan): { connectionsCut: number; linksDetached: number } {
    const checked = parseFaultPlan(plan);
    for (const name of COUNTED) this.#counts[name] = checked[name] ?? this.#counts[name];
    if (checked.refuse !== undefined) this.#refusals.push({ condition: INTERNAL_ERROR, count: 1, ...checked.refuse });
    this.#delayMs = checked.delayMs ?? this.#delayMs;
    this.#slowDiskMs = checked.slowDiskMs ?? this.#slowDiskMs;
    this.#throughputUnits = checked.throughputUnits ?? this.#throughputUnits;
    this.#clockMs += checked.advanceClockMs ?? 0;
    if (checked.seed !== undefined) this.#random = randomFrom(checked.seed);
    if (checked.rates !== undefined) this.#rates = { ...this.#rates, ...checked.rates };
    const linksDetached = checked.detachLinks === undefined ? 0 : this.#targets.detachLinks(checked.detachLinks);
    const connectionsCut = checked.cutConnections === true ? this.#targets.cutConnections() : 0;
    if (checked.kill === true) this.#targets.kill();
    return { connectionsCut, linksDetached };
  }

  /** Ends all faults that have not struck yet and all settings; the clock stays where it is. */
  clear(): void {
    this.#counts = none();
    this.#refusals = [];
    this.#rates = {};
    this.#delayMs = 0;
    this.#slowDiskMs = 0;
    this.#throughputUnits = 0;
  }

  /** What is still to come. */
  state(): FaultState {
    return {
      ...this.#counts,
      refuse: this.#refusals.map((refusal) => ({ ...refusal })),
      delayMs: this.#delayMs,
      slowDiskMs: this.#slowDiskMs,
      throughputUnits: this.#throughputUnits,
      clockMs: this.#clockMs,
      rates: this.#rates,
    };
  }

  get delayMs(): number {
    return this.#delayMs;
  }
  get slowDiskMs(): number {
    return this.#slowDiskMs;
  }
  /** 0 when there is no limit. */
  get throughputUnits(): number {
    return this.#throughputUnits;
  }
  get clockMs(): number {
    return this.#clockMs;
  }

  /** Whether this fault strikes now; counts it. */
  strikes(name: CountedFault): boolean {
    if (this.#counts[name] > 0) {
      this.#counts[name] -= 1;
      return true;
    }
    const rate = this.#rates[name] ?? 0;
    return rate > 0 && this.#random() < rate;
  }

  /** Lets an operation pass, or counts its refusal. @throws Refused with the condition that was asked for */
  pass(operation: Operation): void {
    const refusal = this.#refusals.find((each) => each.operation === operation && each.count > 0);
    if (refusal === undefined) return;
    this.#refusals = this.#refusals
      .map((each) => (each === refusal ? { ...each, count: each.count - 1 } : each))
      .filter(({ count }) => count > 0);
    throw new Refused(refusal.condition, `The ${operation} was refused: a fault was asked for.`);
  }
}
