/** Telemetry as a live stream, and the tickets with which browsers open it. */
import { app } from '@azure/functions';
import { operation } from '../shared/http/endpoint.ts';
import { issueTicket } from '../shared/stream/issue-ticket.ts';
import { openStream } from '../shared/stream/open-stream.ts';
import { watchResponses } from '../shared/stream/response-channel.ts';
import { streamGuard } from '../shared/stream/stream-reader.ts';
import { streamQuery } from '../shared/stream/stream-request.ts';
import { anApplication } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

watchResponses();

httpRoute('stream-telemetry', 'v1/stream/telemetry', {
  GET: operation({ guard: streamGuard(services, anApplication), query: streamQuery }, async (call) => {
    const { relay, now } = await services();
    return openStream(await relay(), call, now());
  }),
});

httpRoute('stream-tickets', 'v1/stream/tickets', {
  POST: operation({ guard: anApplication }, async (call) => issueTicket((await services()).tickets, call.caller)),
});

// The worker exits 5 s after it is told, whatever still runs.
app.hook.appTerminate(async () => {
  const { relay, live } = await services();
  (await relay()).close();
  await (await live()).close();
});
