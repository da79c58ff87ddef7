/** What time alone causes: silences, timers, holds and windows that end without an event. */
import { app } from '@azure/functions';
import { sweep } from '../shared/ingest/sweep.ts';
import { services } from './services.ts';

app.timer('sweep-rules', {
  schedule: '*/10 * * * * *',
  handler: async () => {
    await sweep((await services()).sweeping);
  },
});
