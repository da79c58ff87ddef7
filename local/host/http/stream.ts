/**
 * The forward hop of streamed HTTP. The host passes the request on to the HTTP server that the library runs in the worker
 * and passes the answer back as it comes, while the invocation runs beside it. The hop is the only streaming path, so that
 * product code meets here what it meets on the platform: headers that come and go, the 240 s activity timeout, a client's
 * departure that reaches only the socket of the hop.
 */
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
  request as httpRequest,
} from 'node:http';

/** Milliseconds without a byte in either direction until the platform gives up on a forwarded request. */
export const ACTIVITY_TIMEOUT_MS = 240_000;

/** Never forwarded, in either direction. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Set by the host itself; what a client sends under these names is overwritten. */
const OWN = new Set([
  'host',
  'expect',
  'content-length',
  'x-ms-invocation-id',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-for',
]);

export interface Forward {
  /** Resolves when the exchange is over: answered, abandoned by the client, or failed. */
  done: Promise<'answered' | 'client-left' | 'timed-out' | 'failed' | 'too-large'>;
  /** Ends the hop without an answer of its own. */
  cancel(): void;
}

export interface ForwardOptions {
  invocationId: string;
  /** Where the library's server listens, `http://127.0.0.1:PORT/`. */
  httpUri: string;
  /** The body, when it was read before; otherwise it is passed on as it comes. */
  body: Buffer | undefined;
  bodyBytesMax: number;
  activityTimeoutMs: number;
  /** One per host: it keeps the connections to the library's server. */
  agent: Agent;
  /** A fault: the answer is lost with the client's connection. */
  isDropped: boolean;
}

/** An agent for the hop; idle connections are kept, as the platform's forwarder does. */
export function forwardAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, scheduling: 'lifo' });
}

/** Starts forwarding. */
export function forward(request: IncomingMessage, response: ServerResponse, options: ForwardOptions): Forward {
  const { promise: done, resolve } = Promise.withResolvers<Awaited<Forward['done']>>();
  // A function may answer before it has read a streamed body. What is left of that body then lies in the connection, so it
  // must not carry the next request. It is kept alive all the same: a server that closes over unread bytes resets the
  // connection, and a reset can overtake the answer.
  const streamed = options.body === undefined && request.headers['transfer-encoding'] !== undefined;
  const agent = streamed ? forwardAgent() : options.agent;
  const hop = openHop(request, options, agent);
  const activity = setTimeout(() => finish('timed-out'), options.activityTimeoutMs);
  activity.unref();
  let over = false;
  const sent = whenSent(hop);

  const finish = (outcome: Awaited<Forward['done']>) => {
    if (over) return;
    over = true;
    clearTimeout(activity);
    // The invocation waits for its request to arrive: a hop destroyed before that would leave it waiting for ever.
    if (outcome !== 'answered') void sent.then(() => hop.destroy());
    // The rest of a body that the function did not read is taken to its end, or to the client's; then the connection goes.
    else if (streamed) whenClosed(request, () => agent.destroy());
    resolve(outcome);
  };

  hop.on('error', () => finish(response.destroyed ? 'client-left' : 'failed'));
  hop.on('response', (answer) => {
    activity.refresh();
    if (options.isDropped) return void request.socket.resetAndDestroy();
    response.writeHead(answer.statusCode ?? 502, copyHeaders(answer.rawHeaders));
    // An event stream's first bytes may be minutes away: the client must see at once that it is connected.
    response.flushHeaders();
    answer.on('data', () => activity.refresh());
    answer.on('error', () => finish('failed'));
    answer.pipe(response);
  });
  response.on('drain', () => activity.refresh());
  response.on('finish', () => finish('answered'));
  response.on('close', () => finish(response.writableFinished ? 'answered' : 'client-left'));
  sendBody(
    request,
    hop,
    options,
    () => activity.refresh(),
    () => finish('too-large'),
  );
  return { done, cancel: () => finish('failed') };
}

function openHop(request: IncomingMessage, options: ForwardOptions, agent: Agent): ClientRequest {
  const headers: string[] = [];
  for (const [name, value] of pairs(request.rawHeaders)) {
    if (!HOP_BY_HOP.has(name.toLowerCase()) && !OWN.has(name.toLowerCase())) headers.push(name, value);
  }
  const { host, port } = new URL(options.httpUri);
  headers.push('host', host, 'x-ms-invocation-id', options.invocationId);
  headers.push('x-forwarded-host', request.headers.host ?? host, 'x-forwarded-proto', 'http');
  headers.push('x-forwarded-for', request.socket.remoteAddress ?? '127.0.0.1');
  if (options.body !== undefined) headers.push('content-length', String(options.body.length));
  else if (request.headers['transfer-encoding'] !== undefined) headers.push('transfer-encoding', 'chunked');
  const { method = 'GET', url: path = '/' } = request;
  return httpRequest({ agent, host: '127.0.0.1', port, method, path, headers });
}

function whenClosed(request: IncomingMessage, then: () => void): void {
  if (request.closed) then();
  else request.once('close', then);
}

/** Resolves when the head of the request is on its way, or never will be. */
function whenSent(hop: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    hop.once('error', () => resolve());
    hop.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => setImmediate(resolve));
      else setImmediate(resolve);
    });
  });
}

function sendBody(
  request: IncomingMessage,
  hop: ClientRequest,
  { body, bodyBytesMax }: ForwardOptions,
  onActivity: () => void,
  onTooLarge: () => void,
): void {
  if (body !== undefined || request.headers['transfer-encoding'] === undefined) {
    hop.end(body);
    return;
  }
  hop.flushHeaders();
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    onActivity();
    size += chunk.length;
    if (size > bodyBytesMax) onTooLarge();
  });
  request.pipe(hop);
}

/** Repeated headers (Set-Cookie) stay apart. Whatever `Connection` lists concerns the hop alone (RFC 9110 section 7.6.1). */
function copyHeaders(rawHeaders: string[]): string[] {
  const headers = pairs(rawHeaders);
  const listed = headers
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((name) => name.trim().toLowerCase()));
  return headers.flatMap(([name, value]) =>
    HOP_BY_HOP.has(name.toLowerCase()) || listed.includes(name.toLowerCase()) ? [] : [name, value],
  );
}

function pairs(rawHeaders: string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) result.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return result;
}
