/** HTTP without streaming: the request and the response travel inside the invocation, as on the platform's RPC channel. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpCookie, HttpData, InvocationResponse, NullableString, TypedData } from '../core/contract.ts';
import type { InvocationInput } from '../worker.ts';
import { joinHeaders, joinQuery } from './binding-data.ts';
import type { RouteMatch } from './router.ts';

/** The request as the worker receives it. */
export function bufferedRequest(request: IncomingMessage, url: URL, match: RouteMatch, body: Buffer): InvocationInput {
  const headers = Object.entries(joinHeaders(request.rawHeaders)).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  const http: HttpData = {
    method: request.method ?? 'GET',
    url: url.href,
    // IgnoreEmptyValuedRpcHttpHeaders: the library's Headers would otherwise see names that were never sent with a value.
    nullableHeaders: nullable(headers.filter(([, value]) => value !== '')),
    nullableQuery: nullable(Object.entries(joinQuery(url.searchParams))),
    nullableParams: nullable(Object.entries(match.values)),
    body: body.length > 0 ? { bytes: body } : null,
  };
  return { inputData: [{ name: match.target.bindingName, data: { http } }], triggerMetadata: {} };
}

function nullable(entries: (readonly [string, string])[]): Record<string, NullableString> {
  const result = Object.create(null) as Record<string, NullableString>;
  for (const [name, value] of entries) result[name] = { value };
  return result;
}

/** Writes what the function returned; nothing at all is a 204. */
export function writeBuffered(response: ServerResponse, invoked: InvocationResponse): void {
  const http = invoked.returnValue?.http;
  if (http === undefined) {
    response.writeHead(204).end();
    return;
  }
  const status = Number(http.statusCode ?? 200);
  for (const [name, value] of Object.entries(http.headers ?? {})) {
    if (!HOP_BY_HOP.has(name.toLowerCase()) && name.toLowerCase() !== 'set-cookie') response.setHeader(name, value);
  }
  const cookies = (http.cookies ?? []).map(serialiseCookie);
  if (cookies.length > 0) response.setHeader('set-cookie', cookies);
  const body = bodyBytes(http.body);
  if (body.length > 0 || !BODILESS.has(status)) response.setHeader('content-length', body.length);
  response.writeHead(status).end(BODILESS.has(status) ? undefined : body);
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'trailer',
  'te',
]);
const BODILESS = new Set([204, 205, 304]);

function bodyBytes(data: TypedData | null | undefined): Buffer {
  if (data?.bytes !== undefined) return Buffer.from(data.bytes);
  return Buffer.from(data?.string ?? data?.json ?? '');
}

const SAME_SITE = { none: undefined, lax: 'lax', strict: 'strict', explicitNone: 'none' } as const;

/** @see RFC 6265 §4.1 */
function serialiseCookie(cookie: HttpCookie): string {
  const parts = [`${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`];
  const sameSite = SAME_SITE[cookie.sameSite ?? 'none'];
  if (cookie.expires) parts.push(`expires=${new Date(cookie.expires.value.seconds * 1000).toUTCString()}`);
  if (cookie.maxAge) parts.push(`max-age=${cookie.maxAge.value}`);
  if (cookie.domain) parts.push(`domain=${cookie.domain.value}`);
  parts.push(`path=${cookie.path?.value ?? '/'}`);
  if (cookie.secure?.value) parts.push('secure');
  if (sameSite !== undefined) parts.push(`samesite=${sameSite}`);
  if (cookie.httpOnly?.value) parts.push('httponly');
  return parts.join('; ');
}
