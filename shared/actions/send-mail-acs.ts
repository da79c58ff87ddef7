/**
 * Sends mail through Azure Communication Services: its REST contract, by fetch. A mail is taken (202) and then followed by
 * its operation, from one run of the outbox to the next, so nothing waits in memory and a restart forgets nothing.
 * @see https://learn.microsoft.com/rest/api/communication/email/email/send
 * @see docs/decisions/008-mail-by-rest.md
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Attempted } from '../notifications/delivery.ts';
import type { SendMail } from './outbox.ts';

const API_VERSION = '2023-03-31';
/** Milliseconds one request may take. */
const TIMEOUT_MS = 15_000;
/** Milliseconds until an operation is asked for again where the service does not say. */
const POLL_MS = 10_000;
/** Answers to a request that pass: the others of 4xx are for good. */
const PASSING = new Set([401, 403, 408, 429]);

const operation = z.object({
  id: z.string().optional(),
  status: z.enum(['NotStarted', 'Running', 'Succeeded', 'Failed', 'Canceled']),
  error: z.object({ code: z.string().optional() }).nullish(),
});

/** How the service is reached. */
interface CommunicationServices {
  endpoint: string;
  sender: string;
  /** An access token for `https://communication.azure.com/.default`. */
  token: () => Promise<string>;
}

/** Makes the sender. */
export function createAcsSender({ endpoint, sender, token }: CommunicationServices): SendMail {
  const call = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const response = await fetch(`${endpoint}/emails${path}?api-version=${API_VERSION}`, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text };
  };
  return async ({ id, to, subject, text, html }, operationId) => {
    try {
      if (operationId !== undefined) return outcomeOf(await call('GET', `/operations/${operationId}`), operationId);
      // The same id for the same delivery: an attempt whose answer was lost is known by it.
      const wanted = uuidOf(id);
      const answer = await call(
        'POST',
        ':send',
        {
          senderAddress: sender,
          recipients: { to: to.map((address) => ({ address })) },
          content: { subject, plainText: text, ...(html === undefined ? {} : { html }) },
          headers: { 'X-Sluice-Delivery': id },
          userEngagementTrackingDisabled: true,
        },
        { 'operation-id': wanted },
      );
      // Taken before, and the answer was lost: what became of it is asked next.
      if (answer.status === 409) return { kind: 'accepted', operationId: wanted, retryAfterMs: 0 };
      return outcomeOf(answer, wanted);
    } catch (error) {
      const { name } = Object(error) as Partial<Error>;
      return { kind: 'failed', detail: `no answer of Communication Services: ${name ?? 'unknown'}` };
    }
  };
}

function outcomeOf(
  { status, headers, text }: { status: number; headers: Headers; text: string },
  wanted: string,
): Attempted {
  const retryAfterMs = secondsOf(headers.get('retry-after'));
  if (status === 200 || status === 202) {
    const said = operation.safeParse(jsonOf(text)).data;
    // The address it names is not followed: the id is enough, and the token goes to the endpoint only.
    const id = said?.id ?? /\/operations\/([0-9a-f-]{36})/i.exec(headers.get('operation-location') ?? '')?.[1];
    if (said?.status === 'Succeeded') return { kind: 'delivered' };
    if (said?.status === 'Failed' || said?.status === 'Canceled')
      return { kind: 'refused', detail: `Communication Services: ${said.error?.code ?? said.status}` };
    const operationId = id !== undefined && /^[0-9a-f-]{36}$/i.test(id) ? id : wanted;
    return { kind: 'accepted', operationId, retryAfterMs: retryAfterMs ?? POLL_MS };
  }
  const detail = `Communication Services answered ${status}`;
  if (status >= 400 && status < 500 && !PASSING.has(status)) return { kind: 'refused', detail };
  return { kind: 'failed', detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function secondsOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An id that the service takes (UUID, version 8 by RFC 9562), the same for the same delivery. */
function uuidOf(deliveryId: string): string {
  const hex = createHash('sha256').update(deliveryId).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
