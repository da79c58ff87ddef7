/** Settings of the Functions library. Imported before every other file: the library takes them only before the first registration. */
import { app } from '@azure/functions';
import { loadConfig } from '../shared/config.ts';

// An instance that could serve nothing must not start: otherwise the first request, or the first event, finds it out.
loadConfig();

app.setup({
  enableHttpStream: true,
  // Without it an event with an empty body shifts the batch against its metadata.
  capabilities: { IncludeEmptyEntriesInMessagePayload: true },
});
