// The one way in which hooks start other programs (az, azd): found on the PATH on every system, never waited for without end.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Milliseconds a program may take; SLUICE_HOOK_SECONDS says otherwise. */
const TIMEOUT_MS = Number(process.env['SLUICE_HOOK_SECONDS'] ?? 60) * 1000;
/** What reaches a batch file goes through cmd.exe: nothing that it would read as more than a word. */
const SAFE_ARGUMENT = /^[\w./:=@,+[\]{}-]*$/;

/**
 * The file of a program. On Windows it has one of the endings of PATHEXT: az is a batch file there, azd is not.
 * @param {string} name
 * @param {{ platform?: string, env?: Record<string, string | undefined>, exists?: (file: string) => boolean }} [system]
 * @returns {string | undefined}
 */
export function findProgram(name, { platform = process.platform, env = process.env, exists = existsSync } = {}) {
  const windows = platform === 'win32';
  const system = windows ? path.win32 : path.posix;
  const endings = windows ? (env['PATHEXT'] ?? '.COM;.EXE;.BAT;.CMD').split(';') : [''];
  const folders = (env['PATH'] ?? env['Path'] ?? '').split(system.delimiter).filter((folder) => folder !== '');
  return folders.flatMap((folder) => endings.map((ending) => system.join(folder, name + ending))).find(exists);
}

/**
 * How to start a file: Node refuses batch files without a shell (since CVE-2024-27980), and a shell joins what it gets.
 * @param {string} file
 * @param {string[]} args
 * @throws {Error} when a batch file would get an argument that its shell reads as more than a word
 */
export function commandLine(file, args) {
  if (!/\.(?:bat|cmd)$/i.test(file)) return { file, args, shell: false };
  const unsafe = args.find((arg) => !SAFE_ARGUMENT.test(arg));
  if (unsafe !== undefined) throw new Error(`${JSON.stringify(unsafe)} cannot be given to a batch file.`);
  return { file: `"${file}"`, args, shell: true };
}

/**
 * Runs a program to its end.
 * @param {string} name
 * @param {string[]} args
 * @returns {string | undefined} what it printed; undefined when it is not installed
 * @throws {Error} one line: it failed, or took too long
 */
export function run(name, args) {
  const found = findProgram(name);
  if (found === undefined) return undefined;
  const { file, args: given, shell } = commandLine(found, args);
  const { status, stdout, stderr, error } = spawnSync(file, given, {
    shell,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    windowsHide: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 16 * 1024 * 1024,
  });
  const what = `${name} ${args.slice(0, 2).join(' ')}`;
  if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === 'ETIMEDOUT')
    throw new Error(`${what} did not answer within ${TIMEOUT_MS / 1000} s.`);
  if (error || status !== 0)
    throw new Error(`${what} failed: ${firstLine(stderr) || error?.message || `exit code ${status}`}`);
  return stdout;
}

/** @param {string} text */
function firstLine(text) {
  return (
    (text ?? '')
      .split(/\r?\n/)
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  );
}
