/**
 * The host as a process: `node local/host/main.ts --main functions/index.ts --data DIR`. One line of JSON on stdout says
 * that it is ready; everything else goes to stderr.
 */
import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigurationError } from './config/configuration-error.ts';
import { loadSettings } from './config/settings.ts';
import { supplyFunctionsCore } from './core/register.ts';
import { describeError } from './executor.ts';
import type { FunctionsHost, HostOptions } from './host.ts';

const USAGE =
  'node local/host/main.ts --main FILE_OR_GLOB --data DIR [--app DIR] [--port N] [--enable-auth] [--verbose]';

/** Milliseconds from the request to stop to the end of the process, the grace of running invocations included. */
const STOP_MS_MAX = 10_000;
/** Exit code for whatever ends the host against its will. */
const FAILED = 1;

function readOptions(): HostOptions & { appFolder: string } {
  const { values } = parseArgs({
    options: {
      main: { type: 'string' },
      app: { type: 'string', default: '.' },
      port: { type: 'string', default: '7071' },
      data: { type: 'string' },
      'enable-auth': { type: 'boolean', default: false },
      'strict-hang': { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new ConfigurationError('--port must be a number from 0 to 65535');
  if (values.main === undefined || values.data === undefined) throw new ConfigurationError(`Usage: ${USAGE}`);
  return {
    main: values.main,
    appFolder: values.app,
    port,
    dataFolder: values.data,
    enableAuth: values['enable-auth'],
    strictHang: values['strict-hang'],
    // With --verbose the levels of host.json decide alone.
    logLevel: values.verbose ? 'trace' : 'warning',
  };
}

async function run(): Promise<void> {
  const options = readOptions();
  // The app reads process.env, as on Azure: the file's values go there before any of its code runs.
  Object.assign(process.env, loadSettings(options.appFolder, process.env).values);
  supplyFunctionsCore();
  // Loaded only now: whatever brings in the library must come after the hook.
  const { startHost } = await import('./host.ts');
  const host = await startHost({
    ...options,
    onTimeout: (message) => fail(message),
  });
  endWith(host);
  process.stdout.write(`${JSON.stringify({ ready: true, url: host.url, functions: host.functions })}\n`);
}

/** Stops on a signal, and when the process that started this one goes away. */
function endWith(host: FunctionsHost): void {
  const stop = () => {
    // Whatever does not let go (a client whose service is gone): a host that was told to end, ends.
    setTimeout(() => fail('The host did not stop in time.'), STOP_MS_MAX).unref();
    host.close().then(
      () => process.exit(0),
      (error: unknown) => fail(describeError(error)),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (process.connected) process.once('disconnect', stop);
  else endWithStdin(stop);
}

/** A pipe that closes means that its owner is gone; a terminal or /dev/null says nothing. */
function endWithStdin(stop: () => void): void {
  const kind = fstatSync(0, { throwIfNoEntry: false });
  if (!kind?.isFIFO() && !kind?.isSocket()) return;
  const { stdin } = process;
  stdin.on('error', stop).on('end', stop).on('close', stop);
  stdin.resume();
  (stdin as unknown as { unref(): void }).unref();
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(FAILED);
}

// As in the real worker, an unhandled rejection ends the process: carrying on would hide that work was lost.
process.on('uncaughtException', (error, origin) => fail(`The app failed (${origin}): ${describeError(error)}`));

run().catch((error: unknown) => fail(error instanceof ConfigurationError ? error.message : describeError(error)));
