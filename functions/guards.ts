/** Guards over the services of this instance. */
import type { Permission } from '../shared/identity/roles.ts';
import { applicationGuard, manageGuard, userGuard } from '../shared/oauth/token-guard.ts';
import type { CrossOrigin } from '../shared/http/cross-origin.ts';
import type { ApplicationPrincipal } from '../shared/identity/principal.ts';
import { services } from './services.ts';

/** Lets administrators in whose roles give the permission. */
export const may = (permission: Permission) => manageGuard(services, permission);

/** Lets external applications in, by a token with the scope `app`. */
export const anApplication = applicationGuard(services, 'app');

/** Lets people in, by a token with the scope `me`. */
export const aUser = userGuard(services, 'me');

/** Lets web pages in whose origin the application names. */
export const itsPages: CrossOrigin<ApplicationPrincipal> = {
  isKnown: async (origin) => (await services()).allowedOrigins.isKnown(origin),
  mayRead: async (origin, caller) => (await services()).allowedOrigins.mayRead(origin, caller),
};
