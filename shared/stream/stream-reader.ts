/** Who opens a stream: an application by its token, or a browser by a ticket that the application got for it. */
import type { Policies } from '../applications/application-policy.ts';
import type { Guard } from '../http/guard.ts';
import { Problem } from '../http/problem.ts';
import type { ApplicationPrincipal } from '../identity/principal.ts';
import type { Decision } from './authority-watch.ts';
import type { TicketConnection, Tickets } from './tickets.ts';

/** The caller of a stream. */
export interface StreamReader extends ApplicationPrincipal {
  /** The ticket it came with. */
  ticket?: TicketConnection;
}

/** What admission needs. */
export interface AdmissionServices {
  tickets: Tickets;
  policies: Pick<Policies, 'standingOf' | 'authorityOf' | 'forget'>;
}

/**
 * Lets in whoever `guard` lets in, and whoever brings `?ticket=` and no Authorization header.
 * @throws Problem what the guard throws; 401 for a ticket that is not valid or whose application may not any more
 */
export function streamGuard(
  services: () => Promise<AdmissionServices>,
  guard: Guard<ApplicationPrincipal>,
): Guard<StreamReader> {
  return async (request) => {
    const ticket = new URL(request.url).searchParams.get('ticket');
    if (ticket === null || request.headers.has('authorization')) return guard(request);
    const { tickets, policies } = await services();
    const { principal, held } = await tickets.redeem(ticket);
    const standing = await policies.standingOf(principal);
    if (standing.allowed) return { ...principal, ticket: held };
    throw new Problem('invalid-ticket', 401, `This ticket has ended: the application is ${standing.reason}.`);
  };
}

/** What a reader may see now; one whose ticket has a newer connection may see nothing. */
export async function authorityOfReader(
  { tickets, policies }: AdmissionServices,
  reader: StreamReader,
): Promise<Decision> {
  if (reader.ticket !== undefined && !(await tickets.holds(reader.ticket)))
    return { allowed: false, reason: 'superseded' };
  return policies.authorityOf(reader);
}
