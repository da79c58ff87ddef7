/** The bytes of a detector's memory: a fixed order of numbers, no names, base64 in JSON so that it stays small. */

/** Collects numbers in order; whoever reads them asks in the same order. */
export class StateWriter {
  #view = new DataView(new ArrayBuffer(4096));
  #at = 0;

  #claim(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    return start;
  }

  /** A number in full precision. */
  number(value: number): void {
    this.#view.setFloat64(this.#claim(8), value, true);
  }

  /** The first `count` 32-bit floats of an array, preceded by their number. */
  floats(values: Float32Array, count: number): void {
    this.#view.setUint16(this.#claim(2), count, true);
    for (let i = 0; i < count; i++) this.#view.setFloat32(this.#claim(4), values[i] ?? 0, true);
  }

  /** All bytes of an array. */
  bytes(values: Uint8Array): void {
    for (const value of values) this.#view.setUint8(this.#claim(1), value);
  }

  toBase64(): string {
    return Buffer.from(this.#view.buffer, 0, this.#at).toString('base64');
  }
}

/** Reads what a {@link StateWriter} wrote. Every method throws a RangeError where the state is cut short. */
export class StateReader {
  #view: DataView;
  #at = 0;

  constructor(base64: string) {
    const bytes = Buffer.from(base64, 'base64');
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #claim(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    return start;
  }

  number(): number {
    return this.#view.getFloat64(this.#claim(8), true);
  }

  /** Fills the head of an array and returns how many floats came. */
  floats(into: Float32Array, max: number): number {
    const count = this.#view.getUint16(this.#claim(2), true);
    if (count > max) throw new RangeError(`A detector's state holds ${count} values where at most ${max} fit.`);
    for (let i = 0; i < count; i++) into[i] = this.#view.getFloat32(this.#claim(4), true);
    return count;
  }

  bytes(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.#view.getUint8(this.#claim(1));
  }

  /** @throws {RangeError} when bytes are left: the state was written by another version */
  end(): void {
    if (this.#at !== this.#view.byteLength) {
      throw new RangeError(`A detector's state has ${this.#view.byteLength - this.#at} bytes too many.`);
    }
  }
}
