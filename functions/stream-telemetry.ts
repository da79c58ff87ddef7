/** Telemetry as a live stream. */
import { app } from '@azure/functions';
import { operation } from '../shared/http/endpoint.ts';
import { openStream } from '../shared/stream/open-stream.ts';
import { watchResponses } from '../shared/stream/response-channel.ts';
import { streamQuery } from '../shared/stream/stream-request.ts';
import { anApplication } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

watchResponses();

httpRoute('stream-telemetry', 'v1/stream/telemetry', {
  GET: operation({ guard: anApplication, query: streamQuery }, async (call) => {
    const { relay, now } = await services();
    return openStream(await relay(), call, now());
  }),
});

// The worker exits 5 s after it is told, whatever still runs.
app.hook.appTerminate(async () => {
  const { relay, live } = await services();
  (await relay()).close();
  await (await live()).close();
});
