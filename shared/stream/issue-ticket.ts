/** `POST /v1/stream/tickets`: a ticket for a browser. */
import type { HttpResponseInit } from '@azure/functions';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import type { Tickets } from './tickets.ts';

/** Answers 201 with the ticket, the path to open with it, and its times. */
export async function issueTicket(tickets: Tickets, caller: ApplicationPrincipal): Promise<HttpResponseInit> {
  const { ticket, useBeforeMs, expiresAtMs } = await tickets.issue(caller);
  return {
    status: 201,
    jsonBody: {
      ticket,
      url: `/v1/stream/telemetry?ticket=${ticket}`,
      useBefore: new Date(useBeforeMs).toISOString(),
      expiresAt: new Date(expiresAtMs).toISOString(),
    },
  };
}
