/**
 * Trouble on request, so that an app can prove what it does about it. A rule says what goes wrong, with which function and
 * how often; chance is seeded, so that a run can be repeated. Over HTTP: `POST /$faults` with a rule or an array of them,
 * `GET /$faults` for what is left and what has struck, `DELETE /$faults` to end all.
 */
import { z } from 'zod';

/** Milliseconds that a rule may delay by. */
const DELAY_MS_MAX = 600_000;
/** Rules in force at a time. */
const RULES_MAX = 1000;
/** Milliseconds that the clock may be moved by in one request: a year. */
const ADVANCE_MS_MAX = 366 * 24 * 60 * 60 * 1000;

/** What may go wrong with an invocation. */
const FAULT_KINDS = [
  /** It fails before the handler runs. */
  'fail',
  /** The handler runs, its outputs are written, and then it counts as failed: what follows is done twice. */
  'lose-result',
  /** It waits first. */
  'delay',
  /** What triggered it is delivered a second time, right behind. Not for HTTP. */
  'duplicate',
  /** The host process dies as by `kill -9`, before the handler. */
  'kill-before',
  /** The host process dies behind the handler: nothing has been checkpointed or answered. */
  'kill-after',
  /** HTTP: refused with 429 and Retry-After, the function does not run. */
  'throttle',
  /** HTTP: the function runs, and its answer is lost with the connection. */
  'drop',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const rule = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  /** Only this function. */
  function: z.string().min(1).optional(),
  /** Matching invocations let through first. */
  after: z.number().int().min(0).default(0),
  /** Times it strikes; -1 = until cleared. */
  count: z.number().int().min(-1).default(1),
  /** Chance that a matching invocation is struck. */
  probability: z.number().min(0).max(1).default(1),
  /** Start of the sequence of chances. */
  seed: z.number().int().min(0).default(1),
  /** Milliseconds of `delay`. */
  delayMs: z.number().int().min(0).max(DELAY_MS_MAX).default(0),
  /** Seconds that `throttle` asks to wait. */
  retryAfterSeconds: z.number().int().min(0).default(1),
});
export type FaultRule = z.output<typeof rule>;

/** What happens at once instead of at an invocation. */
const action = z.discriminatedUnion('kind', [
  /** Resets every HTTP connection. */
  z.strictObject({ kind: z.literal('cut') }),
  /** Ends the process as `kill -9` does. */
  z.strictObject({ kind: z.literal('kill') }),
  /** Moves the host's clock on: timers come due, retry delays and leases end. */
  z.strictObject({ kind: z.literal('clock'), advanceMs: z.number().int().min(0).max(ADVANCE_MS_MAX) }),
]);
export type FaultAction = z.output<typeof action>;

const ACTION_KINDS: readonly unknown[] = ['cut', 'kill', 'clock'];

/** A request for trouble that makes no sense: which field, and the rule. */
export class BadFault extends Error {}

/** Reads a rule or an action. @throws BadFault */
function parseFault(value: unknown): FaultRule | FaultAction {
  const kind = (value as { kind?: unknown } | null)?.kind;
  const parsed = (ACTION_KINDS.includes(kind) ? action : rule).safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const known = issue?.path[0] === 'kind' ? `, of ${[...ACTION_KINDS, ...FAULT_KINDS].join(', ')}` : '';
  throw new BadFault(`${issue?.path.join('.') || 'A fault'}: ${issue?.message}${known}.`);
}

function isAction(fault: FaultRule | FaultAction): fault is FaultAction {
  return ACTION_KINDS.includes(fault.kind);
}

/** What the actions act upon. */
export interface FaultTargets {
  cut: () => void;
  kill: () => void;
  advanceClock: (milliseconds: number) => void;
}

interface ActiveRule {
  rule: FaultRule;
  random: () => number;
}

export class Faults {
  readonly #targets: FaultTargets;
  readonly #counts = new Map<FaultKind, number>();
  #rules: ActiveRule[] = [];

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  /** Adds rules and takes actions, in their order, or does nothing at all. @throws BadFault */
  apply(body: unknown): void {
    const faults = (Array.isArray(body) ? body : [body]).map(parseFault);
    if (this.#rules.length + faults.length > RULES_MAX)
      throw new BadFault(`There may be ${RULES_MAX} rules at a time.`);
    for (const fault of faults) {
      if (isAction(fault)) this.#act(fault);
      else this.#rules.push({ rule: fault, random: randomFrom(fault.seed) });
    }
  }

  /** Ends all rules. */
  clear(): void {
    this.#rules = [];
  }

  /** The rules that have not run out, and how often each kind has struck since the start. */
  list(): { rules: FaultRule[]; counts: Record<string, number> } {
    return {
      rules: this.#rules.map(({ rule: active }) => active),
      counts: Object.fromEntries(this.#counts),
    };
  }

  /** The rule of this kind that strikes an invocation, counted as having struck. */
  take(kind: FaultKind, functionName: string): FaultRule | undefined {
    const name = functionName.toLowerCase();
    for (const active of this.#rules) {
      const { rule: candidate, random } = active;
      if (candidate.kind !== kind || (candidate.function ?? name).toLowerCase() !== name) continue;
      if (candidate.after > 0) {
        candidate.after -= 1;
        continue;
      }
      if (candidate.count === 0 || (candidate.probability < 1 && random() >= candidate.probability)) continue;
      if (candidate.count > 0) candidate.count -= 1;
      if (candidate.count === 0) this.#rules = this.#rules.filter((other) => other !== active);
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      return candidate;
    }
    return undefined;
  }

  /** Ends the process, if a rule says so. */
  killIfDue(kind: 'kill-before' | 'kill-after', functionName: string): void {
    if (this.take(kind, functionName)) this.#targets.kill();
  }

  #act(fault: FaultAction): void {
    switch (fault.kind) {
      case 'cut':
        return this.#targets.cut();
      case 'kill':
        return this.#targets.kill();
      case 'clock':
        return this.#targets.advanceClock(fault.advanceMs);
    }
  }
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
