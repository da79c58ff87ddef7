import { type InvocationContext, type Timer, app } from '@azure/functions';
import { beforeEach, expect, test } from '@jest/globals';
import { appFolder } from '../../support/app-folder.ts';
import { emptyApp, runApp, until } from '../../support/functions-app.ts';
import { manualClock } from '../../support/manual-clock.ts';

const NOON = Date.parse('2026-01-01T12:00:00Z');
const MINUTE = 60_000;

beforeEach(emptyApp);

interface Run {
  at: string;
  timer: Timer;
  context: InvocationContext;
}

function every(
  schedule: string,
  clock: { now: () => number },
  options: object = {},
  then?: (run: Run) => unknown,
): Run[] {
  const runs: Run[] = [];
  app.timer('tick', {
    schedule,
    ...options,
    handler: async (timer, context) => {
      const run = { at: new Date(clock.now()).toISOString(), timer, context };
      runs.push(run);
      await then?.(run);
    },
  });
  return runs;
}

test('runs at its times and tells when it last ran and is due next', async () => {
  const clock = manualClock(NOON + 1000);
  const runs = every('0 */5 * * * *', clock);
  await using _app = await runApp({ clock });
  await clock.waiting();
  await clock.advance(11 * MINUTE);
  expect(runs.map((run) => run.at)).toEqual(['2026-01-01T12:05:00.000Z', '2026-01-01T12:10:00.000Z']);
  expect(runs[1]?.timer).toEqual({
    schedule: { adjustForDST: true },
    scheduleStatus: {
      last: '2026-01-01T12:05:00+00:00',
      next: '2026-01-01T12:10:00+00:00',
      lastUpdated: '2026-01-01T12:05:00+00:00',
    },
    isPastDue: false,
  });
  expect(runs[1]?.context.triggerMetadata).toBeUndefined();
});

test('what was missed while the host was down is caught up by one run', async () => {
  using folder = appFolder();
  const first = manualClock(NOON + 1000);
  const before = every('0 */5 * * * *', first);
  const host = await runApp({ clock: first, folder });
  await first.waiting();
  await first.advance(5 * MINUTE);
  await host.host.close();
  expect(before).toHaveLength(1);

  emptyApp();
  const later = manualClock(NOON + 3 * 60 * MINUTE + 1000);
  const runs = every('0 */5 * * * *', later);
  await using _again = await runApp({ clock: later, folder });
  await later.waiting();
  expect(runs).toHaveLength(1);
  expect(runs[0]?.timer).toMatchObject({ isPastDue: true, scheduleStatus: { next: '2026-01-01T12:10:00+00:00' } });
  await later.advance(5 * MINUTE);
  expect(runs.map((run) => run.timer.isPastDue)).toEqual([true, false]);
});

test('a schedule that has changed meanwhile starts afresh', async () => {
  using folder = appFolder();
  const clock = manualClock(NOON + 1000);
  every('0 */5 * * * *', clock);
  const host = await runApp({ clock, folder });
  await clock.waiting();
  await host.host.close();
  emptyApp();
  const later = manualClock(NOON + 60 * MINUTE + 1000);
  const runs = every('0 0 0 * * *', later);
  await using _again = await runApp({ clock: later, folder });
  await later.waiting();
  expect(runs).toHaveLength(0);
});

test('never two at once: occurrences during a long run are skipped', async () => {
  const clock = manualClock(NOON);
  const gate = Promise.withResolvers<void>();
  const runs = every('0 * * * * *', clock, {}, () => gate.promise);
  await using _app = await runApp({ clock });
  await clock.waiting();
  void clock.advance(MINUTE);
  await until(() => runs.length === 1);
  void clock.advance(5 * MINUTE);
  expect(runs).toHaveLength(1);
  gate.resolve();
  await clock.waiting();
  void clock.advance(MINUTE);
  await until(() => runs.length === 2);
});

test('runOnStartup runs at once, below a minute without a status', async () => {
  const clock = manualClock(NOON);
  const runs = every('*/10 * * * * *', clock, { runOnStartup: true });
  await using _app = await runApp({ clock });
  await clock.waiting();
  expect(runs).toHaveLength(1);
  expect(runs[0]?.timer).toMatchObject({ isPastDue: false, scheduleStatus: null });
});

test('a failed run is retried by its policy, then waits for its next time', async () => {
  const clock = manualClock(NOON);
  const runs = every(
    '0 * * * * *',
    clock,
    { retry: { strategy: 'fixedDelay', delayInterval: { seconds: 2 }, maxRetryCount: 2 } },
    () => Promise.reject(new Error('no luck')),
  );
  await using _app = await runApp({ clock });
  await clock.waiting();
  await clock.advance(MINUTE + 30_000);
  expect(runs.map((run) => run.at.slice(11, 19))).toEqual(['12:01:00', '12:01:02', '12:01:04']);
  expect(runs.map((run) => run.context.retryContext?.retryCount)).toEqual([undefined, 1, 2]);
});

test('two hosts on one data folder: only one runs the timer', async () => {
  using folder = appFolder();
  const clock = manualClock(NOON);
  const runs = every('0 * * * * *', clock);
  const first = await runApp({ clock, folder });
  await using second = await runApp({ clock, folder });
  await clock.waiting(2);
  await clock.advance(MINUTE);
  expect(runs).toHaveLength(1);
  await first.host.close();
  await clock.advance(MINUTE);
  expect(runs).toHaveLength(2);
  expect(second.host.functions).toEqual(['tick']);
});

test('a bad schedule is named at the start', async () => {
  every('0 0 0 30 2 *', { now: () => NOON });
  await expect(runApp()).rejects.toThrow('Function "tick": schedule: "0 0 0 30 2 *" names a date that never comes');
});
