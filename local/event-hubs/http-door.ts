/** The HTTP side of the port: sending events, health, and faults on request. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { NOT_FOUND, NOT_IMPLEMENTED, OUT_OF_RANGE, Refused, UNAUTHORIZED } from './amqp-error.ts';
import { BadFaultPlan } from './fault-plan.ts';
import { serveFaults } from './faults-endpoint.ts';
import { HttpRefusal, readBody, refuse, respondJson } from './http-answer.ts';
import { parseSendPath, sendOverHttp } from './http-send.ts';
import { MESSAGE_BYTES_MAX, type Namespace, claimFor } from './namespace.ts';

/** Milliseconds a request may take to arrive whole; a slower one is answered 408. */
const REQUEST_MS_MAX = 60_000;

/** Statuses of the refusals that have one of their own; all others are the client's fault, 400. */
const STATUS: Readonly<Record<string, number>> = {
  [NOT_FOUND]: 404,
  [OUT_OF_RANGE]: 400,
  [UNAUTHORIZED]: 401,
  [NOT_IMPLEMENTED]: 501,
  'com.microsoft:server-busy': 503,
  'amqp:internal-error': 500,
};

function authorise(namespace: Namespace, request: IncomingMessage, path: string): void {
  const token = request.headers.authorization;
  if (token === undefined) {
    throw new Refused(UNAUTHORIZED, 'MissingToken: send a SharedAccessSignature in the Authorization header.');
  }
  claimFor(namespace, token, `http://${request.headers.host ?? 'localhost'}${path}`);
}

async function serve(namespace: Namespace, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (path === '/health') {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpRefusal(405, 'Use GET.', { allow: 'GET' });
    return respondJson(response, { status: 'ok', hubs: [...namespace.hubs.values()].map((hub) => hub.name) });
  }
  if (path === '/$faults') return serveFaults(namespace.faults, request, response);
  const target = parseSendPath(path);
  if (target === undefined) {
    throw new HttpRefusal(
      404,
      `${request.method} ${path} is not implemented. POST to /{hub}/messages, /{hub}/partitions/{id}/messages or ` +
        '/{hub}/publishers/{id}/messages.',
    );
  }
  if (request.method !== 'POST')
    throw new HttpRefusal(405, `${request.method} is not implemented. Use POST.`, { allow: 'POST' });
  authorise(namespace, request, path);
  const body = await readBody(request, MESSAGE_BYTES_MAX);
  if (namespace.faults.strikes('dropSends')) {
    request.socket.destroy();
    return undefined;
  }
  sendOverHttp(namespace, target, request, body);
  if (namespace.faults.strikes('dropAccepts')) {
    request.socket.destroy();
    return undefined;
  }
  const created = (): void => void response.writeHead(201, { 'content-length': '0' }).end();
  if (namespace.faults.delayMs > 0) setTimeout(created, namespace.faults.delayMs).unref();
  else created();
}

/** The HTTP server; it does not listen itself, sockets are handed to it by `emit('connection', socket)`. */
export function createHttpDoor(namespace: Namespace): Server {
  const server = createServer(
    {
      headersTimeout: namespace.patienceMs,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: namespace.patienceMs / 2,
    },
    (request, response) => {
      serve(namespace, request, response).catch((error: unknown) => {
        if (response.headersSent || response.destroyed) return response.destroy();
        if (error instanceof HttpRefusal) return refuse(response, error.status, error.message, error.headers);
        if (error instanceof Refused) return refuse(response, STATUS[error.condition] ?? 400, error.message, {});
        if (error instanceof BadFaultPlan) return refuse(response, 400, error.message, {});
        namespace.log(`event-hubs: ${request.method} ${request.url} failed: ${String(error)}`);
        return refuse(response, 500, 'The request could not be served.', {});
      });
    },
  );
  // A server starts to enforce its time-outs when it listens; this one never does.
  server.emit('listening');
  return server;
}
