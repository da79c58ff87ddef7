/** The HTTP front of the host: routing, keys, limits, CORS, then the buffered or the streamed way into the function. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { HostConfig } from '../config/host-json.ts';
import type { CorsSettings } from '../config/settings.ts';
import type { AdminApi } from '../admin/admin-api.ts';
import type { Executor } from '../executor.ts';
import type { Faults } from '../faults/faults.ts';
import { FAULTS_PATH, answerFaults } from '../faults/faults-endpoint.ts';
import type { HostLog } from '../log.ts';
import { newInvocationId } from '../worker.ts';
import { triggerMetadata } from './binding-data.ts';
import { bufferedRequest, writeBuffered } from './buffered.ts';
import { applyCors } from './cors.ts';
import { applyHsts } from './hsts.ts';
import { type Keys, isAuthorised } from './keys.ts';
import { answerBadRequests } from './bad-request.ts';
import { BodyTooLarge, contentLength, hasBody, readBody } from './request-body.ts';
import { type HttpFunction, type RouteMatch, createRouter } from './router.ts';
import { forward, forwardAgent } from './stream.ts';
import { createThrottle } from './throttle.ts';
import { traceOf } from './trace-context.ts';

const REASON = 'This function was programmatically called via the host APIs.';

/** Milliseconds that the head of a request may take to arrive; then 408, as the platform's server answers. */
const HEADERS_MS_MAX = 30_000;

export interface HttpFrontOptions {
  functions: HttpFunction[];
  config: HostConfig['http'];
  cors: CorsSettings;
  /** `undefined` skips keys and auth levels, as `func start` does without --enableAuth. */
  keys: Keys | undefined;
  /** Where the library's own server listens; `undefined` in buffered mode. */
  httpUri: string | undefined;
  bodyBytesMax: number;
  activityTimeoutMs: number;
  /** Reproduces the platform's hang when a handler throws or returns nothing in streaming mode. */
  strictHang: boolean;
  executor: Executor;
  log: HostLog;
  /** Answers `GET /metrics`. */
  metrics: () => Promise<string>;
  faults: Faults;
  /** Answers everything under `/admin`. */
  admin: AdminApi;
}

export interface HttpFront {
  server: Server;
  /** From now on new requests are refused and idle connections closed. */
  drain: () => void;
  /** Resolves when every answer that was begun has left. */
  idle: () => Promise<void>;
  /** Resets every connection. */
  cut: () => void;
  close: () => Promise<void>;
}

/** Makes the server; the caller lets it listen. */
export function createHttpFront(options: HttpFrontOptions): HttpFront {
  const agent = forwardAgent();
  const route = createRouter(options.functions);
  const throttle = createThrottle(options.config.maxConcurrentRequests, options.config.maxOutstandingRequests);
  let draining = false;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = requestUrl(request);
    // The host as a whole (`OPTIONS *`) is no function.
    if (url === undefined) return end(response.setHeader('connection', 'close'), request.url === '*' ? 404 : 400);
    if (draining) return end(response.setHeader('connection', 'close'), 503);
    if (request.method === 'GET' && url.pathname === '/metrics') return sendMetrics(response, options.metrics);
    if (url.pathname === FAULTS_PATH) return answerFaults(options.faults, request, response);
    applyHsts(options.config.hsts, request, response);
    if (applyCors(options.cors, request, response)) return;
    if (/^\/admin(\/|$)/i.test(url.pathname)) return options.admin(request, response, url);
    const match = route(request.method ?? 'GET', url.pathname);
    if (match === undefined) return end(response, 404);
    const { name } = match.target.fn.metadata;
    const throttled = options.faults.take('throttle', name);
    if (throttled) return end(response.setHeader('retry-after', throttled.retryAfterSeconds), 429);
    if (options.keys && !isAuthorised(options.keys, request, url, match.target.authLevel, name))
      return end(response, 401);
    const release = await throttle();
    if (release === undefined) return end(response, 429);
    try {
      for (const [header, value] of Object.entries(options.config.customHeaders)) response.setHeader(header, value);
      await (options.httpUri === undefined
        ? runBuffered(options, request, response, url, match)
        : runStreamed(options, options.httpUri, request, response, url, match, agent));
    } finally {
      release();
    }
  };

  const open = new Set<Promise<void>>();
  const sockets = new Set<Socket>();
  const headersTimeout = Math.min(HEADERS_MS_MAX, options.activityTimeoutMs);
  // Node would refuse a head without a host by itself, with a body in chunks.
  const serverOptions = { connectionsCheckingInterval: headersTimeout / 4, requireHostHeader: false };
  const server = createServer(serverOptions, (request, response) => {
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    open.add(closed);
    void closed.then(() => open.delete(closed));
    handle(request, response).catch((error: unknown) => {
      if (!(error instanceof BodyTooLarge) && !isAborted(request, error)) {
        options.log('error', `An HTTP request failed inside the host: ${String(error)}`);
      }
      request.resume();
      if (response.headersSent) response.destroy();
      else end(response, error instanceof BodyTooLarge ? 413 : 500);
    });
  });
  // Streams live for many minutes and say when they end by themselves; slow bodies are bounded by the activity timeout.
  server.requestTimeout = options.activityTimeoutMs;
  server.headersTimeout = headersTimeout;
  answerBadRequests(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return {
    server,
    drain: () => {
      draining = true;
      server.closeIdleConnections();
    },
    idle: async () => {
      while (open.size > 0) {
        // oxlint-disable-next-line no-await-in-loop -- more may have come in while the last ones ended
        await Promise.all(open);
      }
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function runBuffered(
  options: HttpFrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  match: RouteMatch,
): Promise<void> {
  const body = await readBody(request, options.bodyBytesMax);
  const input = { ...bufferedRequest(request, url, match, body), ...traceOf(request) };
  const outcome = await options.executor.run(match.target.fn, input, REASON);
  if (options.faults.take('drop', match.target.fn.metadata.name)) return void request.socket.resetAndDestroy();
  if (!outcome.ok) return end(response, 500);
  writeBuffered(response, outcome.response);
}

async function runStreamed(
  options: HttpFrontOptions,
  httpUri: string,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  match: RouteMatch,
  agent: ReturnType<typeof forwardAgent>,
): Promise<void> {
  const { target, values } = match;
  const { bodyBytesMax, activityTimeoutMs, log } = options;
  // The HTTP extension reads a body of known length for its binding data; a chunked one passes by.
  const body = contentLength(request) === undefined ? undefined : await readBody(request, bodyBytesMax);
  const invocationId = newInvocationId();
  const isDropped = options.faults.take('drop', target.fn.metadata.name) !== undefined;
  const limits = { bodyBytesMax, activityTimeoutMs };
  const hop = forward(request, response, { invocationId, httpUri, body, ...limits, agent, isDropped });
  const input = {
    ...traceOf(request),
    inputData: [{ name: target.bindingName, data: { http: {} } }],
    triggerMetadata: triggerMetadata(request.rawHeaders, url.searchParams, values, hasBody(request) ? body : undefined),
  };
  const invocation = options.executor.run(target.fn, input, REASON, invocationId).then((outcome) => {
    const silent = outcome.ok && (outcome.result === undefined || outcome.result === null);
    if (outcome.ok && !silent) return;
    const what = outcome.ok ? 'returned no response' : 'failed';
    log(
      'warning',
      `Function '${target.fn.metadata.name}' ${what} with HTTP streaming on. On the platform its caller now hangs until ` +
        `${activityTimeoutMs / 1000} s pass without a byte${options.strictHang ? '.' : '; here it is told at once.'}`,
    );
    if (options.strictHang) return;
    if (response.headersSent) response.destroy();
    else end(response.setHeader('x-ms-invocation-id', invocationId), 500);
    hop.cancel();
  });
  const outcome = await hop.done;
  if (outcome === 'client-left')
    log('information', `The client of '${target.fn.metadata.name}' left (${invocationId}).`);
  if (outcome === 'too-large') throw new BodyTooLarge();
  if (outcome === 'timed-out' || outcome === 'failed') {
    if (response.headersSent) response.destroy();
    else end(response, outcome === 'timed-out' ? 504 : 502);
  }
  await invocation;
}

/** The URL as the caller sees it; `undefined` when the request line or the Host header cannot be one. */
function requestUrl(request: IncomingMessage): URL | undefined {
  const target = request.url ?? '/';
  if (request.headers.host === undefined && request.httpVersion === '1.1') return undefined;
  // RFC 9112 section 3.2.2: a server must accept the absolute form, and the host in it wins.
  if (/^https?:\/\//i.test(target)) {
    if (!URL.canParse(target)) return undefined;
    const url = new URL(target);
    request.url = url.pathname + url.search;
    request.headers.host = url.host;
    return url;
  }
  // `//evil.example/x` would otherwise be read as another host.
  const base = `http://${request.headers.host ?? '127.0.0.1'}`;
  return URL.canParse(base) && target.startsWith('/') ? new URL(base + target) : undefined;
}

async function sendMetrics(response: ServerResponse, metrics: () => Promise<string>): Promise<void> {
  const text = await metrics();
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
}

function end(response: ServerResponse, status: number): void {
  if (!response.writableEnded) response.writeHead(status, { 'content-length': 0 }).end();
}

function isAborted(request: IncomingMessage, error: unknown): boolean {
  return request.destroyed && (error as NodeJS.ErrnoException)?.code === 'ECONNRESET';
}
