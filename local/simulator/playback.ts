/** Decides which device sends what and when: pure arithmetic on the fleet and a given now. */
import type { Fleet } from './fleet.ts';
import { gapAfter, rowAt } from './series.ts';
import type { Readings, Series } from './series.ts';

/** Readings a second and device at speed 1, for a recording with even intervals. */
const READINGS_PER_SECOND = 1;
/** Fastest speed: beyond it two readings of a device would share a millisecond. */
const SPEED_MAX = 1000;

/** One event as a device means it. */
export interface DeviceEvent {
  deviceId: string;
  /** Event time, ISO 8601 in UTC. */
  ts: string;
  readings: Readings;
  messageId: string;
}

interface Player {
  deviceId: string;
  series: Series;
  position: number;
  dueMs: number;
}

export class Playback {
  readonly #players: Player[];
  readonly #intervalMs: number;
  readonly #run: string;
  #count = 0;

  /**
   * @param speed how many times faster than one usual recorded interval a second
   * @param startMs when the first device begins; the others follow evenly within one interval
   */
  constructor(fleet: Fleet, speed: number, startMs: number) {
    if (!(speed > 0 && speed <= SPEED_MAX)) {
      throw new RangeError(`The simulator's speed must be above 0 and at most ${SPEED_MAX}, not ${speed}.`);
    }
    this.#intervalMs = 1000 / (READINGS_PER_SECOND * speed);
    this.#run = startMs.toString(36);
    this.#players = fleet.devices.flatMap(({ id }, index) => {
      const series = fleet.series.get(id);
      const dueMs = startMs + (index * this.#intervalMs) / fleet.devices.length;
      return series && series.rows.length > 0 ? [{ deviceId: id, series, position: 0, dueMs }] : [];
    });
  }

  /** When the next reading is due, epoch milliseconds. */
  get nextMs(): number {
    return this.#players.reduce((next, player) => Math.min(next, player.dueMs), Infinity);
  }

  /** Takes all events that are due by `nowMs`, each with the event time at which it was due. */
  due(nowMs: number): DeviceEvent[] {
    const events: DeviceEvent[] = [];
    for (const player of this.#players) {
      while (player.dueMs <= nowMs) events.push(this.#next(player));
    }
    return events;
  }

  /** Lets the time up to `nowMs` pass unused: after an outage the devices go on, they do not catch up. */
  skipTo(nowMs: number): void {
    const behind = nowMs - this.nextMs;
    if (behind > 0) for (const player of this.#players) player.dueMs += behind;
  }

  #next(player: Player): DeviceEvent {
    const { deviceId, series, position, dueMs } = player;
    player.position++;
    player.dueMs += gapAfter(series, position) * this.#intervalMs;
    return {
      deviceId,
      ts: new Date(Math.floor(dueMs)).toISOString(),
      readings: series.rows[rowAt(series, position)] ?? {},
      messageId: `${deviceId}-${this.#run}-${++this.#count}`,
    };
  }
}
