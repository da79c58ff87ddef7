/** Tells people: what the projection has planned, what has to be tried again, and what comes due while an alert stays open. */
import { app } from '@azure/functions';
import { deliverDue } from '../shared/actions/deliver.ts';
import { followUp } from '../shared/actions/follow-up.ts';
import { services } from './services.ts';

app.timer('deliver-notifications', {
  schedule: '*/5 * * * * *',
  handler: async () => {
    const { outbox } = await services();
    // Trouble with one does not keep the other from running.
    const [, delivered] = await Promise.allSettled([followUp(outbox), deliverDue(outbox)]);
    if (delivered.status === 'rejected') throw delivered.reason;
  },
});
