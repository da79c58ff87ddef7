/** Ingress as throughput units allow it: what is beyond is refused as busy. */

/** Events and bytes a second that one throughput unit takes in. */
const UNIT_EVENTS = 1000;
const UNIT_BYTES = 1_000_000;

/** Counts what came in during the current second. */
export class IngressMeter {
  #second = -1;
  #events = 0;
  #bytes = 0;

  /**
   * Whether a send fits into this second, and counts it if so. The first of a second always fits: one that is larger than
   * the limit would otherwise never be taken.
   */
  admits(units: number, events: number, bytes: number, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#events = 0;
      this.#bytes = 0;
    }
    const fits = this.#events + events <= units * UNIT_EVENTS && this.#bytes + bytes <= units * UNIT_BYTES;
    if (!fits && this.#events > 0) return false;
    this.#events += events;
    this.#bytes += bytes;
    return true;
  }
}
