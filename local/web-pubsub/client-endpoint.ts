/** The endpoint clients connect to: `/client/hubs/{hub}`, a WebSocket with or without a subprotocol. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { clientClaims, verifyToken } from './access-token.ts';
import { FrameError, readClientFrame } from './client-frame.ts';
import { handleClientFrame } from './client-requests.ts';
import { Connection, INTERNAL_ERROR, NORMAL_CLOSURE, POLICY_VIOLATION, type Protocol } from './connection.ts';
import type { Hub } from './hub.ts';
import { MESSAGE_BYTES_MAX } from './limits.ts';
import { isGroupName } from './names.ts';
import { readRequestPath, type RequestPath } from './request-path.ts';
import type { Service } from './service.ts';
import { badRequest, notImplemented, ServiceError } from './service-error.ts';

/** Close codes by which a client says that it will not come back; 1005 is a close frame without a code. */
const DELIBERATE = new Set([NORMAL_CLOSURE, 1001, 1005]);
const protocols: Protocol[] = ['json.reliable.webpubsub.azure.v1', 'json.webpubsub.azure.v1'];
/** Requested and not spoken here, each with the name the documentation gives it. */
const foreignEndpoints: [RegExp, string][] = [
  [/^\/clients\/mqtt\/hubs\//, 'MQTT (/clients/mqtt/hubs)'],
  [/^\/clients\/socketio\/hubs\//, 'Socket.IO (/clients/socketio/hubs)'],
  [/^\/server(\/|$)/, 'The tunnel (/server)'],
];

/** Answers WebSocket handshakes. */
export class ClientEndpoint {
  readonly #service: Service;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (requested) => protocols.find((protocol) => requested.has(protocol)) ?? false,
  });

  constructor(service: Service) {
    this.#service = service;
  }

  /** Accepts a handshake, or refuses it with an HTTP answer that says why. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // The client may be gone before its token is verified.
    socket.on('error', () => socket.destroy());
    try {
      const target = readRequestPath(request.url);
      const hub = this.#service.hub(hubOf(target));
      const protocol = protocolOf(request);
      const connectionId = target.query.get('awps_connection_id');
      if (connectionId === null) await this.#connect(request, socket, head, target, hub, protocol);
      else this.#recover(request, socket, head, target, hub, connectionId);
    } catch (error) {
      this.#refuse(socket, error);
    }
  }

  /** Stops accepting and drops whoever is connected. */
  close(): void {
    for (const socket of this.#webSockets.clients) socket.terminate();
    this.#webSockets.close();
  }

  async #connect(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: RequestPath,
    hub: Hub,
    protocol: Protocol,
  ) {
    if (target.query.has('webpubsub_mode')) throw notImplemented('webpubsub_mode (sending without a subprotocol)');
    const token = target.query.get('access_token') ?? bearerOf(request);
    const audience = { host: request.headers.host ?? '', path: target.path };
    const claims = clientClaims(await verifyToken(this.#service.key, token, audience, this.#service.now()));
    if (!claims.groups.every(isGroupName)) {
      throw badRequest('webpubsub.group', 'A group of the token is not 1 to 1,024 characters, or only blanks.');
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(hub.name, protocol, claims);
      hub.add(connection, claims.groups);
      this.#attach(hub, connection, webSocket);
    });
  }

  /** Brings a reliable session back. That it is gone is said by close code 1008: a client SDK gives up only then. */
  #recover(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: RequestPath,
    hub: Hub,
    connectionId: string,
  ): void {
    this.#service.endAbandoned();
    const connection = hub.get(connectionId);
    const known =
      connection?.reliable === true && connection.recognises(target.query.get('awps_reconnection_token') ?? '');
    const refused = this.#service.faults.refusesRecovery();
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (known && !refused && !connection.ended) {
        this.#attach(hub, connection, webSocket);
        return;
      }
      if (known) connection.close(POLICY_VIOLATION, 'The session cannot be recovered.');
      webSocket.on('error', () => webSocket.terminate());
      webSocket.close(POLICY_VIOLATION, 'The session cannot be recovered.');
    });
  }

  #attach(hub: Hub, connection: Connection, webSocket: WebSocket): void {
    webSocket.on('error', (error) => {
      // ws closes by itself; a frame that breaks a rule also ends the session, as it would come again.
      this.#service.log(`client ${connection.id}: ${error.message}`);
      if (connection.socket === webSocket) connection.close(POLICY_VIOLATION, error.message);
    });
    webSocket.on('message', (data, isBinary) => this.#receive(hub, connection, data, isBinary));
    webSocket.on('close', (code) => {
      const current = connection.socket === webSocket;
      connection.detach(webSocket, this.#service.now());
      if (current && DELIBERATE.has(code)) connection.close(NORMAL_CLOSURE, 'The client has closed.');
    });
    connection.attach(webSocket, this.#service.now());
  }

  #receive(hub: Hub, connection: Connection, data: RawData, isBinary: boolean): void {
    if (connection.ended) return;
    try {
      if (connection.protocol === 'raw') {
        throw new FrameError('Events of clients without a subprotocol are not implemented by this local Web PubSub.');
      }
      if (isBinary || !Buffer.isBuffer(data)) throw new FrameError('A JSON subprotocol takes text frames only.');
      handleClientFrame(this.#service, hub, connection, readClientFrame(data.toString()));
    } catch (error) {
      const broken = error instanceof FrameError;
      this.#service.log(`client ${connection.id} is closed: ${String(error)}`);
      // A fault of our own must not end the server, nor pass for the client's.
      if (broken) connection.close(POLICY_VIOLATION, error.message);
      else connection.close(INTERNAL_ERROR, 'Internal server error.');
    }
  }

  #refuse(socket: Duplex, error: unknown): void {
    const refusal =
      error instanceof ServiceError ? error : new ServiceError(500, 'InternalServerError', 'Internal server error.');
    this.#service.log(`handshake refused: ${refusal.status} ${refusal.message}`);
    const body = JSON.stringify({ code: refusal.code, message: refusal.message });
    const headers = { ...refusal.headers, 'content-type': 'application/json', connection: 'close' };
    const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.end(`HTTP/1.1 ${refusal.status} ${refusal.code}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
  }
}

function hubOf({ path, segments }: RequestPath): string {
  const [client, hubs, name, ...more] = segments;
  if (client === 'client' && hubs === 'hubs' && name !== undefined && more.join('') === '') return name;
  const foreign = foreignEndpoints.find(([pattern]) => pattern.test(path));
  if (foreign) throw notImplemented(foreign[1]);
  throw new ServiceError(404, 'NotFound', `${path} is not a client endpoint: connect to /client/hubs/{hub}.`);
}

/** The first subprotocol of the client that is spoken here. */
function protocolOf(request: IncomingMessage): Protocol {
  const requested = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (requested.length === 1 && requested[0] === '') return 'raw';
  const spoken = protocols.find((protocol) => requested.includes(protocol));
  if (spoken) return spoken;
  throw badRequest(
    'Sec-WebSocket-Protocol',
    `The subprotocol ${requested.join(', ')} is not implemented by this local Web PubSub: use ${protocols.join(' or ')}.`,
  );
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
