/** The newest frame per device, for streams that want at most one per device and interval. */
export class Newest {
  readonly #frames = new Map<string, string>();
  #chars = 0;

  /** Characters held. */
  get chars(): number {
    return this.#chars;
  }

  get size(): number {
    return this.#frames.size;
  }

  set(deviceId: string, frame: string): void {
    this.#chars += frame.length - (this.#frames.get(deviceId)?.length ?? 0);
    // Set anew, so that the order is the order of what is newest.
    this.#frames.delete(deviceId);
    this.#frames.set(deviceId, frame);
  }

  /** Everything held, oldest first; nothing is held then. */
  take(): string {
    const frames = [...this.#frames.values()].join('');
    this.#frames.clear();
    this.#chars = 0;
    return frames;
  }
}
