/** An app for tests of the host as a process: writes down what it is given, hangs or fails when asked by a setting. */
import { appendFileSync } from 'node:fs';
import { app } from '@azure/functions';

const note = (entry: object) =>
  appendFileSync(String(process.env['NOTES']), `${JSON.stringify({ pid: process.pid, ...entry })}\n`);

if (process.env['FAIL_TO_LOAD'] === 'yes') throw new Error('this entry file does not load');

if (process.env['HUB'] !== undefined) {
  app.eventHub('reader', {
    connection: 'HUB',
    eventHubName: 'telemetry',
    cardinality: 'many',
    handler: async (messages, context) => {
      const source = context.triggerMetadata?.['partitionContext'] as { partitionId: string } | undefined;
      const partitionId = source?.partitionId;
      const ns = (messages as { n: number }[]).map(({ n }) => n);
      note({ kind: 'batch', partitionId, ns });
      if (process.env['HANG'] === 'yes') await new Promise(() => setInterval(() => {}, 1000));
      note({ kind: 'done', partitionId, ns });
    },
  });
}
app.http('hello', { route: 'hello', handler: () => ({ body: `hello from ${process.env['NAME'] ?? 'nobody'}` }) });
app.http('slow', { handler: () => new Promise((resolve) => setTimeout(() => resolve({ body: 'late' }), 1500)) });
app.http('forgotten', {
  handler: () => {
    void Promise.reject(new Error('nobody waited for this'));
    return { body: 'ok' };
  },
});
app.hook.appStart(() => note({ kind: 'start' }));
app.hook.appTerminate(() => note({ kind: 'terminate' }));
