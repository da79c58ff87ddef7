/** Shared access signatures: who may touch which entity, and until when. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refused, UNAUTHORIZED } from './amqp-error.ts';

const unauthorized = (description: string): Refused => new Refused(UNAUTHORIZED, description);

/** The key that signs; one per stand-in. */
export interface SasKey {
  readonly name: string;
  readonly value: string;
}

/** What a token allows: everything at and below `path`, until `expiresMs`. */
export interface Claim {
  readonly path: string;
  readonly expiresMs: number;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Host and path of an audience or resource, comparable: scheme, port and case do not count (clients of one namespace
 * write `sb:`, `amqp:`, `amqps:` or `http:`, with a port or without), nor does a slash at the end. The names of this
 * machine are one host.
 */
function comparable(resource: string): { host: string; path: string } {
  const bare = resource.toLowerCase().replace(/^[a-z]+:\/\//, '');
  const slash = bare.indexOf('/');
  const host = (slash < 0 ? bare : bare.slice(0, slash)).replace(/:\d+$/, '');
  return {
    host: LOOPBACK.has(host) ? 'localhost' : host,
    path: slash < 0 ? '' : bare.slice(slash).replace(/\/+$/, ''),
  };
}

/** Whether `path` is at or below `above`, on path boundaries. */
const isBelow = (path: string, above: string): boolean => path === above || path.startsWith(`${above}/`);

function same(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * Verifies a `SharedAccessSignature sr=…&sig=…&se=…&skn=…` for an audience.
 * @returns what it allows
 * @throws Refused unauthorized-access, saying why
 */
export function verifySas(token: string, audience: string, key: SasKey, nowMs: number): Claim {
  const match = /^\s*SharedAccessSignature\s+(.+)$/i.exec(token);
  if (match === null) throw unauthorized('The token is not a SharedAccessSignature.');
  const fields = new Map<string, string>();
  for (const pair of (match[1] ?? '').trim().split('&')) {
    const equals = pair.indexOf('=');
    fields.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const missing = ['sr', 'sig', 'se', 'skn'].filter((name) => !fields.has(name));
  if (missing.length > 0) throw unauthorized(`The token lacks ${missing.join(', ')}.`);
  const [sr = '', sig = '', se = '', skn = ''] = ['sr', 'sig', 'se', 'skn'].map((name) => fields.get(name));
  let resource: { host: string; path: string };
  let signature: string;
  let keyName: string;
  try {
    resource = comparable(decodeURIComponent(sr));
    signature = decodeURIComponent(sig);
    keyName = decodeURIComponent(skn);
  } catch {
    throw unauthorized('The token is not URL-encoded.');
  }
  if (keyName !== key.name) throw unauthorized(`The token names the unknown key '${keyName}'.`);
  const expected = createHmac('sha256', key.value).update(`${sr}\n${se}`).digest('base64');
  if (!same(signature, expected)) throw unauthorized('The signature of the token does not match.');
  const expiresMs = Number(se) * 1000;
  if (!/^\d+$/.test(se) || expiresMs <= nowMs) throw unauthorized(`The token expired at ${se} (epoch seconds).`);
  const wanted = comparable(audience);
  if (resource.host !== wanted.host || !isBelow(wanted.path, resource.path)) {
    throw unauthorized(`The token is for '${decodeURIComponent(sr)}', not for '${audience}'.`);
  }
  return { path: wanted.path, expiresMs };
}

/** What an audience covers when its token is accepted without being read (Entra ID). */
export const claimOf = (audience: string, expiresMs: number): Claim => ({ path: comparable(audience).path, expiresMs });

/** Whether one of the claims still covers the entity at `path` (`hub/…`, without a leading slash). */
export function isAllowed(claims: Iterable<Claim>, path: string, nowMs: number): boolean {
  const wanted = `/${path.toLowerCase()}`;
  for (const claim of claims) if (claim.expiresMs > nowMs && isBelow(wanted, claim.path)) return true;
  return false;
}
