/**
 * The safe wrapper around every HTTP function. Whatever happens, the caller gets a response: on the platform a handler
 * that throws or returns undefined in streaming mode leaves the caller hanging for minutes.
 *
 * A route is served by one function for all verbs, because the platform answers 404 for a verb that is not registered.
 */
import { randomUUID } from 'node:crypto';
import type { HttpHandler, HttpMethod, HttpRequest, HttpResponseInit } from '@azure/functions';
import { z } from 'zod';
import { inSpan, log } from '../observability.ts';
import { isTransient } from '../store/store.ts';
import { parseForm, type BodyReader } from './body.ts';
import { allowOrigin, allowPreflight, originOf, type CrossOrigin } from './cross-origin.ts';
import type { Guard } from './guard.ts';
import { Problem, problemResponse } from './problem.ts';
import { compileRoute } from './route-template.ts';
import { parseInput } from './validate.ts';

/** Verbs that an operation can serve; HEAD follows GET, OPTIONS is answered for every route. */
export type Verb = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What to register a route with, so that every verb reaches `endpoints`. (The library itself cannot take TRACE.) */
export const EVERY_METHOD: HttpMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Seconds after which a caller may try again when the store is in trouble. */
const RETRY_AFTER_SECONDS = 2;

/** Rules for the input of an operation. What is left out is not read: no guard means public. */
export interface OperationSpec<Params, Query, Body, Caller> {
  /** What it does, in a few words: for the API's description. */
  summary?: string;
  guard?: Guard<Caller>;
  /** Path parameters by the names in the template. */
  params?: z.ZodType<Params>;
  /** Query parameters; a key that the schema does not know is refused. */
  query?: z.ZodType<Query>;
  body?: BodyReader<Body>;
  /** Lets web pages of other origins in; without it no page may read the answer. */
  crossOrigin?: CrossOrigin<Caller>;
  /** Renders problems in another format than RFC 9457, as OAuth wants. */
  renderProblem?: (problem: Problem, requestId: string) => HttpResponseInit;
}

/** One checked request. */
export interface Call<Params, Query, Body, Caller> {
  params: Params;
  query: Query;
  body: Body;
  caller: Caller;
  request: HttpRequest;
  requestId: string;
}

/** What serves one verb of a route. Made by `operation`. */
export interface Operation {
  run(request: HttpRequest, url: URL, params: Record<string, string>, requestId: string): Promise<HttpResponseInit>;
  /** Whether pages of an origin may read the answer to a request; absent where none may. */
  mayRead?: (origin: string, request: HttpRequest | undefined) => Promise<boolean>;
  renderProblem: (problem: Problem, requestId: string) => HttpResponseInit;
  /** The rules for the input, for the API's description. */
  input: OperationInput;
}

/** What an operation takes. */
export interface OperationInput {
  summary: string | undefined;
  guarded: boolean;
  params: z.ZodType | undefined;
  query: z.ZodType | undefined;
  body: BodyReader<unknown>['takes'] | undefined;
}

/** Ties the rules for the input to the handler that gets it checked and typed. The handler may throw Problems. */
export function operation<Params = Record<string, string>, Query = undefined, Body = undefined, Caller = undefined>(
  spec: OperationSpec<Params, Query, Body, Caller>,
  handle: (call: Call<Params, Query, Body, Caller>) => Promise<HttpResponseInit>,
): Operation {
  const queryKeys = spec.query ? keysOf(spec.query) : undefined;
  const { crossOrigin } = spec;
  /** Who made a request, once that is known: what a page may read depends on it. */
  const callers = new WeakMap<HttpRequest, { caller: Caller }>();
  return {
    renderProblem: spec.renderProblem ?? problemResponse,
    input: {
      summary: spec.summary,
      guarded: spec.guard !== undefined,
      params: spec.params,
      query: spec.query,
      body: spec.body?.takes,
    },
    ...(crossOrigin && {
      mayRead: (origin, request) => {
        const known = request && callers.get(request);
        return known ? crossOrigin.mayRead(origin, known.caller) : crossOrigin.isKnown(origin);
      },
    }),
    async run(request, url, rawParams, requestId) {
      const rawQuery = readQuery(url);
      // What a spec leaves out has the default type of its parameter: undefined, or the raw path parameters.
      const caller = (spec.guard ? await spec.guard(request) : undefined) as Caller;
      if (crossOrigin) callers.set(request, { caller });
      const params = (spec.params ? parseInput(spec.params, rawParams, 'path') : rawParams) as Params;
      if (queryKeys) refuseUnknown(rawQuery, queryKeys);
      const query = (spec.query ? parseInput(spec.query, rawQuery, 'query') : undefined) as Query;
      const body = (spec.body ? await spec.body(request) : undefined) as Body;
      return handle({ params, query, body, caller, request, requestId });
    },
  };
}

/** Serves the verbs of one route. Register it with EVERY_METHOD. */
export function endpoints(route: string, operations: Partial<Record<Verb, Operation>>): HttpHandler {
  const match = compileRoute(route);
  const allow = allowedVerbs(operations);
  const answer = async (request: HttpRequest, context?: EndpointContext) => {
    const requestId = context?.invocationId ?? randomUUID();
    const verb = request.method === 'HEAD' ? 'GET' : request.method;
    const chosen = Object.hasOwn(operations, verb) ? operations[verb as Verb] : undefined;
    try {
      const url = new URL(request.url);
      refuseForgedMetadata(url);
      const params = match(url.pathname);
      if (!params) throw notFound(url.pathname);
      if (request.method === 'OPTIONS') return await preflight(request, operations, allow, requestId);
      if (!chosen) throw wrongVerb(request.method, allow);
      const response = finish(await chosen.run(request, url, params, requestId), requestId);
      await letPageRead(response, chosen, request);
      return request.method === 'HEAD' ? await withoutBody(response) : response;
    } catch (error) {
      const problem = toProblem(error, request, route, requestId);
      const response = finish((chosen?.renderProblem ?? problemResponse)(problem, requestId), requestId);
      // Whether the page may read it is looked up in the store, which may be the very trouble.
      await letPageRead(response, chosen, request).catch(() => undefined);
      return response;
    }
  };
  return (request, context?: EndpointContext) => {
    const parent = context?.traceContext?.traceParent ?? request.headers.get('traceparent') ?? undefined;
    const attributes = { method: request.method, route };
    return inSpan('http.request', { parent, attributes }, () => answer(request, context));
  };
}

/** What the platform says of an invocation. */
interface EndpointContext {
  invocationId?: string;
  traceContext?: { traceParent?: string | undefined } | undefined;
}

/** Answers OPTIONS: what the route serves, and to the preflight of a browser whether a page may ask at all. */
async function preflight(
  request: HttpRequest,
  operations: Partial<Record<Verb, Operation>>,
  allow: string,
  requestId: string,
): Promise<Answer> {
  const response = finish({ status: 204, headers: { allow } }, requestId);
  const wanted = request.headers.get('access-control-request-method');
  const operation = wanted !== null && Object.hasOwn(operations, wanted) ? operations[wanted as Verb] : undefined;
  const origin = originOf(request);
  if (operation?.mayRead === undefined) return response;
  response.headers.set('vary', 'origin');
  if (origin !== undefined && (await operation.mayRead(origin, undefined))) {
    allowPreflight(response.headers, origin, allow);
  }
  return response;
}

async function letPageRead({ headers }: Answer, operation: Operation | undefined, request: HttpRequest): Promise<void> {
  if (operation?.mayRead === undefined) return;
  headers.set('vary', 'origin');
  const origin = originOf(request);
  if (origin !== undefined && (await operation.mayRead(origin, request))) allowOrigin(headers, origin);
}

/** Serves one verb of a route. */
export function endpoint<Params = Record<string, string>, Query = undefined, Body = undefined, Caller = undefined>(
  spec: OperationSpec<Params, Query, Body, Caller> & { route: string; method?: Verb },
  handle: (call: Call<Params, Query, Body, Caller>) => Promise<HttpResponseInit>,
): HttpHandler {
  return endpoints(spec.route, { [spec.method ?? 'GET']: operation(spec, handle) });
}

/** The answer for a path that nothing serves. */
function notFound(pathname: string): Problem {
  return new Problem('not-found', 404, `There is nothing at ${pathname.slice(0, 200)}.`);
}

/** Answers every path that no other function serves; to be registered under a name that sorts last. */
export const unknownRoute: HttpHandler = async (request, context?: { invocationId?: string }) => {
  const requestId = context?.invocationId ?? randomUUID();
  return finish(problemResponse(notFound(new URL(request.url).pathname), requestId), requestId);
};

function wrongVerb(method: string, allow: string): Problem {
  return new Problem('method-not-allowed', 405, `${method} is not served here; allowed: ${allow}.`, {
    headers: { allow },
  });
}

function allowedVerbs(operations: Partial<Record<Verb, Operation>>): string {
  const verbs = Object.keys(operations).flatMap((verb) => (verb === 'GET' ? ['GET', 'HEAD'] : [verb]));
  return [...verbs, 'OPTIONS'].join(', ');
}

/**
 * In streaming mode a query key `Headers` replaces every header that the function sees, and `Query` its query
 * (functions-host: the host's binding data). Nobody may choose what we authenticate, so the real URL must not have them.
 */
function refuseForgedMetadata(url: URL): void {
  for (const key of url.searchParams.keys()) {
    if (/^(headers|query)$/i.test(key)) {
      throw new Problem('reserved-query-key', 400, `The query key "${key}" is reserved by the platform: leave it out.`);
    }
  }
}

function readQuery(url: URL): Record<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of parseForm(url.search.slice(1), 'query')) {
    if (query.has(name)) {
      throw new Problem('repeated-query-key', 400, `The query key "${name.slice(0, 60)}" is repeated: send it once.`);
    }
    query.set(name, value);
  }
  return Object.fromEntries(query);
}

function refuseUnknown(query: Record<string, string>, known: ReadonlySet<string>): void {
  const unknown = Object.keys(query).filter((key) => !known.has(key));
  if (unknown.length === 0) return;
  const names = [...known].toSorted().join(', ') || 'none';
  throw new Problem(
    'unknown-query-key',
    400,
    `"${unknown[0]?.slice(0, 60)}" is not a query key here; known: ${names}.`,
    {
      extensions: {
        errors: unknown.slice(0, 20).map((field) => ({ field: field.slice(0, 60), rule: 'is not known here' })),
      },
    },
  );
}

function keysOf(schema: z.ZodType): ReadonlySet<string> | undefined {
  if (schema instanceof z.ZodObject) return new Set(Object.keys(schema.shape));
  return schema instanceof z.ZodPipe ? keysOf(schema.in as z.ZodType) : undefined;
}

function toProblem(error: unknown, request: HttpRequest, route: string, requestId: string): Problem {
  if (error instanceof Problem) return error;
  const transient = isTransient(error);
  log('http-failed', { requestId, method: request.method, route, transient }, error);
  if (transient) {
    return new Problem('unavailable', 503, 'The store does not answer at the moment: try again shortly.', {
      headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
    });
  }
  return new Problem('internal', 500, `This failed on our side. Quote request ${requestId} when you report it.`);
}

/** A response with the headers that every one has. */
type Answer = HttpResponseInit & { headers: Headers };

/** Serialises JSON here, where a failure still gets an answer, and adds the headers that every response has. */
function finish(response: HttpResponseInit | undefined, requestId: string): Answer {
  if (!response) throw new TypeError('The handler returned nothing.');
  const { jsonBody, headers: given, ...rest } = response;
  const headers = new Headers(given as Record<string, string>);
  headers.set('x-content-type-options', 'nosniff');
  headers.set('x-request-id', requestId);
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
  if (jsonBody === undefined) return { ...rest, headers };
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  return { ...rest, headers, body: JSON.stringify(jsonBody) };
}

async function withoutBody({ body, ...response }: HttpResponseInit): Promise<HttpResponseInit> {
  if (body instanceof ReadableStream) await body.cancel();
  else if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    await body[Symbol.asyncIterator]().return?.();
  }
  return response;
}
