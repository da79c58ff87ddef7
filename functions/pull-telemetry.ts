/** Telemetry in pages. */
import { operation } from '../shared/http/endpoint.ts';
import { pullTelemetry } from '../shared/stream/pull-telemetry.ts';
import { pullQuery } from '../shared/stream/stream-request.ts';
import { anApplication, itsPages } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

httpRoute('telemetry', 'v1/telemetry', {
  GET: operation(
    { guard: anApplication, crossOrigin: itsPages, summary: 'Pull telemetry', query: pullQuery },
    async (call) => {
      const { relay, now } = await services();
      return pullTelemetry(await relay(), call, now());
    },
  ),
});
