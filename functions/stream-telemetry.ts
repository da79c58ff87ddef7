/** Telemetry as a live stream, and the tickets with which browsers open it. */
import { app } from '@azure/functions';
import { operation } from '../shared/http/endpoint.ts';
import { issueTicket } from '../shared/stream/issue-ticket.ts';
import { negotiateDirect } from '../shared/stream/negotiate.ts';
import { openStream } from '../shared/stream/open-stream.ts';
import { watchResponses } from '../shared/stream/response-channel.ts';
import { streamGuard } from '../shared/stream/stream-reader.ts';
import { streamQuery } from '../shared/stream/stream-request.ts';
import { anApplication, itsPages } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

watchResponses();

const application = { guard: anApplication, crossOrigin: itsPages };
const reader = { guard: streamGuard(services, anApplication), crossOrigin: itsPages, summary: 'Stream telemetry' };

httpRoute('stream-telemetry', 'v1/stream/telemetry', {
  GET: operation({ ...reader, query: streamQuery }, async (call) => {
    const { relay, now } = await services();
    return openStream(await relay(), call, now());
  }),
});

httpRoute('stream-tickets', 'v1/stream/tickets', {
  POST: operation({ ...application, summary: 'Get a ticket for a browser' }, async (call) =>
    issueTicket((await services()).tickets, call.caller),
  ),
});

httpRoute('stream-negotiate', 'v1/stream/negotiate', {
  POST: operation({ ...application, summary: 'Get a URL for a direct Web PubSub connection' }, async (call) => {
    const { directListeners: listeners, webPubSub: service, policies, devices, journal, now } = await services();
    return negotiateDirect({ listeners, policies, devices, journal, service, now }, call.caller);
  }),
});

// The worker exits 5 s after it is told, whatever still runs.
app.hook.appTerminate(async () => {
  const { relay, live } = await services();
  (await relay()).close();
  await (await live()).close();
});
