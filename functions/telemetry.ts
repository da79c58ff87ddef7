/** Metrics and traces: where they go is settled before the first invocation. */
import { app } from '@azure/functions';
import { startTelemetryExport } from '../shared/azure/clients.ts';
import { loadConfig } from '../shared/config.ts';

let started: Awaited<ReturnType<typeof startTelemetryExport>>;

app.hook.appStart(async () => {
  try {
    started = await startTelemetryExport(loadConfig());
  } catch {
    // Bad settings are told to every caller by what needs them; they must not keep the app from starting.
  }
});
app.hook.appTerminate(() => started?.shutdown());
