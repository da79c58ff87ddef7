/**
 * Trouble on demand, so that callers can prove what they do about it: throttling, unavailability, delay, a connection
 * that is cut before the request is applied or after. Also over HTTP: `POST /$faults` with a rule or an array of rules
 * as JSON, `GET /$faults` for those that are left, `DELETE /$faults` to end all. `{"kind":"disk-full"}`,
 * `{"kind":"request-units","perSecond":400,"container":"c"}` and `{"kind":"clock","advanceMs":60000}` go the same way.
 */
import type { DatabaseFile } from '../database-file.ts';
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import type { Operation } from '../protocol/classify.ts';
import { OPERATION_KINDS, type OperationKind } from '../protocol/message.ts';
import type { OffsetClock } from './offset-clock.ts';
import type { RequestUnitBudgets } from './request-unit-budget.ts';

/** What may go wrong with an operation. */
const FAULT_KINDS = ['throttle', 'unavailable', 'delay', 'cut-before', 'cut-after'] as const;

/** A rule: what goes wrong, with which operations, how often. */
export interface FaultRule {
  /**
   * throttle = 429; unavailable = 503, nothing applied; delay = wait first; cut-before = close the connection, nothing applied;
   * cut-after = apply, then close the connection before the answer (the caller cannot know).
   */
  kind: (typeof FAULT_KINDS)[number];
  /** Only this kind of operation. */
  operation?: OperationKind;
  /** Only operations on this container. */
  container?: string;
  /** Matching operations let through first. */
  after?: number;
  /** Times it happens; 1 when absent, -1 = until cleared. */
  count?: number;
  /** Chance that a matching operation is hit, above 0 and up to 1; 1 when absent. */
  probability?: number;
  /** Start of the sequence of chances: the same seed hits the same operations. */
  seed?: number;
  /** Milliseconds of `delay`. */
  delayMs?: number;
  /** Milliseconds that `throttle` asks to wait. */
  retryAfterMs?: number;
}

/** Milliseconds asked for when a throttle rule does not say. */
const RETRY_AFTER_MS = 10;
/** Milliseconds that a rule may ask for. */
const WAIT_MAX_MS = 600_000;
const WAITS = new Set(['delayMs', 'retryAfterMs']);

interface ActiveRule extends Required<Omit<FaultRule, 'operation' | 'container'>> {
  operation?: OperationKind;
  container?: string;
}

export class Faults {
  #rules: ActiveRule[] = [];
  readonly #file: DatabaseFile;
  readonly #budgets: RequestUnitBudgets;
  readonly #clock: OffsetClock;

  constructor(file: DatabaseFile, budgets: RequestUnitBudgets, clock: OffsetClock) {
    this.#file = file;
    this.#budgets = budgets;
    this.#clock = clock;
  }

  /** Adds a rule; rules apply in the order they were added, the first that matches decides. */
  add(rule: FaultRule): void {
    this.#rules.push({
      after: 0,
      count: 1,
      delayMs: 0,
      retryAfterMs: RETRY_AFTER_MS,
      probability: 1,
      seed: 1,
      ...rule,
    });
  }

  /** Ends all rules, gives the disk its room back and lifts the budgets. */
  clear(): void {
    this.#rules = [];
    this.#file.setFull(false);
    this.#budgets.clear();
  }

  /** The rules that have not run out. */
  list(): FaultRule[] {
    return this.#rules.map((rule) => ({ ...rule }));
  }

  /** Makes the disk full, or gives it room again: then writes that need more space answer 503. */
  diskFull(full: boolean): void {
    this.#file.setFull(full);
  }

  /** Limits request units a second of one container, or of every container; what is beyond answers 429. */
  limitRequestUnits(perSecond: number, container?: string): void {
    this.#budgets.limit(perSecond, container);
  }

  /** Moves the stand-in's clock on: what lives shorter than that is gone. */
  advanceClock(milliseconds: number): void {
    this.#clock.advance(milliseconds);
  }

  /** The rule that an operation meets, counted as having happened. */
  take(operation: Operation): ActiveRule | undefined {
    const rule = this.#rules.find(
      (candidate) =>
        (candidate.operation === undefined || candidate.operation === operation.kind) &&
        (candidate.container === undefined || candidate.container === operation.container),
    );
    if (!rule) return undefined;
    if (rule.after > 0) {
      rule.after--;
      return undefined;
    }
    if (rule.probability < 1 && chance(rule) >= rule.probability) return undefined;
    if (rule.count > 0 && --rule.count === 0) this.#rules = this.#rules.filter((other) => other !== rule);
    return rule;
  }

  /** Applies what `POST /$faults` sends. @throws 400 naming field and rule */
  apply(body: JsonValue): void {
    const list = Array.isArray(body) ? body : [body];
    const actions = list.map((entry) => this.#action(entry));
    for (const action of actions) action();
  }

  #action(entry: JsonValue): () => void {
    if (!isJsonObject(entry)) throw badRequest('A fault must be a JSON object.');
    const { kind } = entry;
    if (kind === 'disk-full') {
      const { full = true } = entry;
      if (typeof full !== 'boolean') throw badRequest('The field full of disk-full must be true or false.');
      return () => this.diskFull(full);
    }
    if (kind === 'request-units') {
      const perSecond = whole(entry, 'perSecond', 1);
      const container = text(entry, 'container');
      return () => this.limitRequestUnits(perSecond ?? 1, container);
    }
    if (kind === 'clock') {
      const advanceMs = whole(entry, 'advanceMs', 0) ?? 0;
      return () => this.advanceClock(advanceMs);
    }
    const rule = readRule(entry);
    return () => this.add(rule);
  }
}

function readRule(entry: JsonObject): FaultRule {
  const kind = FAULT_KINDS.find((known) => known === entry['kind']);
  if (kind === undefined)
    throw badRequest(
      `The kind ${JSON.stringify(entry['kind'] ?? null)} of a fault must be one of ${[...FAULT_KINDS, 'disk-full', 'request-units', 'clock'].join(', ')}.`,
    );
  const operationName = text(entry, 'operation');
  const operation = OPERATION_KINDS.find((known) => known === operationName);
  if (operationName !== undefined && operation === undefined)
    throw badRequest(`The operation '${operationName}' of a fault must be one of ${OPERATION_KINDS.join(', ')}.`);
  const rule: Record<keyof FaultRule, Value> = {
    kind,
    operation,
    container: text(entry, 'container'),
    after: whole(entry, 'after', 0),
    count: whole(entry, 'count', -1),
    probability: share(entry, 'probability'),
    seed: whole(entry, 'seed', 0),
    delayMs: whole(entry, 'delayMs', 0),
    retryAfterMs: whole(entry, 'retryAfterMs', 0),
  };
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) as unknown as FaultRule;
}

function text(entry: JsonObject, field: string): string | undefined {
  const value = entry[field];
  if (value !== undefined && typeof value !== 'string')
    throw badRequest(`The field ${field} of a fault must be a string.`);
  return value;
}

function whole(entry: JsonObject, field: string, min: number): number | undefined {
  const value = entry[field];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || (WAITS.has(field) && value > WAIT_MAX_MS))
    throw badRequest(`The field ${field} of a fault must be a whole number of ${min} or more.`);
  return value;
}

function share(entry: JsonObject, field: string): number | undefined {
  const value = entry[field];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value > 0 && value <= 1))
    throw badRequest(`The field ${field} of a fault must be a number above 0 and up to 1.`);
  return value;
}

/** The next chance of a rule, from 0 up to 1 (a linear congruential generator: repeatable is all it must be). */
function chance(rule: ActiveRule): number {
  rule.seed = (Math.imul(rule.seed, 1664525) + 1013904223) >>> 0;
  return rule.seed / 2 ** 32;
}
