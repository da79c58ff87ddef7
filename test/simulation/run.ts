/**
 * `npm run simulate`: the seeded simulator of ingest, journal, projection and sweep (see docs/simulation.md).
 *
 *   -- [--seeds N] [--from N] [--jobs N]   N seeds from a number on; every violation with its seed
 *   -- --seed N                            one seed, with everything that happened
 *   -- --planted [ID...]                   plants each bug of planted/list.ts; each must be found
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { PLANTED } from './planted/list.ts';
import { simulate } from './simulate.ts';
import { runShare } from './workers.ts';

/** Seeds within which each planted bug must be found. */
const PLANTED_SEEDS_MAX = 3_000;
/** Violations that are printed whole. */
const PRINTED_MAX = 20;

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    planted: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const jobs = wholeNumber('jobs', values.jobs);
const startedMs = Date.now();
const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(1);
const print = (text: string) => process.stdout.write(`${text}\n`);

if (values.seed !== undefined) await replay(wholeNumber('seed', values.seed));
else if (values.planted) await findPlanted();
else await search(wholeNumber('from', values.from), wholeNumber('seeds', values.seeds));

async function replay(seed: number): Promise<void> {
  const trace: string[] = [];
  const { wrong, turns } = await simulate(seed, trace);
  for (const line of trace) print(line);
  for (const each of wrong) print(`violated: ${each}`);
  print(`seed ${seed}: ${turns} turns, ${wrong.length} violations`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

async function search(from: number, seeds: number): Promise<void> {
  let violations = 0;
  let done = 0;
  let turns = 0;
  const tally: Record<string, number> = {};
  const shares = Array.from({ length: Math.min(jobs, seeds) }, (_, index) => ({
    from: from + index,
    step: jobs,
    count: Math.ceil((seeds - index) / jobs),
  }));
  await Promise.all(
    shares.map((share) =>
      runShare(share, (line) => {
        if (line.kind === 'violation') {
          if (++violations > PRINTED_MAX) return;
          print(`seed ${line.seed}:`);
          for (const each of line.wrong) print(`  ${each}`);
          print(`  npm run simulate -- --seed ${line.seed}`);
          return;
        }
        done += line.seeds;
        turns += line.turns;
        for (const [what, times] of Object.entries(line.tally)) tally[what] = (tally[what] ?? 0) + times;
      }),
    ),
  );
  const happened = Object.entries(tally).toSorted(([, a], [, b]) => b - a);
  for (const [what, times] of happened) print(`${String(times).padStart(9)} ${what}`);
  print(`${done} seeds from ${from}, ${turns} turns, ${seconds()} s: ${violations} with violations`);
  process.exitCode = violations > 0 ? 1 : 0;
}

async function findPlanted(): Promise<void> {
  const chosen = PLANTED.filter(({ id }) => positionals.length === 0 || positionals.includes(id));
  if (chosen.length === 0) throw new Error(`No planted bug is called ${positionals.join(' or ')}.`);
  const waiting = [...chosen];
  let found = 0;
  const work = async (): Promise<void> => {
    for (let bug = waiting.shift(); bug; bug = waiting.shift()) {
      const { id } = bug;
      let first: { seed: number; wrong: string[] } | undefined;
      await runShare({ from: 1, step: 1, count: PLANTED_SEEDS_MAX, stopsAtFirst: true, planted: id }, (line) => {
        if (line.kind === 'violation') first ??= line;
      });
      if (first) found++;
      print(first ? `seed ${String(first.seed).padStart(4)} finds: ${id} (${first.wrong[0]})` : `not found: ${id}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  print(`${found} of ${chosen.length} planted bugs found in ${seconds()} s`);
  process.exitCode = found < chosen.length ? 1 : 0;
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} must be a whole number, not '${text}'.`);
  return number;
}
