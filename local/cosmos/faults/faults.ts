/**
 * Trouble on demand, so that callers can prove what they do about it: rules for operations, and settings of disk, budget
 * and clock. Also over HTTP, see faults-endpoint.ts.
 */
import type { DatabaseFile } from '../database-file.ts';
import type { JsonValue } from '../json-value.ts';
import type { Operation } from '../protocol/classify.ts';
import { isSetting, readFault, type FaultRule, type FaultSetting } from './fault-rule.ts';
import type { OffsetClock } from './offset-clock.ts';
import type { RequestUnitBudgets } from './request-unit-budget.ts';

/** Milliseconds asked for when a throttle rule does not say. */
const RETRY_AFTER_MS = 10;
/** What an error rule answers when it does not say. */
const ERROR_STATUS = 500;

type Matching = 'operation' | 'container' | 'subStatus';
/** A rule that waits to strike. */
export type ActiveRule = Required<Omit<FaultRule, Matching>> & Pick<FaultRule, Matching>;

/** What faults act upon. */
export interface FaultTargets {
  file: DatabaseFile;
  budgets: RequestUnitBudgets;
  clock: OffsetClock;
  /** Ends the stand-in as `kill -9` does. */
  kill: () => void;
}

export class Faults {
  #rules: ActiveRule[] = [];
  #diskFull = false;
  #writeDelayMs = 0;
  readonly #targets: FaultTargets;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
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
      status: ERROR_STATUS,
      ...rule,
    });
  }

  /** Ends all rules, makes the disk well again and lifts the budgets; the clock stays where it is. */
  clear(): void {
    this.#rules = [];
    this.diskFull(false);
    this.slowDisk(0);
    this.#targets.budgets.clear();
  }

  /** The rules that have not run out, and the settings that are on. */
  list(): (FaultRule | FaultSetting)[] {
    return [
      ...this.#rules.map((rule) => ({ ...rule })),
      ...(this.#diskFull ? [{ kind: 'disk-full' as const, full: true }] : []),
      ...(this.#writeDelayMs > 0 ? [{ kind: 'slow-disk' as const, delayMs: this.#writeDelayMs }] : []),
      ...this.#targets.budgets.list(),
    ];
  }

  /** Makes the disk full, or gives it room again: then writes that need more space answer 503. */
  diskFull(full: boolean): void {
    this.#diskFull = full;
    this.#targets.file.setFull(full);
  }

  /** Lets every write wait this many milliseconds before it is applied; 0 ends it. */
  slowDisk(delayMs: number): void {
    this.#writeDelayMs = delayMs;
  }

  /** Milliseconds that a write has to wait. */
  get writeDelayMs(): number {
    return this.#writeDelayMs;
  }

  /** Limits request units a second of one container, or of every container; what is beyond answers 429. */
  limitRequestUnits(perSecond: number, container?: string): void {
    this.#targets.budgets.limit(perSecond, container);
  }

  /** Moves the stand-in's clock on: what lives shorter than that is gone. */
  advanceClock(milliseconds: number): void {
    this.#targets.clock.advance(milliseconds);
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

  /** Applies one fault, or several, as they come over HTTP: all of them or none. @throws 400 naming field and rule */
  apply(body: JsonValue): void {
    const faults = (Array.isArray(body) ? body : [body]).map(readFault);
    for (const fault of faults) {
      if (isSetting(fault)) this.#set(fault);
      else this.add(fault);
    }
  }

  #set(setting: FaultSetting): void {
    switch (setting.kind) {
      case 'disk-full':
        return this.diskFull(setting.full);
      case 'slow-disk':
        return this.slowDisk(setting.delayMs);
      case 'request-units':
        if ('provisioned' in setting) return this.#targets.budgets.limitAsProvisioned();
        return this.limitRequestUnits(setting.perSecond, setting.container);
      case 'clock':
        return this.advanceClock(setting.advanceMs);
      case 'kill':
        return this.#targets.kill();
    }
  }
}

/** The next chance of a rule, from 0 up to 1 (a linear congruential generator: repeatable is all it must be). */
function chance(rule: ActiveRule): number {
  rule.seed = (Math.imul(rule.seed, 1664525) + 1013904223) >>> 0;
  return rule.seed / 2 ** 32;
}
