/**
 * The local Functions host: runs an app on the real `@azure/functions` library. `main.ts` starts it as a process of its
 * own; tests start it in theirs, with functions that they register through the library.
 */
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createAdminApi } from './admin/admin-api.ts';
import { type Clock, movableClock, systemClock } from './clock.ts';
import { ConfigurationError } from './config/configuration-error.ts';
import { loadHostJson } from './config/host-json.ts';
import { loadSettings } from './config/settings.ts';
import { appState } from './core/app-state.ts';
import type { LogLevel } from './core/contract.ts';
import { Executor } from './executor.ts';
import { Faults } from './faults/faults.ts';
import { loadKeys } from './http/keys.ts';
import { REQUEST_BODY_BYTES_MAX } from './http/request-body.ts';
import { createHttpFront } from './http/server.ts';
import { ACTIVITY_TIMEOUT_MS } from './http/stream.ts';
import { indexFunctions } from './index-functions.ts';
import { type OutputWriters, closeOutputs } from './outputs/output.ts';
import { createLog } from './log.ts';
import { registerMetrics } from './metrics.ts';
import type { Listener } from './triggers/trigger.ts';
import { loadApp, startApp, terminateApp } from './worker.ts';

/** Milliseconds that running invocations and `appTerminate` hooks have once the host is asked to stop. */
const STOP_GRACE_MS = 5000;

export interface HostOptions {
  /** Where host.json and local.settings.json live; the working folder by default. */
  appFolder?: string;
  /** File or glob of the app's entry points, relative to the working folder, else to the app folder. Left out: what is already registered. */
  main?: string;
  /** 0 picks a free port. */
  port?: number;
  /** Checkpoints, timer schedules, keys. */
  dataFolder: string;
  /** Asks for function keys. */
  enableAuth?: boolean;
  /** Reproduces the platform's hang when a handler throws or returns nothing while HTTP streaming is on. */
  strictHang?: boolean;
  /** The app settings' upper layer; `process.env` by default. */
  environment?: Record<string, string | undefined>;
  logLevel?: LogLevel;
  writeLog?: (line: string) => void;
  /** Called when an invocation exceeds `functionTimeout`: the platform restarts the worker process then. */
  onTimeout?: (message: string) => void;
  /** Drives timers and retry delays. */
  clock?: Clock;
  /** For tests: the platform's 240 s. */
  activityTimeoutMs?: number;
  /** For tests: what the fault `kill` does instead of ending the process. */
  kill?: () => void;
}

export interface FunctionsHost {
  /** `http://127.0.0.1:PORT` */
  url: string;
  /** Names of the app's functions, in the order of the platform. */
  functions: string[];
  /** Stops taking work, runs the `appTerminate` hooks, waits for what is running, 5 s at most. */
  close(): Promise<void>;
}

/**
 * Starts the host.
 * @throws ConfigurationError for whatever a person has to mend: settings, host.json, routes, bindings, a taken port
 */
export async function startHost(options: HostOptions): Promise<FunctionsHost> {
  const appFolder = resolve(options.appFolder ?? '.');
  const settings = loadSettings(appFolder, options.environment ?? process.env);
  const config = loadHostJson(appFolder, settings);
  const log = createLog(
    options.logLevel ?? 'warning',
    options.writeLog ?? ((line) => process.stderr.write(`${line}\n`)),
    config.levelOf,
  );
  const bodyBytesMax = bodyLimit(settings.read('FUNCTIONS_REQUEST_BODY_SIZE_LIMIT'));
  const metrics = registerMetrics();
  const detach = attachLog(log.entry);
  const held: (() => unknown)[] = [detach, metrics.close];
  const release = async () => {
    for (const step of held.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop -- undone in the reverse order of doing
      await step();
    }
  };
  const listeners: Listener[] = [];
  const stopListeners = () => Promise.all(listeners.map((listener) => listener.stop()));
  try {
    if (options.main !== undefined) await loadApp(appFolder, options.main);
    const app = await startApp(appFolder);
    held.push(() => (appState().locked = false), app.close);

    const outputs: OutputWriters = new Map();
    const clock = movableClock(options.clock ?? systemClock);
    let cut = () => {};
    const faults = new Faults({
      cut: () => cut(),
      kill: options.kill ?? (() => process.kill(process.pid, 'SIGKILL')),
      advanceClock: clock.advance,
    });
    const executor = new Executor({
      outputs,
      log,
      faults,
      clock,
      functionTimeoutMs: config.functionTimeoutMs,
      onTimeout: options.onTimeout ?? ((message) => log('critical', message)),
    });
    const setup = {
      config,
      readSetting: settings.read,
      capabilities: app.capabilities,
      dataFolder: resolve(options.dataFolder),
      clock,
      executor,
      log,
    };
    const indexed = indexFunctions(appState().functions.values(), setup, outputs);
    held.push(() => closeOutputs(outputs));

    const keys = options.enableAuth ? loadKeys(resolve(options.dataFolder)) : undefined;
    const front = createHttpFront({
      functions: indexed.http,
      config: config.http,
      cors: settings.cors,
      keys,
      httpUri: app.capabilities['HttpUri'],
      bodyBytesMax,
      activityTimeoutMs: options.activityTimeoutMs ?? ACTIVITY_TIMEOUT_MS,
      strictHang: options.strictHang ?? false,
      executor,
      log,
      metrics: metrics.text,
      faults,
      admin: createAdminApi({ appFolder, functions: indexed.known, keys, executor }),
    });
    cut = front.cut;
    const port = await listen(front.server, options.port ?? 0);
    held.push(front.close);
    for (const start of indexed.starters) {
      // oxlint-disable-next-line no-await-in-loop -- one failure must leave the others in a state that can be undone
      listeners.push(await start());
    }

    const stop = async () => {
      front.drain();
      const ending = [stopListeners(), terminateApp(), executor.idle(), front.idle()];
      await within(STOP_GRACE_MS, Promise.allSettled(ending));
      await release();
    };
    let stopped: Promise<void> | undefined;
    return {
      url: `http://127.0.0.1:${port}`,
      functions: indexed.names,
      close: () => (stopped ??= stop()),
    };
  } catch (error) {
    await stopListeners();
    await release();
    throw error;
  }
}

function bodyLimit(setting: string | undefined): number {
  if (setting === undefined) return REQUEST_BODY_BYTES_MAX;
  if (!/^\d+$/.test(setting)) {
    throw new ConfigurationError('FUNCTIONS_REQUEST_BODY_SIZE_LIMIT must be a whole number of bytes');
  }
  return Number(setting);
}

/** Sends the app's log entries to the host's log, those that came before it first. */
function attachLog(entry: (entry: Parameters<ReturnType<typeof appState>['sink']>[0]) => void): () => void {
  const state = appState();
  const before = state.sink;
  for (const early of state.early.splice(0)) entry(early);
  state.sink = entry;
  return () => {
    state.sink = before;
  };
}

function listen(server: ReturnType<typeof createHttpFront>['server'], port: number): Promise<number> {
  return new Promise((resolvePort, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} is taken: another program listens on it. Choose another with --port.`;
      reject(new ConfigurationError(error.code === 'EADDRINUSE' ? taken : `Port ${port}: ${error.message}`));
    });
    server.listen(port, '127.0.0.1', () => resolvePort((server.address() as AddressInfo).port));
  });
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
  const timer = setTimeout(giveUp, milliseconds);
  await Promise.race([work, late]);
  clearTimeout(timer);
}
