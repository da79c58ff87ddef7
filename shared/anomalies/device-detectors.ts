/** The detectors of one device: one per numeric parameter, mutable, saved as one item of their own. */
import { Detector } from './detector.ts';
import type { DetectorState } from './detector.ts';

/** Parameters of one device that get a detector: the first ones that send a number. Bounds the saved item to 128 KB. */
export const DETECTORS_MAX = 32;

/** What the detectors need of a telemetry event. */
export interface DetectorInput {
  /** Event time, epoch milliseconds. */
  ts: number;
  readings: Readonly<Record<string, number | string | boolean>>;
}

/** The saved detectors of a device: state by parameter name. */
export type DeviceDetectorsState = Record<string, DetectorState>;

export class DeviceDetectors {
  readonly #detectors = new Map<string, Detector>();

  /** Parameters whose saved state could not be read: they learn from the beginning. */
  readonly restarted: string[] = [];

  /**
   * Detectors that go on where the saved ones were; without a state, detectors that know nothing. Never throws: a state
   * that is damaged, or was written by another version, costs its parameter the memory and must not stop the ingest.
   */
  static restore(state: DeviceDetectorsState = {}): DeviceDetectors {
    const device = new DeviceDetectors();
    for (const [parameter, saved] of Object.entries(state)) {
      try {
        device.#detectors.set(parameter, Detector.restore(saved));
      } catch {
        device.#detectors.set(parameter, new Detector());
        device.restarted.push(parameter);
      }
    }
    return device;
  }

  /** The detector of a parameter, made when first asked for; undefined beyond {@link DETECTORS_MAX} parameters. */
  of(parameter: string): Detector | undefined {
    let detector = this.#detectors.get(parameter);
    if (!detector && this.#detectors.size < DETECTORS_MAX) {
      detector = new Detector();
      this.#detectors.set(parameter, detector);
    }
    return detector;
  }

  /** Learns an event without judging it: replays what was applied after the state was saved. */
  learn(event: DetectorInput): void {
    for (const parameter in event.readings) {
      const value = event.readings[parameter];
      if (typeof value === 'number') this.of(parameter)?.update(value, event.ts, 0);
    }
  }

  /** The memories as JSON, at most 4 KB a parameter. */
  state(): DeviceDetectorsState {
    return Object.fromEntries([...this.#detectors].map(([parameter, detector]) => [parameter, detector.state()]));
  }
}
