/** `npm run simulate`: the seeded simulator of ingest, journal, projection and sweep; see docs/simulation.md. */
import { PLANTED } from './planted/list.ts';
import { simulate } from './simulate.ts';
import { readOrder, SIMULATE_USAGE } from './usage.ts';
import { runShare } from './workers.ts';

/** Seeds within which each planted bug must be found. */
const PLANTED_SEEDS_MAX = 5_000;
/** Violations that are printed whole. */
const PRINTED_MAX = 20;

const startedMs = Date.now();
const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(1);
const print = (text: string) => process.stdout.write(`${text}\n`);

process.exitCode = (await obey()) ? 0 : 1;

/** @returns whether all is well */
async function obey(): Promise<boolean> {
  const order = readOrder(process.argv.slice(2));
  switch (order.kind) {
    case 'help':
      print(SIMULATE_USAGE);
      return true;
    case 'replay':
      return replay(order.seed);
    case 'search':
      return search(order);
    case 'planted':
      return findPlanted(order);
  }
}

async function replay(seed: number): Promise<boolean> {
  const trace: string[] = [];
  const { wrong, turns } = await simulate(seed, trace);
  for (const line of trace) print(line);
  for (const each of wrong) print(`violated: ${each}`);
  print(`seed ${seed}: ${turns} turns, ${wrong.length} violations`);
  return wrong.length === 0;
}

async function search({ from, seeds, jobs }: { from: number; seeds: number; jobs: number }): Promise<boolean> {
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
  return violations === 0;
}

async function findPlanted({ ids, jobs }: { ids: string[]; jobs: number }): Promise<boolean> {
  const chosen = PLANTED.filter(({ id }) => ids.length === 0 || ids.includes(id));
  if (chosen.length === 0) throw new Error(`No planted bug is called ${ids.join(' or ')}.`);
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
  return found === chosen.length;
}
