/**
 * Request units that a container may spend a second, as provisioned throughput does: beyond it, 429 and a wait. Off until
 * asked for: by a number for one container or every one, or by what the containers' offers say.
 */
import type { Operation } from '../protocol/classify.ts';

interface Budget {
  perSecond: number;
  /** What is left; below zero after an operation that cost more than there was. */
  available: number;
  /** Epoch milliseconds of the last refill. */
  at: number;
}

/** Who spends: a container of a database. */
export type Spender = Pick<Operation, 'database' | 'container'>;
/** RU/s that the offer of a container, or of its database, provisions; undefined when neither has one. */
export type Provisioned = (spender: Spender) => number | undefined;

/** The limits that are set, as they are asked for. */
export type BudgetSetting =
  | { kind: 'request-units'; perSecond: number; container?: string }
  | { kind: 'request-units'; provisioned: true };

/** The key of the budget that every container without one of its own has. */
const EVERY_CONTAINER = '*';

export class RequestUnitBudgets {
  readonly #now: () => number;
  readonly #provisioned: Provisioned;
  #byOffer = false;
  readonly #limits = new Map<string, number>();
  readonly #budgets = new Map<string, Budget>();

  constructor(now: () => number, provisioned: Provisioned) {
    this.#now = now;
    this.#provisioned = provisioned;
  }

  /** Limits one container by its id, or every container, each for itself. */
  limit(perSecond: number, container: string = EVERY_CONTAINER): void {
    this.#limits.set(container, perSecond);
    this.#budgets.clear();
  }

  /** Limits every container that has throughput provisioned to just that; a limit by number goes before it. */
  limitAsProvisioned(): void {
    this.#byOffer = true;
    this.#budgets.clear();
  }

  /** Lifts every limit. */
  clear(): void {
    this.#byOffer = false;
    this.#limits.clear();
    this.#budgets.clear();
  }

  /** The limits. */
  list(): BudgetSetting[] {
    const byNumber = [...this.#limits].map(([container, perSecond]) => ({
      kind: 'request-units' as const,
      perSecond,
      ...(container === EVERY_CONTAINER ? {} : { container }),
    }));
    return this.#byOffer ? [...byNumber, { kind: 'request-units', provisioned: true }] : byNumber;
  }

  /** Milliseconds that an operation of this container has to wait; 0 = go on. */
  wait(spender: Spender): number {
    const budget = this.#budget(spender);
    if (!budget || budget.available > 0) return 0;
    return Math.floor((-budget.available / budget.perSecond) * 1000) + 1;
  }

  /** Takes what an operation has cost. */
  spend(spender: Spender, charge: number): void {
    const budget = this.#budget(spender);
    if (budget) budget.available -= charge;
  }

  #budget(spender: Spender): Budget | undefined {
    const { database, container } = spender;
    if (container === undefined) return undefined;
    const perSecond =
      this.#limits.get(container) ??
      this.#limits.get(EVERY_CONTAINER) ??
      (this.#byOffer ? this.#provisioned(spender) : undefined);
    if (perSecond === undefined) return undefined;
    const now = this.#now();
    const key = JSON.stringify([database, container]);
    let budget = this.#budgets.get(key);
    // An offer may have been replaced.
    if (budget?.perSecond !== perSecond)
      this.#budgets.set(key, (budget = { perSecond, available: perSecond, at: now }));
    budget.available = Math.min(perSecond, budget.available + (Math.max(0, now - budget.at) / 1000) * perSecond);
    budget.at = now;
    return budget;
  }
}
