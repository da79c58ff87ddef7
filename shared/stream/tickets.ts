/**
 * Tickets for browsers: an EventSource cannot send a header, and an access token must not be in a URL. A ticket must be
 * used within a minute, is then good for one stream session until the token it was bought with ends, and has one live
 * connection: the newest. So the automatic reconnects of an EventSource work, and a URL found in a log does not.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import { CachedReads } from '../store/cached-reads.ts';
import type { Document, Store } from '../store/store.ts';

/** Milliseconds until a ticket that was not used is void. */
const TICKET_USE_MS = 60_000;
/** Milliseconds after which an instance hears that a ticket has a newer connection elsewhere. */
const CONNECTION_FRESH_MS = 3_000;
/** Tickets whose connection an instance remembers. */
const CONNECTIONS_MAX = 10_000;
/** Attempts to take a ticket over against other connections that do so at the same moment. */
const TAKE_ATTEMPTS = 5;

const TICKET = /^slct_[A-Za-z0-9_-]{43}$/;

interface TicketDocument extends Document {
  kind: 'ticket';
  principal: ApplicationPrincipal;
  issuedAtMs: number;
  /** The connection that has the ticket now; absent while it was never used. */
  connection?: string;
}

/** A connection that a ticket has. */
export interface TicketConnection {
  id: string;
  connection: string;
}

/** Issues and redeems tickets. */
export interface Tickets {
  issue(principal: ApplicationPrincipal): Promise<{ ticket: string; useBeforeMs: number; expiresAtMs: number }>;
  /** Takes the ticket for a new connection. @throws Problem 401 for one that is unknown, void or expired */
  redeem(ticket: string): Promise<{ principal: ApplicationPrincipal; held: TicketConnection }>;
  /** Whether a connection still has its ticket; at most 3 s old. */
  holds(held: TicketConnection): Promise<boolean>;
}

/** Makes the tickets over the store. */
export function createTickets(store: Store, now: () => number = Date.now): Tickets {
  const read = (id: string) => store.read<TicketDocument>('grants', id, id);
  const connections = new CachedReads(async (id: string) => (await read(id))?.connection, {
    freshMs: CONNECTION_FRESH_MS,
    lastKnownMs: TICKET_USE_MS,
    entriesMax: CONNECTIONS_MAX,
    now,
  });
  return {
    async issue(principal) {
      const ticket = `slct_${randomBytes(32).toString('base64url')}`;
      const { expiresAtMs } = principal;
      const ttl = Math.max(1, Math.ceil((expiresAtMs - now()) / 1000));
      const document: TicketDocument = { id: idOf(ticket), ttl, kind: 'ticket', principal, issuedAtMs: now() };
      await store.create('grants', document);
      return { ticket, useBeforeMs: Math.min(now() + TICKET_USE_MS, expiresAtMs), expiresAtMs };
    },

    async redeem(ticket) {
      if (!TICKET.test(ticket)) throw invalidTicket('This is no ticket of ours.');
      const id = idOf(ticket);
      for (let attempt = 0; attempt < TAKE_ATTEMPTS; attempt++) {
        // oxlint-disable-next-line no-await-in-loop -- each attempt needs what the one before ran into
        const found = await read(id);
        if (found === undefined || found.principal.expiresAtMs <= now()) {
          throw invalidTicket('This ticket does not exist or has expired.');
        }
        if (found.connection === undefined && now() - found.issuedAtMs > TICKET_USE_MS) {
          throw invalidTicket(`This ticket was not used within ${TICKET_USE_MS / 1000} s.`);
        }
        const { _etag, _ts, ...document } = found;
        const held = { id, connection: randomUUID() };
        const ttl = Math.max(1, Math.ceil((document.principal.expiresAtMs - now()) / 1000));
        // oxlint-disable-next-line no-await-in-loop
        const taken = await store.replace('grants', { ...document, ttl, connection: held.connection }, _etag);
        if (taken !== undefined) {
          connections.forget(id);
          return { principal: document.principal, held };
        }
      }
      throw new Problem('ticket-contended', 429, 'Several connections take this ticket at once: use one ticket each.', {
        headers: { 'retry-after': '2' },
      });
    },

    async holds({ id, connection }) {
      return (await connections.get(id)) === connection;
    },
  };
}

/** Only a hash is stored: who reads the database cannot open streams. */
function idOf(ticket: string): string {
  return `ticket|${createHash('sha256').update(ticket).digest('base64url')}`;
}

function invalidTicket(detail: string): Problem {
  return new Problem('invalid-ticket', 401, `${detail} Get a new one from POST /v1/stream/tickets.`, {
    headers: { 'www-authenticate': 'Bearer realm="sluice"' },
  });
}
