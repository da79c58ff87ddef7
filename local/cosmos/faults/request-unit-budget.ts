/** Request units that a container may spend a second, as provisioned throughput does: beyond it, 429 and a wait. */

interface Budget {
  perSecond: number;
  /** What is left; below zero after an operation that cost more than there was. */
  available: number;
  /** Epoch milliseconds of the last refill. */
  at: number;
}

/** The key of the budget that every container without one of its own has. */
const EVERY_CONTAINER = '*';

export class RequestUnitBudgets {
  readonly #now: () => number;
  #limits = new Map<string, number>();
  #budgets = new Map<string, Budget>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Limits one container by its id, or every container, each for itself. */
  limit(perSecond: number, container: string = EVERY_CONTAINER): void {
    this.#limits.set(container, perSecond);
    this.#budgets.clear();
  }

  /** Lifts every limit. */
  clear(): void {
    this.#limits.clear();
    this.#budgets.clear();
  }

  /** Milliseconds that an operation on this container has to wait; 0 = go on. */
  wait(container: string | undefined): number {
    const budget = this.#budget(container);
    if (!budget || budget.available > 0) return 0;
    return Math.floor((-budget.available / budget.perSecond) * 1000) + 1;
  }

  /** Takes what an operation has cost. */
  spend(container: string | undefined, charge: number): void {
    const budget = this.#budget(container);
    if (budget) budget.available -= charge;
  }

  #budget(container: string | undefined): Budget | undefined {
    const perSecond =
      container === undefined ? undefined : (this.#limits.get(container) ?? this.#limits.get(EVERY_CONTAINER));
    if (container === undefined || perSecond === undefined) return undefined;
    const now = this.#now();
    let budget = this.#budgets.get(container);
    if (!budget) this.#budgets.set(container, (budget = { perSecond, available: perSecond, at: now }));
    budget.available = Math.min(perSecond, budget.available + (Math.max(0, now - budget.at) / 1000) * perSecond);
    budget.at = now;
    return budget;
  }
}
