/** What may be asked of the faults, and what is refused: the shape of `POST /$faults`. */

const LINK_KINDS = ['readers', 'senders', 'all'] as const;
export const COUNTED = ['throttleSends', 'dropSends', 'dropAccepts', 'duplicateDeliveries', 'failWrites'] as const;
const OPERATIONS = ['send', 'read', 'management', 'token'] as const;

/** Which links a detach strikes. */
export type LinkKind = (typeof LINK_KINDS)[number];
/** Faults that strike a number of times, or at a rate. */
export type CountedFault = (typeof COUNTED)[number];
/** What can be refused: a send, the opening of a reader, a request for properties, a token. */
export type Operation = (typeof OPERATIONS)[number];

/** The next operations of a kind are refused with an AMQP condition. */
export interface Refusal {
  readonly operation: Operation;
  /** Such as `amqp:internal-error`, which it is when absent. */
  readonly condition?: string;
  /** How many; 1 when absent. */
  readonly count?: number;
}

/** A request for trouble. Absent fields stay as they are. */
export interface FaultPlan {
  /** Destroys every socket now. */
  readonly cutConnections?: boolean;
  /** Detaches links now, with `amqp:link:detach-forced`. */
  readonly detachLinks?: LinkKind;
  /** Ends the process now, as `kill -9` does. */
  readonly kill?: boolean;
  /** Refuses the next N sends with server-busy. */
  readonly throttleSends?: number;
  /** Loses the next N sends: neither stored nor answered. */
  readonly dropSends?: number;
  /** Stores the next N sends but never answers them. */
  readonly dropAccepts?: number;
  /** Delivers each of the next N events twice. */
  readonly duplicateDeliveries?: number;
  /** Fails the next N writes to disk as a full disk does. */
  readonly failWrites?: number;
  /** Refuses the next operations of a kind. */
  readonly refuse?: Refusal;
  /** Milliseconds every answer and every delivery waits from now on; 0 ends it. */
  readonly delayMs?: number;
  /** Milliseconds every write to disk takes from now on, nothing else happening meanwhile; 0 ends it. */
  readonly slowDiskMs?: number;
  /** Ingress of the namespace: 1,000 events and 1 MB a second per unit, more is refused as busy; 0 lifts the limit. */
  readonly throughputUnits?: number;
  /** Moves the clock on: for retention, tokens and enqueued times. It is never moved back. */
  readonly advanceClockMs?: number;
  /** Chance, 0 to 1, of each of the counted faults, apart from their counts. */
  readonly rates?: Readonly<Partial<Record<CountedFault, number>>>;
  /** Seed of the chances. */
  readonly seed?: number;
}

/** A fault plan that makes no sense: which field, and the rule. */
export class BadFaultPlan extends Error {
  override readonly name = 'BadFaultPlan';
}

/** Milliseconds a fault may delay by: longer than every client's patience serves nothing. */
const DELAY_MS_MAX = 600_000;
/** Milliseconds a write may take: meanwhile the stand-in answers nobody, nor a request to end the fault. */
const SLOW_DISK_MS_MAX = 10_000;
const COUNT_MAX = 1_000_000_000;
const THROUGHPUT_UNITS_MAX = 40;
/** Milliseconds of a hundred years. */
const CLOCK_MS_MAX = 3_155_760_000_000;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Check = (name: string, value: unknown) => void;

const number =
  (max: number, whole = false): Check =>
  (name, value) => {
    const fits = typeof value === 'number' && value >= 0 && value <= max && (!whole || Number.isInteger(value));
    if (!fits) throw new BadFaultPlan(`${name} must be a ${whole ? 'whole ' : ''}number from 0 to ${max}.`);
  };
const flag: Check = (name, value) => {
  if (typeof value !== 'boolean') throw new BadFaultPlan(`${name} must be true or false.`);
};
const oneOf =
  (known: readonly string[]): Check =>
  (name, value) => {
    if (!known.some((each) => each === value)) throw new BadFaultPlan(`${name} must be one of ${known.join(', ')}.`);
  };
const condition: Check = (name, value) => {
  if (typeof value !== 'string' || !/^[\w.-]+:[\w:.-]{1,100}$/.test(value)) {
    throw new BadFaultPlan(`${name} must be an AMQP condition such as amqp:internal-error.`);
  }
};

/** Checks the fields of an object, each by its own rule. */
const fields =
  (rules: Readonly<Record<string, Check>>): Check =>
  (name, value) => {
    if (!isRecord(value)) throw new BadFaultPlan(`${name} must be ${name === 'The plan' ? 'a JSON' : 'an'} object.`);
    for (const [field, its] of Object.entries(value)) {
      const full = name === 'The plan' ? field : `${name}.${field}`;
      const check = Object.hasOwn(rules, field) ? rules[field] : undefined;
      if (check === undefined) {
        throw new BadFaultPlan(`${full} is unknown. Known: ${Object.keys(rules).join(', ')}.`);
      }
      check(full, its);
    }
  };

const each = (check: Check): Record<CountedFault, Check> => ({
  throttleSends: check,
  dropSends: check,
  dropAccepts: check,
  duplicateDeliveries: check,
  failWrites: check,
});

const refusal = fields({ operation: oneOf(OPERATIONS), condition, count: number(COUNT_MAX, true) });

const PLAN: Readonly<Record<keyof FaultPlan, Check>> = {
  ...each(number(COUNT_MAX, true)),
  refuse: (name, value) => {
    refusal(name, value);
    if (!isRecord(value) || value['operation'] === undefined) {
      throw new BadFaultPlan(`${name}.operation is missing: one of ${OPERATIONS.join(', ')}.`);
    }
  },
  delayMs: number(DELAY_MS_MAX),
  slowDiskMs: number(SLOW_DISK_MS_MAX),
  throughputUnits: number(THROUGHPUT_UNITS_MAX),
  advanceClockMs: number(CLOCK_MS_MAX),
  cutConnections: flag,
  detachLinks: oneOf(LINK_KINDS),
  kill: flag,
  rates: fields(each(number(1))),
  seed: number(0xffff_ffff, true),
};
const plan = fields(PLAN);

/** Checks a plan that came from outside. @throws BadFaultPlan naming the field and the rule */
export function parseFaultPlan(value: unknown): FaultPlan {
  plan('The plan', value);
  return value as FaultPlan;
}
