/** A shell as a reader of the documentation has it open: variables of one command are there for the next. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** What a script printed and how it ended. */
export interface ShellRun {
  output: string;
  errors: string;
  /** Exit code; null when it was interrupted. */
  code: number | null;
  /** HTTP status of every curl that ended by itself. */
  statuses: number[];
}

/** Milliseconds a script may run before it is given up. */
const RUN_MS_MAX = 30_000;

/** Curl tells the status apart from the body, and ends the body's line; the scripts stay as they are printed. */
const CURL_SETTINGS = 'write-out = "%{stderr}[HTTP %{http_code}]\\n%{stdout}\\n"\n';

/** See the top of the file. */
export class Shell {
  readonly #cwd: string;
  readonly #curlHome = mkdtempSync(path.join(os.tmpdir(), 'sluice-curl-'));
  readonly variables: Record<string, string> = {};

  constructor(cwd: string) {
    this.#cwd = cwd;
    writeFileSync(path.join(this.#curlHome, '.curlrc'), CURL_SETTINGS);
  }

  /**
   * Runs a script in bash. With `enough` it is interrupted as by Ctrl-C once its output is enough.
   * @throws Error with all it printed when it takes too long
   */
  async run(script: string, { cwd = this.#cwd, enough = (_output: string): boolean => false } = {}): Promise<ShellRun> {
    const child = spawn('bash', ['-c', `set -a; trap 'env -0 >&3' EXIT\n${script}`], {
      cwd,
      env: { ...process.env, ...this.variables, CURL_HOME: this.#curlHome },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A process group of its own, as a terminal makes it.
      detached: true,
    });
    let output = '';
    let errors = '';
    let environment = '';
    let interrupted = false;
    const interrupt = (signal: NodeJS.Signals) => {
      if (interrupted || child.pid === undefined) return;
      interrupted = true;
      process.kill(-child.pid, signal);
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (enough(output)) interrupt('SIGINT');
    });
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdio[3]?.on('data', (chunk: Buffer) => (environment += chunk.toString()));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      interrupt('SIGKILL');
    }, RUN_MS_MAX);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    clearTimeout(timer);
    if (late) throw new Error(`Not done after ${RUN_MS_MAX} ms:\n${script}\n${output}\n${errors}`);
    this.#keep(environment);
    const statuses = [...errors.matchAll(/^\[HTTP (\d+)\]$/gm)].map(([, status]) => Number(status));
    return { output, errors, code, statuses };
  }

  /** Removes what the shell left on disk. */
  close(): void {
    rmSync(this.#curlHome, { recursive: true, force: true });
  }

  #keep(environment: string): void {
    for (const entry of environment.split('\0')) {
      const [, name, value] = /^([A-Z][A-Z0-9_]*)=([^]*)$/.exec(entry) ?? [];
      if (name === undefined || value === undefined || value === process.env[name]) continue;
      this.variables[name] = value;
    }
  }
}
