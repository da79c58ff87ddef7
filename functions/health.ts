/** Probes. */
import { operation } from '../shared/http/endpoint.ts';
import { healthy, ready } from '../shared/manage/health.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

httpRoute('healthz', 'healthz', {
  GET: operation({ summary: 'Tell that the process answers' }, async () => healthy()),
});
httpRoute('readyz', 'readyz', {
  GET: operation({ summary: 'Tell that requests can be served' }, async () => ready((await services()).store)),
});
