/**
 * `worker.ts FROM STEP COUNT [first]`: simulates COUNT seeds, every STEP-th, and prints a line of JSON per violation and
 * one at the end. With `first` it stops at the first violation.
 */
import { simulate, type Verdict } from './simulate.ts';
import type { Tally } from './world.ts';

/** A line of a worker: a violation, or the end. */
export type Line =
  | { kind: 'violation'; seed: number; wrong: string[] }
  | { kind: 'end'; seeds: number; turns: number; tally: Tally };

const [from = 1, step = 1, count = 1] = process.argv.slice(2, 5).map(Number);
const stopsAtFirst = process.argv[5] === 'first';
const end = { kind: 'end' as const, seeds: 0, turns: 0, tally: {} as Tally };
const say = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (let index = 0; index < count; index++) {
  const seed = from + index * step;
  const { wrong, turns, tally } = await attempt(seed);
  end.seeds++;
  end.turns += turns;
  for (const [what, times] of Object.entries(tally)) end.tally[what] = (end.tally[what] ?? 0) + times;
  if (wrong.length > 0) say({ kind: 'violation', seed, wrong });
  if (wrong.length > 0 && stopsAtFirst) break;
}
say(end);

/** A world that breaks down is a violation as well. */
async function attempt(seed: number): Promise<Verdict> {
  try {
    return await simulate(seed);
  } catch (error) {
    return { seed, wrong: [`The world broke down: ${String(error)}`], turns: 0, tally: {} };
  }
}
