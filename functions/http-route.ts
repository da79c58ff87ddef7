/** Registers one route with the platform: every verb goes to one function, which then answers 405 itself. */
import { app } from '@azure/functions';
import { endpoints, EVERY_METHOD, type Operation, type Verb } from '../shared/http/endpoint.ts';

/** Serves `route` under the function `name`. Names decide which route wins: keep templates from overlapping. */
export function httpRoute(name: string, route: string, operations: Partial<Record<Verb, Operation>>): void {
  app.http(name, { methods: EVERY_METHOD, authLevel: 'anonymous', route, handler: endpoints(route, operations) });
}
