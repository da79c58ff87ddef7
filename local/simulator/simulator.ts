/**
 * Replays recorded measurements as a fleet of devices: the real producer, event times on the wall clock, for ever.
 *
 * Speed 1 makes the usual interval of a recording one second, whatever it was; pauses keep their proportion. So each
 * device sends about once a second at once, and `speed: 60` sixty times as often. While the hub is away nothing is
 * lost and nothing piles up: the messages that failed are tried again, and the devices go on where they were.
 */
import { Chaos, toMessage } from './chaos.ts';
import type { Message } from './chaos.ts';
import type { Fleet } from './fleet.ts';
import { openHubProducer } from './hub-producer.ts';
import type { HubProducer } from './hub-producer.ts';
import { Playback } from './playback.ts';

/** Least time between two rounds of sending, milliseconds: at high speed a round carries several readings a device. */
const ROUND_MS = 100;
/** Most time between two rounds, milliseconds: what chaos holds back must go out although nothing new is due. */
const ROUND_MS_MAX = 1_000;
/** Pauses between attempts while the hub is away, milliseconds. */
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 8_000;
/** How long stopping may take, milliseconds: the SDK can wait for ever for a hub that dies in that very moment. */
const STOP_MS_MAX = 2_000;
/** How far the devices may lag behind the clock before they skip, milliseconds. */
const LAG_MS_MAX = 2_000;

export interface SimulatorOptions {
  connectionString: string;
  eventHub: string;
  fleet: Fleet;
  /** How many times faster than one usual interval of the recording a second; at most 1000. */
  speed?: number;
  /** With the imperfections of the field; see chaos.ts for their frequencies. */
  chaos?: boolean;
  /** Makes chaos repeatable. */
  seed?: number;
  now?: () => number;
  /** Told how many messages the hub has just accepted. */
  onSent?: (count: number) => void;
  /** Told of each failed attempt to send; the simulator goes on. */
  onTrouble?: (error: unknown) => void;
  /** Stops the simulator. */
  signal?: AbortSignal;
  /** How the hub is reached; the SDK's producer by default. */
  producer?: HubProducer;
}

export interface Simulator {
  /** Messages that the hub has accepted. */
  readonly sent: number;
  /** Ends sending and closes the connection, within two seconds; safe to call twice. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Starts sending.
 * @throws {RangeError} when the speed is out of range; later trouble goes to `onTrouble` only
 */
export function startSimulator(options: SimulatorOptions): Simulator {
  const { fleet, speed = 1, now = Date.now, onSent, onTrouble } = options;
  const playback = new Playback(fleet, speed, now());
  const ids = fleet.devices.map(({ id }) => id);
  const chaos = options.chaos ? new Chaos(options.seed ?? 1, ids) : undefined;
  const producer = options.producer ?? openHubProducer(options.connectionString, options.eventHub);
  const stopping = new AbortController();
  let sent = 0;

  const attempt = async (queue: Map<string, Message[]>): Promise<boolean> => {
    const results = await Promise.allSettled(
      [...queue].map(async ([key, messages]) => {
        await producer.send(key, messages);
        queue.delete(key);
        sent += messages.length;
        onSent?.(messages.length);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) onTrouble?.(failed.reason);
    return !failed;
  };

  const deliver = async (queue: Map<string, Message[]>): Promise<void> => {
    let pause = BACKOFF_MS_MIN;
    while (!stopping.signal.aborted && !(await attempt(queue))) {
      await rest(pause, stopping.signal);
      pause = Math.min(2 * pause, BACKOFF_MS_MAX);
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await rest(Math.min(Math.max(ROUND_MS, playback.nextMs - now()), ROUND_MS_MAX), stopping.signal);
      if (stopping.signal.aborted) return;
      const nowMs = now();
      if (nowMs - playback.nextMs > LAG_MS_MAX) playback.skipTo(nowMs);
      const events = playback.due(nowMs);
      await deliver(byKey(chaos ? chaos.pass(events, nowMs) : events.map(toMessage)));
    }
  };

  const running = run().catch((error: unknown) => onTrouble?.(error));
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping.abort();
    options.signal?.removeEventListener('abort', onAbort);
    return (stopped ??= within(
      STOP_MS_MAX,
      running.then(() => producer.close()).catch((error: unknown) => onTrouble?.(error)),
    ));
  };
  const onAbort = (): void => void stop();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();

  return {
    get sent() {
      return sent;
    },
    stop,
  };
}

function byKey(messages: readonly Message[]): Map<string, Message[]> {
  const queue = new Map<string, Message[]>();
  for (const message of messages) {
    const same = queue.get(message.key);
    if (same) same.push(message);
    else queue.set(message.key, [message]);
  }
  return queue;
}

/** Resolves with the work, or after `ms` without it. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work.finally(() => done.abort()), rest(ms, done.signal)]);
}

/** Waits, or returns at once when told to stop. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
