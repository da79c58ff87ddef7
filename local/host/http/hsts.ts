/**
 * `Strict-Transport-Security` of host.json. As on the platform only an HTTPS request gets it, and never one for a
 * loopback name; here HTTPS ends in front of the host, which a proxy says by `x-forwarded-proto`.
 * @see RFC 6797 section 7.2
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HstsConfig } from '../config/host-json.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Sets the header where it is due. */
export function applyHsts(hsts: HstsConfig | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (hsts?.isEnabled !== true || request.headers['x-forwarded-proto'] !== 'https') return;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if ([...LOOPBACK, ...hsts.excludedHosts].some((excluded) => excluded.toLowerCase() === host)) return;
  const directives = [`max-age=${Math.floor(hsts.maxAge / 1000)}`];
  if (hsts.includeSubDomains) directives.push('includeSubDomains');
  if (hsts.preload) directives.push('preload');
  response.setHeader('strict-transport-security', directives.join('; '));
}
