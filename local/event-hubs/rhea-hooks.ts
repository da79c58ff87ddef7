/**
 * Everything this stand-in needs of rhea that rhea does not offer in public, in one place: rhea is pinned to 3.0.5, and
 * whoever moves the pin checks this file. What is touched: `accept`, `_write_frame`, `_register`, `frame_size`, the two heartbeat
 * timers of a connection; `local.begin`, `incoming.on_transfer`, `outgoing` of a session; `local.attach`, `_incomplete`
 * of a link; `settled` and `remote_settled` of a delivery.
 */
import type { Socket } from 'node:net';
import rhea, {
  type AmqpError,
  type Connection,
  type Container,
  type Delivery,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
  type Session,
} from 'rhea';

interface Performative {
  value: unknown[];
}
interface ConnectionInternals {
  accept(socket: Socket): void;
  _write_frame(channel: number, performative: Performative | undefined, payload?: Buffer): void;
  _register(): void;
  frame_size?: number | undefined;
  heartbeat_in?: NodeJS.Timeout | undefined;
  heartbeat_out?: NodeJS.Timeout | undefined;
}
interface TransferFrame {
  performative: { message_format?: number; more?: boolean; aborted?: boolean };
  payload?: Buffer;
}
interface SessionInternals {
  local: { begin: Record<string, unknown> };
  incoming: { on_transfer(frame: TransferFrame, receiver: Receiver): void };
  outgoing: { next_delivery_id: number; next_pending_delivery: number; available(): number };
}
interface LinkInternals {
  local: { attach: Record<string, unknown> };
  credit: number;
  _incomplete?: unknown;
}

const connectionOf = (connection: Connection) => connection as unknown as ConnectionInternals;
const sessionOf = (session: Session) => session as unknown as SessionInternals;
const linkOf = (link: Sender | Receiver) => link as unknown as LinkInternals;

/**
 * Fields each performative has. rhea leaves trailing nulls out, and Python's stack indexes past them; the payload of a
 * transfer it takes for field 11.
 */
const FIELD_COUNTS: Readonly<Record<number, number>> = {
  0x10: 10,
  0x11: 8,
  0x12: 14,
  0x13: 11,
  0x14: 11,
  0x15: 6,
  0x16: 3,
  0x17: 1,
  0x18: 1,
};

interface Described {
  descriptor?: { numeric: number };
}

/** A server-side connection; rhea makes them itself only for servers that it listens on. */
export const createConnection = (container: Container, options: Readonly<Record<string, unknown>>): Connection =>
  container.create_connection(options as never);

/** Hands an accepted socket to a server-side connection, and makes every frame it writes carry all its fields. */
export function acceptSocket(connection: Connection, socket: Socket): void {
  const internals = connectionOf(connection);
  const write = internals._write_frame.bind(connection);
  internals._write_frame = (channel, performative, payload) => {
    if (performative !== undefined) {
      const { descriptor } = performative.constructor as Described;
      const count = FIELD_COUNTS[descriptor?.numeric ?? 0] ?? 0;
      if (performative.value.length < count) performative.value.length = count;
    }
    write(channel, performative, payload);
  };
  internals.accept(socket);
}

/** Sends an empty frame, AMQP's heartbeat; only an open connection may. */
export function sendHeartbeat(connection: Connection): void {
  if (connection.is_open()) connectionOf(connection)._write_frame(0, undefined);
}

/** Bytes of the frame that is being received, when it has not arrived whole; rhea itself sets no limit. */
export const pendingFrameBytes = (connection: Connection): number => connectionOf(connection).frame_size ?? 0;

/** Ends the timers that rhea leaves behind when a socket is destroyed; they would keep the process alive. */
export function clearTimers(connection: Connection): void {
  const internals = connectionOf(connection);
  clearTimeout(internals.heartbeat_in);
  clearTimeout(internals.heartbeat_out);
  internals.heartbeat_in = undefined;
  internals.heartbeat_out = undefined;
}

/** A message as it arrived: its bytes, undecoded. */
export interface Transfer {
  readonly delivery: Delivery;
  readonly bytes: Buffer;
  readonly format: number;
  /** The sender took the message back in the middle of it. */
  readonly aborted: boolean;
  /** The message was larger than allowed and was not kept. */
  readonly tooLarge: boolean;
}

/** Stands for format 0, which rhea would decode (and lose the number types of). */
const UNDECODED = 0x7fff_0000;

interface Incoming {
  bytes: number;
  aborted: boolean;
}
const arriving = new WeakMap<Receiver, Incoming>();

/**
 * Prepares a session the client began: messages arrive undecoded, none grows beyond the limit in memory.
 * @param messageBytesMax bytes of a message beyond which its payload is dropped as it arrives
 */
export function prepareSession(session: Session, messageBytesMax: number, handleMax: number): void {
  const internals = sessionOf(session);
  internals.local.begin['handle_max'] = handleMax;
  internals.local.begin['properties'] = {};
  const receive = internals.incoming.on_transfer.bind(internals.incoming);
  internals.incoming.on_transfer = (frame, receiver) => {
    const { performative } = frame;
    const state = linkOf(receiver)._incomplete === undefined ? undefined : arriving.get(receiver);
    const incoming = state ?? { bytes: 0, aborted: false };
    if (state === undefined) arriving.set(receiver, incoming);
    incoming.bytes += frame.payload?.length ?? 0;
    incoming.aborted = performative.aborted === true;
    if (incoming.bytes > messageBytesMax || frame.payload === undefined) frame.payload = Buffer.alloc(0);
    // Aborting ends the delivery; rhea would wait for more.
    if (incoming.aborted) performative.more = false;
    if (state === undefined && !performative.message_format) performative.message_format = UNDECODED;
    receive(frame, receiver);
  };
}

/** The message of a `message` event on a prepared session. */
export function transferOf(context: EventContext, messageBytesMax: number): Transfer | undefined {
  const { receiver, delivery, message } = context;
  if (receiver === undefined || delivery === undefined) return undefined;
  const incoming = arriving.get(receiver);
  return {
    delivery,
    bytes: message as unknown as Buffer,
    format: delivery.format === UNDECODED ? 0 : delivery.format,
    aborted: incoming?.aborted ?? false,
    tooLarge: (incoming?.bytes ?? 0) > messageBytesMax,
  };
}

interface Outcomes {
  accepted(): { described(): unknown };
  rejected(fields: { error: AmqpError }): { described(): unknown };
}
const outcomes = rhea.message as unknown as Outcomes;

/**
 * Accepts and settles. rhea's own `accept` leaves a delivery unsettled on a link whose receiver is to settle second,
 * which Python asks for, and then waits for the settlement that never comes.
 */
export function acceptDelivery(delivery: Delivery): void {
  delivery.update(true, outcomes.accepted().described());
}

/** Rejects and settles; see `acceptDelivery`. */
export function rejectDelivery(delivery: Delivery, error: AmqpError): void {
  delivery.update(true, outcomes.rejected({ error }).described());
}

/** Takes a delivery off the session's books without telling the sender. */
export function forget(delivery: Delivery): void {
  (delivery as { settled: boolean }).settled = true;
}

/** Sets fields of the attach that answers the client's; must run in the event that announced the link. */
export function answerAttach(link: Sender | Receiver, fields: Readonly<Record<string, unknown>>): void {
  Object.assign(linkOf(link).local.attach, fields);
}

/** Deliveries the link may send now: its credit less what the session has queued, and the room in that queue. */
export function sendable(link: Sender): number {
  releaseSent(link);
  const { outgoing } = sessionOf(link.session);
  const queued = outgoing.next_delivery_id - outgoing.next_pending_delivery;
  return Math.min(linkOf(link).credit - queued, outgoing.available());
}

let nextTag = 0;

/** How a delivery is settled: as it leaves, by the reader, or by the reader without anyone keeping book of it. */
export type Settlement = 'settled' | 'by-reader' | 'unobserved';

/** Sends encoded bytes as they are. */
export function sendEncoded(link: Sender, bytes: Buffer, settlement: Settlement): void {
  nextTag = (nextTag + 1) >>> 0;
  const tag = Buffer.allocUnsafe(4);
  tag.writeUInt32BE(nextTag);
  const delivery = link.send(bytes, tag, 0);
  if (settlement === 'settled') forget(delivery);
  else if (settlement === 'unobserved') {
    const waiting = unobserved.get(link);
    if (waiting === undefined) unobserved.set(link, [delivery]);
    else waiting.push(delivery);
  }
}

/** Deliveries to take off the books once they have been sent; before that rhea must not lose them. */
const unobserved = new WeakMap<Sender, Delivery[]>();

function releaseSent(link: Sender): void {
  const waiting = unobserved.get(link);
  if (waiting === undefined || waiting.length === 0) return;
  const { next_pending_delivery: nextUnsent } = sessionOf(link.session).outgoing;
  const sent = waiting.findIndex((delivery) => delivery.id >= nextUnsent);
  for (const delivery of waiting.splice(0, sent < 0 ? waiting.length : sent)) {
    Object.assign(delivery, { settled: true, remote_settled: true });
  }
  // Its turn frees the places in the queue, and tells the links that waited for one.
  connectionOf(link.connection)._register();
}

/**
 * Settles a delivery whose reader has said what became of it but settles second, that is, waits for us to settle; then
 * takes it off the books, for no more will be heard of it.
 */
export function settleSecond(delivery: Delivery): void {
  if (delivery.remote_settled) return;
  // With the outcome the reader gave: a null in its place, rhea as a client complains about.
  const outcome = delivery.remote_state as unknown as { described(): unknown };
  delivery.update(true, outcome.described());
  Object.assign(delivery, { remote_settled: true });
}

/** Decodes a message of the request nodes. */
export const decodeMessage = (bytes: Buffer): Message => rhea.message.decode(bytes) as unknown as Message;
