/** Probes. */
import { operation } from '../shared/http/endpoint.ts';
import { healthy, ready } from '../shared/manage/health.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

httpRoute('healthz', 'healthz', {
  GET: operation({ summary: 'Tell that the process answers' }, async () => healthy()),
});
const administrator = may('manage-users');

httpRoute('readyz', 'readyz', {
  GET: operation({ summary: 'Tell that requests can be served' }, async ({ request }) => {
    const { store } = await services();
    // A probe has no token, and what it is not told must not keep it from being answered.
    const isAdministrator =
      request.headers.has('authorization') &&
      (await administrator(request).then(
        () => true,
        () => false,
      ));
    return ready(store, isAdministrator);
  }),
});
