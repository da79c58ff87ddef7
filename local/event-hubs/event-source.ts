/** Feeds a reader link from a partition's log: as fast as credit, session window and socket allow, then on every append. */
import type { Socket } from 'node:net';
import rhea, { type Sender } from 'rhea';
import type { Faults } from './faults.ts';
import { headerEndOf } from './event-message.ts';
import type { PartitionLog } from './partition-log.ts';
import { type Settlement, sendEncoded, sendable } from './rhea-hooks.ts';

const { types, message } = rhea;

/** Events and bytes of one turn: between turns other sockets are served. */
const TURN_EVENTS_MAX = 256;
const TURN_BYTES_MAX = 512 * 1024;
/** Bytes that may wait in a socket whose reader is slow, before its feed pauses. */
const SOCKET_BYTES_MAX = 1024 * 1024;

export interface FeedOptions {
  readonly link: Sender;
  readonly socket: Socket;
  readonly log: PartitionLog;
  readonly startSequence: number;
  readonly settlement: Settlement;
  /** Every delivery carries what is known about the end of the partition. */
  readonly runtimeMetrics: boolean;
  readonly faults: Faults;
  readonly now: () => number;
  /** Called when the log cannot be read; the feed has stopped. */
  readonly onError: (error: unknown) => void;
}

/** Delivery annotations with the state of the partition, encoded. */
function metricsSection(log: PartitionLog, nowMs: number): Buffer {
  const state = log.state();
  const encoded = message.encode({
    delivery_annotations: {
      last_enqueued_sequence_number: types.wrap_long(state.lastSequence),
      last_enqueued_offset: state.lastOffset,
      last_enqueued_time_utc: types.wrap_timestamp(state.lastEnqueuedMs),
      runtime_info_retrieval_time_utc: types.wrap_timestamp(nowMs),
    },
    body: null,
  });
  // rhea writes header, delivery annotations, properties, body: the second section is the one wanted.
  const start = headerEndOf(encoded);
  const size = encoded.readUInt32BE(start + 4);
  return encoded.subarray(start, start + 8 + size);
}

function withSection(event: Buffer, section: Buffer): Buffer {
  const header = headerEndOf(event);
  return Buffer.concat([event.subarray(0, header), section, event.subarray(header)]);
}

/** A reader being fed: `wake` when it has credit, `stop` when it is gone. */
export interface Feed {
  wake(): void;
  stop(): void;
}

/** Starts feeding a link. */
export function feed(options: FeedOptions): Feed {
  const { link, socket, log, faults } = options;
  let next = options.startSequence;
  let scheduled = false;
  let stopped = false;
  let waitsForDrain = false;

  const schedule = (): void => {
    if (scheduled || stopped || waitsForDrain) return;
    scheduled = true;
    if (faults.delayMs > 0) setTimeout(turn, faults.delayMs).unref();
    else setImmediate(turn);
  };
  const turn = (): void => {
    scheduled = false;
    if (stopped || !link.is_open()) return;
    if (socket.writableLength > SOCKET_BYTES_MAX) {
      waitsForDrain = true;
      socket.once('drain', () => {
        waitsForDrain = false;
        schedule();
      });
      return;
    }
    const room = Math.min(sendable(link), TURN_EVENTS_MAX);
    if (room <= 0) return;
    let read: { first: number; events: Buffer[] };
    try {
      read = log.read(next, room, TURN_BYTES_MAX);
    } catch (error) {
      stopped = true;
      options.onError(error);
      return;
    }
    if (read.events.length === 0) return;
    const section = options.runtimeMetrics ? metricsSection(log, options.now()) : undefined;
    let left = room;
    socket.cork();
    for (const event of read.events) {
      const bytes = section === undefined ? event : withSection(event, section);
      const copies = left > 1 && faults.strikes('duplicateDeliveries') ? 2 : 1;
      if (left < copies) break;
      for (let copy = 0; copy < copies; copy += 1) sendEncoded(link, bytes, options.settlement);
      left -= copies;
      read.first += 1;
    }
    next = read.first;
    // rhea writes the frames in the next tick; this tick comes after it.
    process.nextTick(() => socket.uncork());
    schedule();
  };
  const unsubscribe = log.onAppend(schedule);
  return {
    wake: schedule,
    stop: () => {
      stopped = true;
      unsubscribe();
    },
  };
}
