/** The timer trigger: one run at a time, one run to catch up after a stop, in one host process only. */
import { join } from 'node:path';
import { ConfigurationError } from '../../config/configuration-error.ts';
import { type RetryPolicy, retryPolicy, runWithRetries } from '../../retry.ts';
import { asJson } from '../../rpc/typed-data.ts';
import { ErrorLog } from '../error-log.ts';
import { becomeSingleton } from '../singleton.ts';
import type { Listener, Trigger, TriggerSetup } from '../trigger.ts';
import { type Schedule, parseSchedule } from './schedule.ts';
import { type ScheduleMonitor, type ScheduleStatus, checkPastDue, scheduleMonitor } from './schedule-monitor.ts';

export const timerTrigger: Trigger = {
  type: 'timerTrigger',
  prepare: (setup) => {
    const { name, retryOptions } = setup.fn.metadata;
    const { schedule: text, runOnStartup, useMonitor } = setup.binding;
    if (typeof text !== 'string') throw new ConfigurationError(`Function "${name}": schedule must be a text`);
    let schedule: Schedule;
    try {
      schedule = parseSchedule(text, setup.clock.now());
    } catch (error) {
      throw new ConfigurationError(`Function "${name}": schedule: ${(error as Error).message}`);
    }
    const policy = retryPolicy(name, retryOptions);
    const monitored = schedule.monitored && useMonitor !== false;
    return {
      start: async () => startTimer(setup, { schedule, monitored, policy, runOnStartup: runOnStartup === true }),
      // The platform makes up an empty status and does not look at the input.
      manualInput: () => ({
        inputData: [{ name: setup.bindingName, data: asJson(timerInfo(NEVER, false)) }],
        triggerMetadata: {},
      }),
    };
  },
};

interface Timer {
  schedule: Schedule;
  monitored: boolean;
  policy: RetryPolicy;
  runOnStartup: boolean;
}

function startTimer(setup: TriggerSetup, timer: Timer): Listener {
  const stopping = new AbortController();
  const folder = join(setup.dataFolder, 'timers');
  const name = encodeURIComponent(setup.fn.metadata.name.toLowerCase());
  const errors = new ErrorLog(setup.log, `Timer trigger of '${setup.fn.metadata.name}'`);
  const run = async () => {
    const release = await becomeSingleton(join(folder, 'locks'), name, setup.clock, stopping.signal);
    if (release === undefined) return;
    try {
      const monitor = timer.monitored ? scheduleMonitor(join(folder, `${name}.json`)) : undefined;
      await runTimer(setup, timer, monitor, errors, stopping.signal);
    } finally {
      await release();
    }
  };
  const loop = async () => {
    while (!stopping.signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- a full disk must not end a timer for good
        await run();
      } catch (error) {
        errors.write('', error);
        // oxlint-disable-next-line no-await-in-loop
        await setup.clock.wait(ERROR_PAUSE_MS, stopping.signal);
      }
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

async function runTimer(
  setup: TriggerSetup,
  { schedule, policy, runOnStartup }: Timer,
  monitor: ScheduleMonitor | undefined,
  errors: ErrorLog,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = setup;
  let status: ScheduleStatus | undefined;
  /** What cannot be written is only missed by the next start: the timer itself goes on. */
  const remember = async (next: ScheduleStatus) => {
    status = next;
    await monitor?.write(next).catch((error: unknown) => errors.write('its status is not kept', error));
  };
  const run = async (isPastDue: boolean) => {
    const startedMs = clock.now();
    const input = {
      inputData: [{ name: setup.bindingName, data: asJson(timerInfo(status, isPastDue)) }],
      triggerMetadata: {},
    };
    await runWithRetries(
      (retryContext) =>
        setup.executor.run(setup.fn, retryContext === undefined ? input : { ...input, retryContext }, 'Timer fired'),
      policy,
      signal,
      clock,
    );
    if (monitor === undefined || status === undefined) return;
    // A timer may fire a moment early: the occurrence it fired for must not come up again.
    const earlyMs = status.nextMs - startedMs;
    const lastMs = earlyMs > 0 && earlyMs <= EARLY_MS_MAX ? status.nextMs : startedMs;
    await remember({ lastMs, nextMs: schedule.next(lastMs), lastUpdatedMs: lastMs });
  };

  let isPastDue = false;
  if (monitor !== undefined) {
    const stored = await monitor.read().catch((error: unknown) => {
      errors.write('its status cannot be read', error);
      return undefined;
    });
    const checked = checkPastDue(stored, schedule.next, clock.now());
    ({ isPastDue } = checked);
    await remember(checked.status);
  }
  if (isPastDue || runOnStartup) await run(isPastDue);
  let dueMs = schedule.next(Math.max(clock.now(), status?.lastMs ?? 0));
  while (!signal.aborted) {
    const waitMs = dueMs - clock.now();
    if (waitMs > 0) {
      // oxlint-disable-next-line no-await-in-loop -- a wait ends early when it is longer than a Node timer can be
      await clock.wait(waitMs, signal);
      continue;
    }
    // oxlint-disable-next-line no-await-in-loop -- never two at once
    await run(false);
    // Occurrences that passed during a long run are skipped.
    dueMs = schedule.next(Math.max(clock.now(), status?.lastMs ?? dueMs));
  }
}

/** Milliseconds of pause after an error of the disk. */
const ERROR_PAUSE_MS = 5000;
/** Milliseconds a timer may fire ahead of its time. */
const EARLY_MS_MAX = 1000;

/** .NET's default of a DateTime. */
const NO_DATE_MS = Date.parse('0001-01-01T00:00:00Z');
const NEVER: ScheduleStatus = { lastMs: undefined, nextMs: NO_DATE_MS, lastUpdatedMs: NO_DATE_MS };

function timerInfo(status: ScheduleStatus | undefined, isPastDue: boolean): object {
  return {
    Schedule: { AdjustForDST: true },
    ScheduleStatus:
      status === undefined
        ? null
        : {
            Last: status.lastMs === undefined ? '0001-01-01T00:00:00+00:00' : dateText(status.lastMs),
            Next: dateText(status.nextMs),
            LastUpdated: dateText(status.lastUpdatedMs),
          },
    IsPastDue: isPastDue,
  };
}

function dateText(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace(/(\.\d*?)0*Z$/, (_, fraction: string) => `${fraction === '.' ? '' : fraction}+00:00`);
}
