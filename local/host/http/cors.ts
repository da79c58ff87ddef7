/** CORS as Core Tools applies it: the origins of local.settings.json `Host.CORS`, preflights answered by the host. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CorsSettings } from '../config/settings.ts';

/**
 * Adds the headers for an allowed origin.
 * @returns true when the request was a preflight and has been answered
 */
export function applyCors(cors: CorsSettings, request: IncomingMessage, response: ServerResponse): boolean {
  const { origin } = request.headers;
  if (origin === undefined || cors.origins.length === 0) return false;
  const any = cors.origins.includes('*');
  if (!any && !cors.origins.some((allowed) => allowed.toLowerCase() === origin.toLowerCase())) return false;
  // With credentials a browser refuses the wildcard, so the origin is echoed.
  response.setHeader('access-control-allow-origin', any && !cors.credentials ? '*' : origin);
  if (!any || cors.credentials) response.appendHeader('vary', 'Origin');
  if (cors.credentials) response.setHeader('access-control-allow-credentials', 'true');
  const method = request.headers['access-control-request-method'];
  if (request.method !== 'OPTIONS' || method === undefined) return false;
  response.setHeader('access-control-allow-methods', method);
  const headers = request.headers['access-control-request-headers'];
  if (headers !== undefined) response.setHeader('access-control-allow-headers', headers);
  response.writeHead(204).end();
  return true;
}
