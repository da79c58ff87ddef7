/**
 * Which web pages may read an answer (Fetch standard, CORS protocol). There are no cookies, so nothing is ever allowed
 * "with credentials"; a page that may not read an answer could still not have got it without a token or a ticket.
 */
import type { HttpRequest } from '@azure/functions';

/** Seconds a browser may remember the answer to a preflight. */
const PREFLIGHT_SECONDS = 600;
/** What a page may send besides what every page may. */
const REQUEST_HEADERS = 'authorization, content-type, dpop, last-event-id, idempotency-key';
/** What a page may read of an answer besides what every page may. */
const RESPONSE_HEADERS = 'x-request-id, retry-after, www-authenticate, dpop-nonce';

/** Decides for one operation. */
export interface CrossOrigin<Caller> {
  /** Whether some caller may be used from pages of this origin: a preflight, and a refusal, know of none. */
  isKnown(origin: string): Promise<boolean>;
  /** Whether this caller may. */
  mayRead(origin: string, caller: Caller): Promise<boolean>;
}

/**
 * Every page may read: for what holds nothing without credentials that the page itself must bring, such as tokens bought
 * by an application that runs in a browser. Never for what a browser's cookie opens.
 */
export const EVERY_PAGE: CrossOrigin<unknown> = { isKnown: async () => true, mayRead: async () => true };

/** The origin of the page that a request comes from; undefined for what is no page, or one without an origin. */
export function originOf(request: HttpRequest): string | undefined {
  const origin = request.headers.get('origin');
  return origin === null || origin === 'null' ? undefined : origin;
}

/** Adds what lets pages of `origin` read the answer. */
export function allowOrigin(headers: Headers, origin: string): void {
  headers.set('access-control-allow-origin', origin);
  headers.set('access-control-expose-headers', RESPONSE_HEADERS);
}

/** Adds the answer to a preflight from an origin that is known. */
export function allowPreflight(headers: Headers, origin: string, verbs: string): void {
  headers.set('access-control-allow-origin', origin);
  headers.set('access-control-allow-methods', verbs);
  headers.set('access-control-allow-headers', REQUEST_HEADERS);
  headers.set('access-control-max-age', String(PREFLIGHT_SECONDS));
}
