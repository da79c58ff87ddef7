/** A clock that can be moved on, and never goes back. */
export class OffsetClock {
  readonly #base: () => number;
  #offsetMs = 0;

  /** @param base epoch milliseconds */
  constructor(base: () => number) {
    this.#base = base;
  }

  /** Epoch milliseconds. */
  readonly now = (): number => this.#base() + this.#offsetMs;

  advance(milliseconds: number): void {
    this.#offsetMs += milliseconds;
  }
}
