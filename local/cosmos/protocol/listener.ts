/** The HTTP side: collects a request, lets faults happen to it, hands it to the gateway, sends the answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { CosmosError, SUB_STATUS } from '../cosmos-error.ts';
import { answerFaults, FAULTS_PATH } from '../faults/faults-endpoint.ts';
import type { ActiveRule, Faults } from '../faults/faults.ts';
import type { RequestUnitBudgets } from '../faults/request-unit-budget.ts';
import { classify } from './classify.ts';
import { respondToError } from './gateway.ts';
import type { GroupCommit } from './group-commit.ts';
import type { CosmosRequest, CosmosResponse, OperationKind } from './message.ts';

/** Bytes of a request's body that are read: above every limit of the service, so that those are answered in its words. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes beyond it that are read and thrown away, so that the client gets to read its 413. */
const DISCARDED_BYTES_MAX = 256 * 1024 * 1024;
/** Bytes of a request's headers: continuations and escaped partition keys are long. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Milliseconds a client may take to send a request, unless the stand-in is told otherwise. */
export const REQUEST_MS_MAX = 60_000;
/** Looks at slow clients in the time that one may take. */
const LOOKS = 4;
/** Operations that wait for a slow disk. */
const WRITES: ReadonlySet<OperationKind> = new Set([
  ...(['create', 'upsert', 'replace', 'delete', 'patch', 'batch', 'bulk', 'delete-partition'] as const),
  ...(['database', 'container', 'offer', 'function'] as const),
]);

/** What the listener serves. */
export interface Service {
  requests: GroupCommit;
  faults: Faults;
  budgets: RequestUnitBudgets;
  log: (line: string) => void;
  /** Ends delays when the service stops: what waits in one is not applied. */
  closing: AbortSignal;
  /** Milliseconds a client may take to send a request. */
  requestMs: number;
}

/** An HTTP server for the service, not yet listening. */
export function createListener(service: Service): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      requestTimeout: service.requestMs,
      headersTimeout: service.requestMs,
      connectionsCheckingInterval: Math.ceil(service.requestMs / LOOKS),
      keepAliveTimeout: REQUEST_MS_MAX,
    },
    (incoming, outgoing) => {
      void serve(service, incoming, outgoing);
    },
  );
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    const line = CLIENT_ERRORS[code ?? ''] ?? '400 Bad Request';
    const refusal = `HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`;
    // A client that does not send may not close either: it is not waited for.
    if (socket.writable) socket.end(refusal, () => socket.destroy());
    else socket.destroy();
  });
  return server;
}

/** How a request is refused that cannot even be read, by Node's name for the trouble. */
const CLIENT_ERRORS: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

async function serve(service: Service, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const body = await readBody(incoming);
    if (body === undefined) {
      const refusal = new CosmosError(413, `Request size is too large: at most ${BODY_BYTES_MAX} bytes are read.`);
      send(outgoing, respondToError(refusal, service.log), true);
      return;
    }
    const request = toRequest(incoming, body);
    if (request.path === FAULTS_PATH)
      return send(outgoing, handleFaults(service, request, incoming.socket.remoteAddress));
    await answer(service, request, outgoing);
  } catch (error) {
    // The client went away in the middle of its request, or the service stops.
    outgoing.destroy(Error.isError(error) ? error : undefined);
  }
}

async function answer(service: Service, request: CosmosRequest, outgoing: ServerResponse): Promise<void> {
  const { requests, faults, budgets, log } = service;
  const operation = classify(request);
  const fault = operation && faults.take(operation);
  if (fault?.kind === 'delay') await wait(service, fault.delayMs);
  if (fault?.kind === 'cut-before') return void outgoing.destroy();
  // The client waits until it loses patience, or this service stops.
  if (fault?.kind === 'drop') return;
  if (fault) {
    const refusal = refusalOf(fault);
    if (refusal) return send(outgoing, respondToError(refusal, log));
  }
  const waitMs = operation ? budgets.wait(operation) : 0;
  if (waitMs > 0) return send(outgoing, respondToError(throttled(waitMs), log));
  if (operation && faults.writeDelayMs > 0 && WRITES.has(operation.kind)) await wait(service, faults.writeDelayMs);
  if (fault?.kind === 'duplicate') await requests.run(request, operation?.kind);
  const response = await requests.run(request, operation?.kind);
  if (operation) budgets.spend(operation, Number(response.headers['x-ms-request-charge'] ?? 0));
  if (fault?.kind === 'cut-after') return void outgoing.destroy();
  send(outgoing, response);
}

function wait({ closing }: Service, milliseconds: number): Promise<void> {
  return setTimeout(milliseconds, undefined, { signal: closing });
}

/** What a fault answers instead of the service; undefined when the operation goes on. */
function refusalOf({ kind, status, subStatus, retryAfterMs }: ActiveRule): CosmosError | undefined {
  const asked = '(a fault that was asked for)';
  if (kind === 'throttle') return throttled(retryAfterMs);
  if (kind === 'unavailable') return new CosmosError(503, `The service is currently unavailable ${asked}.`);
  if (kind !== 'error') return undefined;
  return new CosmosError(status, `The operation failed ${asked}.`, subStatus === undefined ? {} : { subStatus });
}

function handleFaults({ faults, log }: Service, request: CosmosRequest, from: string | undefined): CosmosResponse {
  try {
    return answerFaults(faults, request, from);
  } catch (error) {
    return respondToError(error, log);
  }
}

function throttled(retryAfterMs: number): CosmosError {
  return new CosmosError(
    429,
    'Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later.',
    {
      subStatus: SUB_STATUS.requestRateTooLarge,
      headers: { 'x-ms-retry-after-ms': String(retryAfterMs) },
    },
  );
}

/** The body as text; undefined when there is too much of it. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    else if (bytes > DISCARDED_BYTES_MAX) throw new Error('A request body without end.');
    else chunks.length = 0;
  }
  return bytes > BODY_BYTES_MAX ? undefined : Buffer.concat(chunks).toString('utf8');
}

function toRequest(incoming: IncomingMessage, body: string): CosmosRequest {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(incoming.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return { method: incoming.method ?? 'GET', path: (incoming.url ?? '/').split('?')[0] ?? '/', headers, body };
}

function send(outgoing: ServerResponse, { status, headers, body }: CosmosResponse, close = false): void {
  if (outgoing.destroyed) return;
  const withBody = status !== 204 && status !== 304;
  outgoing.writeHead(status, {
    ...headers,
    date: new Date().toUTCString(),
    ...(withBody ? { 'content-length': Buffer.byteLength(body) } : {}),
    ...(close ? { connection: 'close' } : {}),
  });
  outgoing.end(withBody ? body : undefined);
}
