/** A WebSocket client of Web PubSub without the SDK: for protocol steps that the SDK hides, and for bad manners. */
import { WebSocket } from 'ws';
import { until, type WebPubSubKit } from './web-pubsub.ts';

/** How a raw client connects. */
export interface RawClientOptions {
  protocol?: string | string[];
  userId?: string;
  roles?: string[];
  groups?: string[];
}

/** A message frame as it came. */
export interface RawMessage {
  type: string;
  sequenceId?: number;
  data?: unknown;
  [field: string]: unknown;
}

/** A raw connection, with everything that came in. */
export class RawClient {
  readonly socket: WebSocket;
  readonly messages: RawMessage[] = [];
  /** Frames that are not messages. */
  readonly others: RawMessage[] = [];
  /** Frames as text or bytes, for clients without a subprotocol. */
  readonly frames: (string | Buffer)[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly #kit: WebPubSubKit;
  readonly #json: boolean;
  readonly #identity: { connectionId: string; reconnectionToken: string } | undefined;

  constructor(kit: WebPubSubKit, url: string, protocol: string | string[], identity?: RawClient) {
    this.#kit = kit;
    this.#identity = identity && { connectionId: identity.connectionId, reconnectionToken: identity.reconnectionToken };
    this.socket = new WebSocket(url, protocol, { perMessageDeflate: false });
    this.#json = protocol.length > 0;
    this.socket.on('error', () => {});
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.frames.push(isBinary ? data : data.toString());
      if (!this.#json) return;
      const frame = JSON.parse(data.toString()) as RawMessage;
      (frame.type === 'message' ? this.messages : this.others).push(frame);
    });
  }

  /** Connects and waits for the greeting; reliable JSON unless said otherwise. */
  static async open(kit: WebPubSubKit, options: RawClientOptions = {}): Promise<RawClient> {
    const { protocol = 'json.reliable.webpubsub.azure.v1', ...claims } = options;
    const { url } = await kit.service.getClientAccessToken(claims);
    const client = new RawClient(kit, url, protocol);
    const ready = () => (client.#json ? client.connected !== undefined : client.socket.readyState === WebSocket.OPEN);
    await until(() => client.closed !== undefined || ready(), 'the client is connected');
    return client;
  }

  /** The greeting of the service. */
  get connected(): RawMessage | undefined {
    return this.others.find(({ event }) => event === 'connected');
  }

  /** The reason of the service for closing. */
  get disconnected(): unknown {
    return this.others.find(({ event }) => event === 'disconnected')?.['message'];
  }

  get connectionId(): string {
    return this.#identity?.connectionId ?? String(this.connected?.['connectionId']);
  }

  get reconnectionToken(): string {
    return this.#identity?.reconnectionToken ?? String(this.connected?.['reconnectionToken']);
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Sends a request and waits for its acknowledgement. */
  async request(frame: { ackId: number; [field: string]: unknown }): Promise<RawMessage> {
    const ack = () => this.others.find(({ type, ackId }) => type === 'ack' && ackId === frame.ackId);
    this.send(frame);
    await until(() => ack() !== undefined, `request ${frame.ackId} is acknowledged`);
    return ack() ?? { type: 'none' };
  }

  /** Waits until everything sent before has been read by the service. */
  async pong(): Promise<void> {
    const pongs = () => this.others.filter(({ type }) => type === 'pong').length;
    const before = pongs();
    this.send({ type: 'ping' });
    await until(() => pongs() > before, 'the ping is answered');
  }

  /** Drops the TCP connection without a word. */
  terminate(): void {
    this.socket.terminate();
  }

  close(code?: number): void {
    this.socket.close(code);
  }

  /** Brings the session back on a new socket. */
  async recover(): Promise<RawClient> {
    const client = this.#reconnect({});
    await until(() => client.connected !== undefined || client.closed !== undefined, 'the session is back');
    return client;
  }

  /** Tries to bring a session back and waits for the refusal. */
  async recoverIsRefused(other: { id?: string; token?: string; hub?: string } = {}) {
    const client = this.#reconnect(other);
    await until(() => client.closed !== undefined, 'the recovery is refused');
    if (client.connected) throw new Error('The session came back.');
    return client.closed;
  }

  #reconnect({ id = this.connectionId, token = this.reconnectionToken, hub = 'sluice' }): RawClient {
    const query = new URLSearchParams({ awps_connection_id: id, awps_reconnection_token: token });
    const url = `ws://127.0.0.1:${this.#kit.server.port}/client/hubs/${hub}?${query.toString()}`;
    return new RawClient(this.#kit, url, 'json.reliable.webpubsub.azure.v1', this);
  }
}
