/** Seeds, spread over processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Line } from './worker.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const LOAD_HOOK = new URL('planted/load-hook.ts', import.meta.url).href;

/** Which seeds, and how. */
export interface Share {
  from: number;
  step: number;
  count: number;
  /** Stops at the first violation. */
  stopsAtFirst?: boolean;
  /** Id of a bug to plant. */
  planted?: string;
}

/** Runs a share in a process of its own. @throws Error when the process does not get to its end */
export async function runShare(
  { from, step, count, stopsAtFirst = false, planted }: Share,
  hear: (line: Line) => void,
): Promise<void> {
  const mutated = planted === undefined ? {} : { NODE_OPTIONS: `--import=${LOAD_HOOK}`, SLUICE_PLANTED: planted };
  const args = [WORKER, String(from), String(step), String(count), ...(stopsAtFirst ? ['first'] : [])];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...mutated },
  });
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  const closed = once(child, 'close');
  let hasEnded = false;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    hasEnded ||= line.kind === 'end';
    hear(line);
  }
  await closed;
  if (!hasEnded) throw new Error(`A worker from seed ${from} did not get to its end.\n${complaint}`);
}
