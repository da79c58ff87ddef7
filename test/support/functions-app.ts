/** Functions under test: what a test registers through the real library, on a host of its own in this process. */
import { appState } from '../../local/host/core/app-state.ts';
import { type FunctionsHost, type HostOptions, startHost } from '../../local/host/host.ts';
import { type AppFolder, appFolder } from './app-folder.ts';
import { until as waitUntil } from './until.ts';

export interface RunningApp extends AsyncDisposable {
  host: FunctionsHost;
  folder: AppFolder;
  /** Every line the host has logged. */
  log: string[];
}

/** Forgets what was registered before, so that a test starts with an empty app. */
export function emptyApp(): void {
  const state = appState();
  state.functions.clear();
  for (const hooks of Object.values(state.hooks)) hooks.length = 0;
}

/** Starts a host for what is registered; a folder that is passed in stays, one made here goes with the app. */
export async function runApp(
  options: Partial<HostOptions> & { hostJson?: object; folder?: AppFolder } = {},
): Promise<RunningApp> {
  const { hostJson, folder: given, ...rest } = options;
  const folder = given ?? appFolder(hostJson);
  const log: string[] = [];
  const host = await startHost({
    appFolder: folder.path,
    dataFolder: folder.dataFolder,
    environment: {},
    logLevel: 'information',
    writeLog: (line) => log.push(line),
    ...rest,
  }).catch((error: unknown) => {
    if (given === undefined) folder[Symbol.dispose]();
    throw error;
  });
  return {
    host,
    folder,
    log,
    [Symbol.asyncDispose]: async () => {
      await host.close();
      if (given === undefined) folder[Symbol.dispose]();
    },
  };
}

/** Waits for a condition; longer than a test may take, so that its timeout says where, but not for ever. */
export const until = (condition: () => boolean | Promise<boolean>) => waitUntil(condition, 60_000);
