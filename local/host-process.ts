/** The Functions host as a child process: started, watched, started again when it dies, stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How to run the host. */
export interface HostProcessOptions {
  port: number;
  dataFolder: string;
  settings: Record<string, string>;
  /** The host died and is back, with another pid. */
  onRestarted(pid: number): void;
  onDied(how: string): void;
  /** The host, or its supervisor, has a line for people. */
  onSaid(line: string): void;
}

/** Milliseconds the host may take to become ready. */
const READY_MS_MAX = 30_000;
/** Milliseconds the host may take to stop before it is killed; all must have ended after 5 s, also on a busy machine. */
const STOP_MS_MAX = 3_000;
/** Milliseconds before a host that died is started again; doubled while it keeps dying, up to the second. */
const RESTART_MS = 200;
const RESTART_MS_MAX = 5_000;

const mainFile = fileURLToPath(new URL('host/main.ts', import.meta.url));
const appFolder = fileURLToPath(new URL('..', import.meta.url));

/** A supervised host. */
export class HostProcess {
  readonly #options: HostProcessOptions;
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(options: HostProcessOptions) {
    this.#options = options;
  }

  /** Pid of the running host. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the host and waits until it is ready. @throws Error with what the host said when it cannot start */
  async start(): Promise<void> {
    const { port, dataFolder, settings } = this.#options;
    const args = [
      mainFile,
      '--main',
      'functions/index.ts',
      '--app',
      appFolder,
      '--port',
      String(port),
      '--data',
      dataFolder,
    ];
    const child = spawn(process.execPath, args, {
      cwd: appFolder,
      // Its own process group: Ctrl-C reaches this process alone, which then stops the host in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...settings },
    });
    this.#child = child;
    let silent = true;
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        silent = false;
        this.#options.onSaid(line);
      });
    }
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      ready.reject(new Error(`The Functions host was not ready after ${READY_MS_MAX / 1000} s.`));
      // It holds the port that the next attempt needs.
      child.kill('SIGKILL');
    }, READY_MS_MAX);
    child.once('error', ready.reject);
    child.once('exit', (code) => {
      const hint = silent ? ' It said nothing.' : '';
      ready.reject(new Error(`The Functions host ended with code ${code ?? 'none'} before it was ready.${hint}`));
    });
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('{"ready":true')) ready.resolve();
      });
    }
    await ready.promise.finally(() => clearTimeout(timer));
    child.removeAllListeners('exit');
    child.once('exit', (code, signal) => void this.#restart(signal ?? `code ${code}`));
  }

  /** Stops the host: politely, then by force. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }

  async #restart(how: string): Promise<void> {
    if (this.#stopping) return;
    this.#options.onDied(how);
    for (let wait = RESTART_MS; !this.#stopping; wait = Math.min(wait * 2, RESTART_MS_MAX)) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.#stopping) return;
      try {
        await this.start();
        this.#options.onRestarted(this.pid);
        return;
      } catch (error) {
        this.#options.onSaid(`${(error as Error).message} Trying again.`);
      }
    }
  }
}
