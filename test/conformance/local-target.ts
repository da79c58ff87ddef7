/** The stand-ins of one suite as a process, with or without a defect in them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Suite } from './suites.ts';

const SERVE = fileURLToPath(new URL('serve.ts', import.meta.url));
const LOAD_HOOK = pathToFileURL(fileURLToPath(new URL('mutations/load-hook.ts', import.meta.url))).href;

/** Milliseconds the stand-ins may take to start, also on a busy machine. */
const START_MS_MAX = 60_000;

/** Running stand-ins and the environment variables that lead a suite to them. */
export interface LocalTarget extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
}

/** The stand-ins did not start; the message ends with what they wrote. */
export class DidNotStart extends Error {
  override readonly name = 'DidNotStart';
}

/**
 * Starts what a suite needs.
 * @param mutation id of the defect to load into every process of it
 * @throws DidNotStart
 */
export async function startLocalTarget(suite: Suite, mutation?: string): Promise<LocalTarget> {
  const mutated = mutation === undefined ? {} : { NODE_OPTIONS: `--import=${LOAD_HOOK}`, SLUICE_MUTATION: mutation };
  const child = spawn(process.execPath, [SERVE, suite], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...mutated },
  });
  let written = '';
  child.stderr.on('data', (data: Buffer) => (written += data.toString()));
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.stdin.end();
    const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(patience);
  };
  const line = once(createInterface({ input: child.stdout }), 'line', { signal: AbortSignal.timeout(START_MS_MAX) });
  const first = await Promise.race([line, exited.then(() => undefined)]).catch(() => undefined);
  if (first === undefined) {
    await stop();
    throw new DidNotStart(`The stand-ins of ${suite} did not start.\n${written}`);
  }
  return { environment: JSON.parse(String(first[0])) as Record<string, string>, [Symbol.asyncDispose]: stop };
}
