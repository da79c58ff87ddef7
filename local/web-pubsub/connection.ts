/**
 * One client connection as the service sees it: who it is, its groups, what it may do. A connection of the reliable
 * subprotocol is a session that outlives its socket: messages wait, numbered, until the client acknowledges them.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { ClientClaims } from './access-token.ts';
import { GroupPermissions } from './group-permissions.ts';
import {
  CLOSE_REASON_BYTES_MAX,
  OUTBOUND_BYTES_MAX,
  RECOVERY_WINDOW_MS,
  REMEMBERED_ACK_IDS,
  UNACKED_BYTES_MAX,
  UNACKED_MESSAGES_MAX,
} from './limits.ts';
import type { Message } from './message.ts';

/** The subprotocols this stand-in speaks; no subprotocol is `raw`. */
export type Protocol = 'json.webpubsub.azure.v1' | 'json.reliable.webpubsub.azure.v1' | 'raw';

/** Close code of an end that somebody wanted. */
export const NORMAL_CLOSURE = 1000;
/** Close code after which there is no way back to this session: a rule was broken, or it is gone. */
export const POLICY_VIOLATION = 1008;
/** Close code of a fault of our own. */
export const INTERNAL_ERROR = 1011;

interface Unacked {
  sequenceId: number;
  frame: string;
  bytes: number;
  expiresAt: number;
}

/** A live connection, or a reliable session that waits for its client to come back. */
export class Connection {
  readonly id = randomBytes(12).toString('base64url');
  readonly hub: string;
  readonly userId: string | undefined;
  readonly protocol: Protocol;
  readonly groups = new Set<string>();
  readonly permissions: Record<'joinLeaveGroup' | 'sendToGroup', GroupPermissions>;
  readonly reconnectionToken = randomBytes(32).toString('base64url');
  /** Called once, when the session is gone for good. */
  onEnd: (() => void) | undefined;
  #socket: WebSocket | undefined;
  #detachedAt = 0;
  #ended = false;
  #sequenceId = 0;
  #unacked: Unacked[] = [];
  #unackedBytes = 0;
  #nextExpiry = Infinity;
  readonly #ackIds = new Set<number>();

  constructor(hub: string, protocol: Protocol, claims: ClientClaims) {
    this.hub = hub;
    this.protocol = protocol;
    this.userId = claims.userId;
    this.permissions = {
      joinLeaveGroup: new GroupPermissions(claims.roles, 'joinLeaveGroup'),
      sendToGroup: new GroupPermissions(claims.roles, 'sendToGroup'),
    };
  }

  get reliable(): boolean {
    return this.protocol === 'json.reliable.webpubsub.azure.v1';
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The socket this connection has now; none while a reliable session waits to be recovered. */
  get socket(): WebSocket | undefined {
    return this.#socket;
  }

  /** True when the token is the one this session was given. */
  recognises(reconnectionToken: string): boolean {
    const given = Buffer.from(reconnectionToken);
    const own = Buffer.from(this.reconnectionToken);
    return given.length === own.length && timingSafeEqual(given, own);
  }

  /** Takes a socket, greets the client, and sends again what it has not acknowledged. */
  attach(socket: WebSocket, nowMs: number): void {
    const previous = this.#socket;
    this.#socket = socket;
    // The newest socket wins: the old one may be half open and would never notice.
    previous?.terminate();
    if (this.protocol === 'raw') return;
    this.send({
      type: 'system',
      event: 'connected',
      ...(this.userId === undefined ? {} : { userId: this.userId }),
      connectionId: this.id,
      ...(this.reliable ? { reconnectionToken: this.reconnectionToken } : {}),
    });
    this.#forgetExpired(nowMs);
    for (const { frame } of this.#unacked) this.#write(frame);
  }

  /** The socket is gone. A reliable session waits from now on, anything else has ended. */
  detach(socket: WebSocket, nowMs: number): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#detachedAt = nowMs;
    if (!this.reliable) this.#end();
  }

  /** True when nobody came back for this session in time. */
  isAbandoned(nowMs: number): boolean {
    return this.#socket === undefined && nowMs - this.#detachedAt > RECOVERY_WINDOW_MS;
  }

  /** Delivers a message, or keeps it for the client's return. */
  deliver(message: Message, nowMs: number): void {
    if (this.#ended) return;
    if (!this.reliable) {
      this.#write(this.protocol === 'raw' ? message.toRaw() : message.toJson());
      return;
    }
    this.#forgetExpired(nowMs);
    const frame = message.toJson(this.#sequenceId + 1);
    const bytes = Buffer.byteLength(frame);
    if (this.#unacked.length >= UNACKED_MESSAGES_MAX || this.#unackedBytes + bytes > UNACKED_BYTES_MAX) {
      this.close(POLICY_VIOLATION, 'The client has too many messages it did not acknowledge (1,000 or 16 MB).');
      return;
    }
    this.#sequenceId += 1;
    this.#unacked.push({ sequenceId: this.#sequenceId, frame, bytes, expiresAt: message.expiresAt });
    this.#unackedBytes += bytes;
    this.#nextExpiry = Math.min(this.#nextExpiry, message.expiresAt);
    this.#write(frame);
  }

  /** The client has everything up to this number. */
  acknowledge(sequenceId: number): void {
    const first = this.#unacked.findIndex((waiting) => waiting.sequenceId > sequenceId);
    this.#keep(first < 0 ? [] : this.#unacked.slice(first));
  }

  /** Sends a control frame; a control frame is neither numbered nor kept. */
  send(frame: object): void {
    this.#write(JSON.stringify(frame));
  }

  /** True when a request with this id was already done. */
  isRepeat(ackId: number): boolean {
    return this.#ackIds.has(ackId);
  }

  /** Remembers that the request with this id was done. */
  remember(ackId: number): void {
    this.#ackIds.add(ackId);
    if (this.#ackIds.size > REMEMBERED_ACK_IDS) {
      const [oldest] = this.#ackIds;
      if (oldest !== undefined) this.#ackIds.delete(oldest);
    }
  }

  /** Ends the connection for good, and tells the client why. */
  close(code: number, reason: string): void {
    const socket = this.#socket;
    if (socket) {
      if (this.protocol !== 'raw') this.send({ type: 'system', event: 'disconnected', message: reason });
      socket.close(code, closeReason(reason));
    }
    this.#socket = undefined;
    this.#end();
  }

  #write(frame: string | Buffer): void {
    const socket = this.#socket;
    if (!socket || socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > OUTBOUND_BYTES_MAX) {
      // Nothing more would get through, so it is not asked to close politely.
      socket.terminate();
      return;
    }
    socket.send(frame);
  }

  #forgetExpired(nowMs: number): void {
    if (this.#nextExpiry <= nowMs) this.#keep(this.#unacked.filter(({ expiresAt }) => expiresAt > nowMs));
  }

  #keep(unacked: Unacked[]): void {
    this.#unacked = unacked;
    this.#unackedBytes = unacked.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#nextExpiry = unacked.reduce((first, { expiresAt }) => Math.min(first, expiresAt), Infinity);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#keep([]);
    this.onEnd?.();
  }
}

/** Shortens a reason to what a close frame carries, without cutting a character. */
function closeReason(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  if (bytes.length <= CLOSE_REASON_BYTES_MAX) return bytes;
  let end = CLOSE_REASON_BYTES_MAX;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
