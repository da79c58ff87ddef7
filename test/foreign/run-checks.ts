/** Runs a program of checks: one that prints one line of JSON per check. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

interface Checked {
  readonly check: string;
  readonly ok: boolean;
  readonly error?: string | null;
}

/** The checks that failed, and how many there were. @param environment what the program gets to know */
export async function failures(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ count: number; failed: Checked[] }> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
  });
  let out = '';
  let said = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  await once(child, 'close');
  const checks = out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Checked);
  if (checks.length === 0) throw new Error(`${command} ${args.join(' ')} checked nothing.\n${said}`);
  return { count: checks.length, failed: checks.filter(({ ok }) => !ok) };
}
