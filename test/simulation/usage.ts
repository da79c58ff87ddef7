/** What `npm run simulate` is told. */
import os from 'node:os';
import { parseArgs } from 'node:util';

export const SIMULATE_USAGE = `npm run simulate -- [--seeds N] [--from N] [--jobs N]
  Plays N seeds (2,000) from a number (1) on, in as many processes as there are processors, and prints every violation.
npm run simulate -- --seed N
  Plays one seed and prints everything that happens in it.
npm run simulate -- --planted [ID ...]
  Plants each bug of test/simulation/planted/list.ts, or those named, into the product; each must be found.`;

/** What to do. */
export type Order =
  | { kind: 'help' }
  | { kind: 'search'; from: number; seeds: number; jobs: number }
  | { kind: 'replay'; seed: number }
  | { kind: 'planted'; ids: string[]; jobs: number };

/** Reads the arguments. @throws Error that says what is wrong with them */
export function readOrder(args: string[]): Order {
  const { values, positionals } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '2000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      jobs: { type: 'string', default: String(os.availableParallelism()) },
      planted: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return { kind: 'help' };
  if (values.seed !== undefined) return { kind: 'replay', seed: whole('seed', values.seed) };
  const jobs = whole('jobs', values.jobs);
  if (values.planted) return { kind: 'planted', ids: positionals, jobs };
  if (positionals.length > 0) throw new Error(`'${positionals.join(' ')}' means nothing.\n\n${SIMULATE_USAGE}`);
  return { kind: 'search', from: whole('from', values.from), seeds: whole('seeds', values.seeds), jobs };
}

function whole(name: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new Error(`--${name} must be a whole number from 1, not '${text}'.`);
  return Number(text);
}
