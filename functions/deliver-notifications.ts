/** Tells people: attempts what the projection has planned, and what has to be tried again. */
import { app } from '@azure/functions';
import { deliverDue } from '../shared/actions/deliver.ts';
import { services } from './services.ts';

app.timer('deliver-notifications', {
  schedule: '*/5 * * * * *',
  handler: async () => {
    await deliverDue((await services()).outbox);
  },
});
