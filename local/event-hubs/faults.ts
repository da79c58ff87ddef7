/**
 * Trouble on request: what the network and the service do on a bad day, so that clients can be tested against it. Counts
 * say how often a fault strikes from now on; rates strike at random, repeatably, from a seed.
 */

const LINK_KINDS = ['readers', 'senders', 'all'] as const;
const COUNTED = ['throttleSends', 'dropAccepts', 'duplicateDeliveries', 'failWrites'] as const;

/** Which links a detach strikes. */
export type LinkKind = (typeof LINK_KINDS)[number];
/** Faults that strike a number of times, or at a rate. */
export type CountedFault = (typeof COUNTED)[number];

/** Milliseconds a fault may delay by: longer than every client's patience serves nothing. */
const DELAY_MS_MAX = 600_000;
const COUNT_MAX = 1_000_000_000;

/** A request for trouble. Absent fields stay as they are. */
export interface FaultPlan {
  /** Destroys every socket now. */
  readonly cutConnections?: boolean;
  /** Detaches links now, with `amqp:link:detach-forced`. */
  readonly detachLinks?: LinkKind;
  /** Refuses the next N sends with server-busy. */
  readonly throttleSends?: number;
  /** Stores the next N sends but never answers them. */
  readonly dropAccepts?: number;
  /** Delivers each of the next N events twice. */
  readonly duplicateDeliveries?: number;
  /** Fails the next N writes to disk as a full disk does. */
  readonly failWrites?: number;
  /** Milliseconds every answer and every delivery waits from now on; 0 ends it. */
  readonly delayMs?: number;
  /** Chance, 0 to 1, of each of the counted faults, apart from their counts. */
  readonly rates?: Readonly<Partial<Record<CountedFault, number>>>;
  /** Seed of the chances. */
  readonly seed?: number;
}

/** The faults that have not struck yet. */
export interface FaultState extends Record<CountedFault, number> {
  readonly delayMs: number;
  readonly rates: Readonly<Partial<Record<CountedFault, number>>>;
}

/** What the faults act upon. */
export interface FaultTargets {
  /** Destroys every socket; returns how many. */
  cutConnections(): number;
  /** Detaches the links of this kind; returns how many. */
  detachLinks(kind: LinkKind): number;
}

/** A fault plan that makes no sense: which field, and the rule. */
export class BadFaultPlan extends Error {
  override readonly name = 'BadFaultPlan';
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

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCounted = (name: string): name is CountedFault => COUNTED.some((known) => known === name);

function numberIn(name: string, value: unknown, max: number, whole: boolean): void {
  const fits = typeof value === 'number' && value >= 0 && value <= max && (!whole || Number.isInteger(value));
  if (!fits) throw new BadFaultPlan(`${name} must be a ${whole ? 'whole ' : ''}number from 0 to ${max}.`);
}

/** Checks a plan that came from outside. @throws BadFaultPlan naming the field and the rule */
export function parseFaultPlan(value: unknown): FaultPlan {
  if (!isRecord(value)) throw new BadFaultPlan('The plan must be a JSON object.');
  for (const [name, field] of Object.entries(value)) {
    if (isCounted(name)) numberIn(name, field, COUNT_MAX, true);
    else if (name === 'delayMs') numberIn(name, field, DELAY_MS_MAX, false);
    else if (name === 'seed') numberIn(name, field, 0xffff_ffff, true);
    else if (name === 'cutConnections') {
      if (typeof field !== 'boolean') throw new BadFaultPlan('cutConnections must be true or false.');
    } else if (name === 'detachLinks') {
      if (!LINK_KINDS.some((kind) => kind === field)) {
        throw new BadFaultPlan(`detachLinks must be one of ${LINK_KINDS.join(', ')}.`);
      }
    } else if (name === 'rates') {
      if (!isRecord(field)) throw new BadFaultPlan('rates must be an object.');
      for (const [fault, rate] of Object.entries(field)) {
        if (!isCounted(fault)) throw new BadFaultPlan(`rates.${fault} is unknown. Known: ${COUNTED.join(', ')}.`);
        numberIn(`rates.${fault}`, rate, 1, false);
      }
    } else {
      const known = [...COUNTED, 'delayMs', 'cutConnections', 'detachLinks', 'rates', 'seed'];
      throw new BadFaultPlan(`${name} is unknown. Known: ${known.join(', ')}.`);
    }
  }
  return value;
}

/** The faults of one stand-in. */
export class Faults {
  readonly #targets: FaultTargets;
  readonly #counts: Record<CountedFault, number> = {
    throttleSends: 0,
    dropAccepts: 0,
    duplicateDeliveries: 0,
    failWrites: 0,
  };
  #rates: Readonly<Partial<Record<CountedFault, number>>> = {};
  #random = randomFrom(1);
  #delayMs = 0;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  /** Applies a plan; returns how many sockets were cut and links detached by it. @throws BadFaultPlan */
  apply(plan: FaultPlan): { connectionsCut: number; linksDetached: number } {
    const checked = parseFaultPlan(plan);
    for (const name of COUNTED) this.#counts[name] = checked[name] ?? this.#counts[name];
    this.#delayMs = checked.delayMs ?? this.#delayMs;
    if (checked.seed !== undefined) this.#random = randomFrom(checked.seed);
    if (checked.rates !== undefined) this.#rates = { ...this.#rates, ...checked.rates };
    const linksDetached = checked.detachLinks === undefined ? 0 : this.#targets.detachLinks(checked.detachLinks);
    const connectionsCut = checked.cutConnections === true ? this.#targets.cutConnections() : 0;
    return { connectionsCut, linksDetached };
  }

  /** Ends all faults that have not struck yet. */
  clear(): void {
    for (const name of COUNTED) this.#counts[name] = 0;
    this.#rates = {};
    this.#delayMs = 0;
  }

  /** What is still to come. */
  state(): FaultState {
    return { ...this.#counts, delayMs: this.#delayMs, rates: this.#rates };
  }

  get delayMs(): number {
    return this.#delayMs;
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
}
