/** The host as a process of its own, running an app of test/local/host/apps. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AppFolder } from './app-folder.ts';

const MAIN = fileURLToPath(new URL('../../local/host/main.ts', import.meta.url));

export interface HostChild extends AsyncDisposable {
  child: ChildProcess;
  url: string;
  /** Everything it wrote to stderr so far. */
  stderr: () => string;
  /** Resolves with the exit code, or the signal's name. */
  exited: Promise<number | NodeJS.Signals | null>;
}

export interface HostChildOptions {
  folder: AppFolder | Pick<AppFolder, 'path' | 'dataFolder'>;
  /** Entry file, absolute. */
  main: string;
  args?: string[];
  env?: Record<string, string>;
  /** An IPC channel instead of a pipe on stdin. */
  ipc?: boolean;
}

/** Starts it and resolves once it is ready, or with an empty `url` when it ended before. */
export async function hostChild({
  folder,
  main,
  args = [],
  env = {},
  ipc = false,
}: HostChildOptions): Promise<HostChild> {
  const child = spawn(
    process.execPath,
    [MAIN, '--main', main, '--app', folder.path, '--data', folder.dataFolder, '--port', '0', ...args],
    {
      env: { PATH: process.env['PATH'], ...env },
      stdio: [ipc ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])],
    },
  );
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()));
  // Not the child's own `close`: that never comes once the IPC channel was closed from this side.
  const silent = child.stderr === null ? Promise.resolve() : once(child.stderr, 'close');
  const exited = Promise.all([once(child, 'exit'), silent]).then(
    ([[code, signal]]) => (code ?? signal) as number | NodeJS.Signals | null,
  );
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => resolve((JSON.parse(line) as { url: string }).url));
  }
  const url = await Promise.race([ready, exited.then(() => '')]);
  return {
    child,
    url,
    stderr: () => stderr,
    exited,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What an app wrote down in a file of JSON lines. */
export function readNotes<T>(path: string): T[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  } catch {
    return [];
  }
}
