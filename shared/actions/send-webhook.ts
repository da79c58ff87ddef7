/**
 * Sends one delivery as a webhook by the Standard Webhooks specification: signed over id, time and body, by every secret
 * that is live during a rotation. Redirects are not followed, only 2xx is success, the address is checked and pinned.
 */
import { createHmac } from 'node:crypto';
import { lookup as resolve } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Attempted } from '../notifications/delivery.ts';
import {
  brokenTarget,
  hostOf,
  isAllowed,
  isPublicAddress,
  type AllowedTargets,
} from '../notifications/public-address.ts';

/** Milliseconds that a receiver has to answer. */
const TIMEOUT_MS = 15_000;

/** One message. */
export interface WebhookMessage {
  url: string;
  id: string;
  body: string;
  /** The keys that sign, the current one first. */
  keys: readonly Buffer[];
}

/** What a webhook is sent with. */
export interface WebhookOptions {
  allowed: AllowedTargets;
  nowMs: number;
  timeoutMs?: number;
  /** Resolves names; the system's resolver unless a test has another. */
  lookup?: LookupFunction;
}

const GONE = 'the receiver answered 410: it wants no more';

/** Whether a receiver wants no more. */
export function isGone(attempted: Attempted): boolean {
  return attempted.kind === 'refused' && attempted.detail === GONE;
}

/** The headers of a message. */
function webhookHeaders({ id, body, keys }: WebhookMessage, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signed = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signed.join(' ') };
}

/** Sends a message; never throws for what the receiver does. */
export async function sendWebhook(message: WebhookMessage, options: WebhookOptions): Promise<Attempted> {
  const { allowed, nowMs, timeoutMs = TIMEOUT_MS } = options;
  const broken = brokenTarget(message.url, allowed);
  if (broken !== undefined) return { kind: 'refused', detail: `url: ${broken}` };
  const url = new URL(message.url);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const body = Buffer.from(message.body);
  const answered = Promise.withResolvers<Attempted>();
  const request = send(
    {
      hostname: hostOf(url),
      ...(url.port === '' ? {} : { port: url.port }),
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      // A connection of its own: one that is kept alive would go to an address that was checked for another message.
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      ...(isAllowed(url, allowed) ? {} : { lookup: onlyPublic(options.lookup ?? systemLookup) }),
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'Sluice',
        ...webhookHeaders(message, nowMs),
      },
    },
    (response) => {
      // What it says is not read: a receiver must not be able to fill our memory.
      response.destroy();
      answered.resolve(outcomeOf(response.statusCode ?? 0, response.headers['retry-after'], nowMs));
    },
  );
  request.once('error', (error) => answered.resolve({ kind: 'failed', detail: failureOf(error) }));
  request.end(body);
  return answered.promise;
}

function outcomeOf(status: number, retryAfter: string | undefined, nowMs: number): Attempted {
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'refused', detail: GONE };
  const wait = retryAfterMs(retryAfter, nowMs);
  const detail =
    status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}`;
  return { kind: 'failed', detail, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function failureOf(error: Error & { code?: string }): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'no answer in time';
  return error.code === 'ENOTPUBLIC' ? error.message : `no connection: ${error.code ?? error.name}`;
}

const systemLookup: LookupFunction = (name, options, done) => resolve(name, options, done as never);

/** A lookup that gives public addresses only, and fails when one of a name's addresses is not. */
function onlyPublic(lookup: LookupFunction): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      const addresses = typeof found === 'string' ? [{ address: found, family: found.includes(':') ? 6 : 4 }] : found;
      const [first] = addresses ?? [];
      if (error || !first) return done(error ?? new Error('no address'), '', 0);
      if (!addresses.every(({ address }) => isPublicAddress(address))) {
        const refused = Object.assign(new Error('the name resolves to an address that is not public'), {
          code: 'ENOTPUBLIC',
        });
        return done(refused, '', 0);
      }
      if (options.all === true) return done(null, addresses);
      done(null, first.address, first.family);
    });
  };
}
