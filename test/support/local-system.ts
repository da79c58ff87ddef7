/** The whole system as `npm start` runs it, in a folder and on ports of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What connection.json says. */
export interface Connection {
  api: string;
  eventHubs: { connectionString: string; eventHub: string };
  cosmos: { endpoint: string; key: string; database: string };
  webPubSub: { connectionString: string; hub: string };
  demo: { clientId: string; clientSecret: string };
  admin: Record<string, string>;
  setupCode: string;
  pids: { host: number; cloud: number };
}

/** A running system. */
export interface LocalSystem {
  data: string;
  connection(): Connection;
  /** What it has printed so far. */
  output(): string;
  /** Stops it as Ctrl-C does; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Ends it without a word, and the folder stays. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Milliseconds the system may take to become ready on a busy machine. */
const READY_MS_MAX = 60_000;

/** A temporary folder for one test. */
export function temporaryFolder(): string {
  return mkdtempSync(path.join(os.tmpdir(), 'sluice-'));
}

/** Starts the system on free ports and waits until connection.json is there. */
export async function startLocalSystem({
  data = temporaryFolder(),
  flags = ['--no-simulator'],
  env = {} as Record<string, string>,
} = {}): Promise<LocalSystem> {
  const ports = ['api', 'event-hubs', 'cosmos', 'web-pubsub'].flatMap((name) => [`--${name}-port`, '0']);
  const child = spawn(process.execPath, ['local/main.ts', '--data', data, ...ports, ...flags], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const connection = (): Connection =>
    JSON.parse(readFileSync(path.join(data, 'connection.json'), 'utf8')) as Connection;
  await until(() => {
    if (child.exitCode !== null) throw new Error(`The system ended with code ${child.exitCode}:\n${output}`);
    return output.includes('Ctrl-C stops everything.');
  }, READY_MS_MAX);
  const signal = async (name: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(name);
    return ended;
  };
  return {
    data,
    connection,
    output: () => output,
    stop: () => signal('SIGINT'),
    kill: async () => {
      await signal('SIGKILL');
    },
    async [Symbol.asyncDispose]() {
      await signal('SIGINT');
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** A process that was started and has ended. */
export async function runToEnd(
  args: string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}
