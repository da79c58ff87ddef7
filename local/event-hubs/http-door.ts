/** The HTTP side of the port: sending events, health, and faults on request. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { NOT_FOUND, NOT_IMPLEMENTED, OUT_OF_RANGE, Refused, UNAUTHORIZED } from './amqp-error.ts';
import { BadFaultPlan, parseFaultPlan } from './faults.ts';
import { parseSendPath, sendOverHttp } from './http-send.ts';
import { MESSAGE_BYTES_MAX, type Namespace, claimFor } from './namespace.ts';

/** Bytes of a fault plan. */
const PLAN_BYTES_MAX = 65_536;
/** Milliseconds a request may take to arrive, headers and whole; a slower one is answered 408. */
const HEADERS_MS_MAX = 10_000;
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

/** A request that is answered with a status and a sentence. */
class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

const XML_ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escapeXml = (text: string): string => text.replace(/[&<>]/g, (sign) => XML_ESCAPES[sign] ?? sign);

/** Answers with the error document of the service. */
function refuse(
  response: ServerResponse,
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/xml; charset=utf-8' });
  response.end(`<Error><Code>${status}</Code><Detail>${escapeXml(detail)}</Detail></Error>`);
}

function respondJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

/**
 * The body of a request. One that is too large is read to its end and thrown away before it is refused: a client that
 * is still writing would see a broken connection instead of the answer.
 * @throws HttpRefusal 413
 */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (bytes > bytesMax) throw new HttpRefusal(413, `The body exceeds the limit of ${bytesMax} bytes.`);
  return Buffer.concat(chunks);
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(?:127\.|::1$|::ffff:127\.)/.test(address);

async function serveFaults(namespace: Namespace, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { faults } = namespace;
  if (!isLoopback(request.socket.remoteAddress)) throw new HttpRefusal(403, 'Faults are for clients on this machine.');
  // A page in a browser must not be able to strike: its requests carry an origin.
  if (request.headers.origin !== undefined) throw new HttpRefusal(403, 'Faults are not for browsers.');
  if (request.method === 'GET') return respondJson(response, faults.state());
  if (request.method === 'DELETE') {
    faults.clear();
    return respondJson(response, faults.state());
  }
  if (request.method !== 'POST') throw new HttpRefusal(405, 'Use GET, POST or DELETE.', { allow: 'GET, POST, DELETE' });
  const body = await readBody(request, PLAN_BYTES_MAX);
  let plan: unknown;
  try {
    plan = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new HttpRefusal(400, `The plan is not JSON: ${Error.isError(error) ? error.message : String(error)}`);
  }
  const { cutConnections = false, ...rest } = parseFaultPlan(plan);
  const { linksDetached } = faults.apply(rest);
  respondJson(response, { ...faults.state(), linksDetached, cutConnections });
  // Only now: this answer travels on one of the connections.
  if (cutConnections) response.on('close', () => faults.apply({ cutConnections }));
}

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
  if (path === '/$faults') return serveFaults(namespace, request, response);
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
    { headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX, connectionsCheckingInterval: HEADERS_MS_MAX / 2 },
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
