/** The imperfections of the field, seeded: late, repeated, reordered and malformed messages, silence, a wrong clock. */
import type { DeviceEvent } from './playback.ts';
import { randomNumbers } from './random.ts';

/** Share of events that are sent again with the same message id. */
const DUPLICATE_SHARE = 0.02;
/** Share of events that arrive late, with the time at which they were measured. */
const LATE_SHARE = 0.02;
/** How late, in milliseconds. */
const LATE_MS_MIN = 2_000;
const LATE_MS_MAX = 30_000;
/** Share of events that change places with the next one of their device. */
const SWAP_SHARE = 0.02;
/** Share of events that are accompanied by a malformed message. */
const MALFORMED_SHARE = 0.01;
/** How often a device falls silent on average, and for how long, in milliseconds: of time, whatever the speed. */
const SILENCE_EVERY_MS = 500_000;
const SILENCE_MS_MIN = 20_000;
const SILENCE_MS_MAX = 90_000;
/** One device in the fleet has a wrong clock, by one of these, in milliseconds. */
const CLOCK_ERRORS_MS = [2 * 3_600_000, -3 * 3_600_000, 400 * 86_400_000, -9000 * 86_400_000];
/** Bytes of an oversized message: a hub takes it, the product must not. */
const OVERSIZED_BYTES = 300 * 1024;

/** One message as it goes to the hub. A text body is sent as it stands, valid JSON or not. */
export interface Message {
  /** The partition key. */
  key: string;
  body: object | string;
  messageId: string;
}

/** What a well-behaved device sends. */
export function toMessage(event: DeviceEvent): Message {
  return { key: event.deviceId, body: event, messageId: event.messageId };
}

export class Chaos {
  readonly #random: () => number;
  readonly #silentUntil = new Map<string, number>();
  readonly #lastMs = new Map<string, number>();
  readonly #swapped = new Map<string, Message>();
  #late: { atMs: number; message: Message }[] = [];
  #count = 0;
  readonly #wrongClock: { deviceId: string | undefined; byMs: number };

  constructor(seed: number, deviceIds: readonly string[]) {
    this.#random = randomNumbers(seed);
    const deviceId = deviceIds[Math.floor(this.#random() * deviceIds.length)];
    const byMs = CLOCK_ERRORS_MS[Math.floor(this.#random() * CLOCK_ERRORS_MS.length)] ?? 0;
    this.#wrongClock = { deviceId, byMs };
  }

  /** What really goes out when the devices mean to send `events` at `nowMs`. */
  pass(events: readonly DeviceEvent[], nowMs: number): Message[] {
    const out: Message[] = [];
    for (const event of events) this.#passOne(event, nowMs, out);
    const ripe = this.#late.filter(({ atMs }) => atMs <= nowMs);
    this.#late = this.#late.filter(({ atMs }) => atMs > nowMs);
    for (const { message } of ripe) out.push(message);
    return out;
  }

  #passOne(event: DeviceEvent, nowMs: number, out: Message[]): void {
    const { deviceId } = event;
    if (nowMs < (this.#silentUntil.get(deviceId) ?? 0)) return;
    const message = toMessage(this.#withClock(event));
    if (this.#happens(LATE_SHARE)) {
      this.#late.push({ atMs: nowMs + this.#between(LATE_MS_MIN, LATE_MS_MAX), message });
    } else if (!this.#swapped.has(deviceId) && this.#happens(SWAP_SHARE)) {
      this.#swapped.set(deviceId, message);
    } else {
      out.push(message);
      if (this.#happens(DUPLICATE_SHARE)) out.push(message);
      const earlier = this.#swapped.get(deviceId);
      if (earlier) out.push(earlier);
      this.#swapped.delete(deviceId);
    }
    if (this.#happens(MALFORMED_SHARE)) out.push(this.#malformed(event));
    const eventMs = Date.parse(event.ts);
    const sinceLastMs = eventMs - (this.#lastMs.get(deviceId) ?? eventMs);
    this.#lastMs.set(deviceId, eventMs);
    if (this.#happens(sinceLastMs / SILENCE_EVERY_MS)) {
      this.#silentUntil.set(deviceId, nowMs + this.#between(SILENCE_MS_MIN, SILENCE_MS_MAX));
    }
  }

  #withClock(event: DeviceEvent): DeviceEvent {
    if (event.deviceId !== this.#wrongClock.deviceId) return event;
    return { ...event, ts: new Date(Date.parse(event.ts) + this.#wrongClock.byMs).toISOString() };
  }

  #malformed(event: DeviceEvent): Message {
    const messageId = `${event.messageId}-bad-${++this.#count}`;
    const good = { ...event, messageId };
    const bodies: (() => object | string)[] = [
      () => JSON.stringify(good).slice(0, -12),
      () => 'not JSON at all \u0000',
      () => ({ ...good, readings: [1, 2, 3] }),
      () => ({ ...good, readings: { temperature: { value: 20 } } }),
      () => ({ ...good, ts: 'yesterday' }),
      () => ({ ...good, deviceId: 42 }),
      () => ({ ...good, deviceId: `nobody-${this.#count}` }),
      () => ({ ...good, tenantId: 'somebody-else' }),
      () => ({ ...good, readings: { note: 'x'.repeat(OVERSIZED_BYTES) } }),
    ];
    const make = bodies[Math.floor(this.#random() * bodies.length)];
    return { key: event.deviceId, body: make?.() ?? '', messageId };
  }

  #happens(share: number): boolean {
    return this.#random() < share;
  }

  #between(min: number, max: number): number {
    return min + this.#random() * (max - min);
  }
}
