/** Guards over the services of this instance. */
import type { Permission } from '../shared/identity/roles.ts';
import { applicationGuard, manageGuard } from '../shared/oauth/token-guard.ts';
import { services } from './services.ts';

/** Lets administrators in whose roles give the permission. */
export const may = (permission: Permission) => manageGuard(services, permission);

/** Lets external applications in, by a token with the scope `app`. */
export const anApplication = applicationGuard(services, 'app');
