/** One seed: the world runs, and is judged. */
import { judge } from './judge.ts';
import { runWorld, type Tally } from './world.ts';

/** What came of a seed. */
export interface Verdict {
  seed: number;
  /** Violations, one sentence each. */
  wrong: string[];
  turns: number;
  tally: Tally;
}

/** Runs a seed. @param trace gets what happened, line by line */
export async function simulate(seed: number, trace?: string[]): Promise<Verdict> {
  const outcome = await runWorld(seed, trace);
  return { seed, wrong: judge(outcome), turns: outcome.turns, tally: outcome.tally };
}
