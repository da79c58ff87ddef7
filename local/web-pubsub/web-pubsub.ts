/**
 * Azure Web PubSub on this machine: the REST data plane for `@azure/web-pubsub`, and the WebSocket endpoint with the
 * JSON and reliable JSON subprotocols for `@azure/web-pubsub-client`, both unchanged, over one port.
 *
 * Its state is its connections: who is here, their groups, and what reliable clients have not acknowledged. As in the
 * service nothing of it is kept on disk, so a restart ends every session; clients reconnect and join again.
 *
 * Not here, and refused by name: MQTT, Socket.IO, protobuf, event handlers (event, invoke), sending without a
 * subprotocol, client streams and group state. Limits are in limits.ts; trouble on request is in faults.ts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ClientEndpoint } from './client-endpoint.ts';
import { answerFaults } from './faults-endpoint.ts';
import { Faults } from './faults.ts';
import { REQUEST_MS_MAX } from './limits.ts';
import { readRequestPath } from './request-path.ts';
import { callService } from './service-endpoint.ts';
import { notImplemented, ServiceError } from './service-error.ts';
import type { OperationAnswer } from './service-operations.ts';
import { Service } from './service.ts';

/** The public key of Microsoft's emulator, so that one connection string fits both. It protects nothing. */
const EMULATOR_KEY = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH';
/** Milliseconds between looks for sessions that nobody came back for. */
const SWEEP_MS = 5_000;

/** A running server. */
export interface WebPubSubServer {
  port: number;
  /** `http://host:port` */
  endpoint: string;
  /** `Endpoint=…;AccessKey=…;Version=1.0;` */
  connectionString: string;
  faults: Faults;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** How to start a server. */
export interface WebPubSubOptions {
  /** The hubs that exist; without it every hub does, as in the service. */
  hubs?: string[];
  host?: string;
  /** 0 picks one. */
  port?: number;
  key?: string;
  /** For tests: milliseconds one request may take to arrive. */
  requestMs?: number;
  /** Epoch milliseconds; tests move it. */
  now?: () => number;
  log?: (line: string) => void;
}

/**
 * Starts a server.
 * @throws Error with code EADDRINUSE when the port is taken; TypeError for a hub name that cannot be
 */
export async function startWebPubSub(options: WebPubSubOptions = {}): Promise<WebPubSubServer> {
  const { host = '127.0.0.1', port = 8080, key = EMULATOR_KEY, now: base = Date.now, log = () => {} } = options;
  const { requestMs = REQUEST_MS_MAX } = options;
  let advancedMs = 0;
  const now = () => base() + advancedMs;
  const upgraded = new Set<Socket>();
  const faults = new Faults({
    cut: () => {
      const sockets = [...upgraded];
      for (const socket of sockets) socket.resetAndDestroy();
      return sockets.length;
    },
    kill: () => process.kill(process.pid, 'SIGKILL'),
    advanceClock: (milliseconds) => {
      advancedMs += milliseconds;
      service.endAbandoned();
    },
  });
  const service = new Service({ key, now, faults, log, hubs: options.hubs });
  const clients = new ClientEndpoint(service);
  const server = createServer(
    { requestTimeout: requestMs, connectionsCheckingInterval: requestMs / 4 },
    (request, response) => {
      void answer(service, request, response);
    },
  );
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(request.socket);
    request.socket.once('close', () => upgraded.delete(request.socket));
    void clients.upgrade(request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const sweep = setInterval(() => service.endAbandoned(), SWEEP_MS);
  sweep.unref();
  const listening = (server.address() as AddressInfo).port;
  const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${listening}`;
  return {
    port: listening,
    endpoint,
    connectionString: `Endpoint=${endpoint};AccessKey=${key};Version=1.0;`,
    faults,
    close: async () => {
      clearInterval(sweep);
      faults.close();
      clients.close();
      for (const socket of upgraded) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

async function answer(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { status, body } = await dispatch(service, request);
    write(response, status, body);
  } catch (error) {
    if (!(error instanceof ServiceError)) service.log(`${request.method} ${request.url}: ${String(error)}`);
    const refusal =
      error instanceof ServiceError ? error : new ServiceError(500, 'InternalServerError', 'Internal server error.');
    const { status, code, message, target, headers } = refusal;
    write(
      response,
      status,
      { code, message, ...(target === undefined ? {} : { target }) },
      {
        ...headers,
        'x-ms-error-code': code,
      },
    );
  }
  // What is left of a body would be taken for the next request.
  request.resume();
}

async function dispatch(service: Service, request: IncomingMessage): Promise<OperationAnswer> {
  const { path, segments } = readRequestPath(request.url);
  if (path === '/$faults') return answerFaults(service.faults, request);
  // "GetServiceStatus" of the REST reference: without a token.
  if (path === '/api/health' && (request.method === 'GET' || request.method === 'HEAD')) return { status: 200 };
  if (segments[0] === 'client') {
    throw new ServiceError(400, 'BadRequest', 'This endpoint takes WebSocket handshakes only.');
  }
  if (segments[0] === 'clients' || segments[0] === 'server') throw notImplemented(`${request.method} ${path}`);
  return callService(service, request);
}

function write(response: ServerResponse, status: number, body?: object, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    ...(status === 204 ? {} : { 'content-length': Buffer.byteLength(text) }),
  });
  response.end(text);
}
