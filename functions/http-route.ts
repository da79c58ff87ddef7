/** Registers one route with the platform: every verb goes to one function, which then answers 405 itself. */
import { app } from '@azure/functions';
import { endpoints, EVERY_METHOD, type Operation, type Verb } from '../shared/http/endpoint.ts';
import type { DescribedRoute } from '../shared/http/openapi.ts';

/** Every route that was registered, for the API's description. */
export const registeredRoutes: DescribedRoute[] = [];

/** Serves `route` under the function `name`. Names decide which route wins: keep templates from overlapping. */
export function httpRoute(name: string, route: string, operations: Partial<Record<Verb, Operation>>): void {
  registeredRoutes.push({ route, operations });
  app.http(name, { methods: EVERY_METHOD, authLevel: 'anonymous', route, handler: endpoints(route, operations) });
}
