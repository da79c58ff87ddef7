/**
 * `npm run mutations -- [--jobs N] [ID or suite...]`: shows that the conformance suites have teeth. Each defect of
 * mutations/ is put into the stand-in, one at a time, and the test it names must fail; that the same test passes without
 * the defect is what `npm run conformance` shows.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { DidNotStart, startLocalTarget } from './local-target.ts';
import { MUTATIONS } from './mutations/list.ts';
import type { ListedMutation } from './mutations/mutation.ts';
import { runJest } from './run-jest.ts';

/** Milliseconds a test may take against a mutant: one that hangs is one that failed. */
const TEST_MS_MAX = 15_000;

/** What became of a mutant. `unfit`: the defect kept the stand-in from starting, or no test has the title. */
type Verdict = 'caught' | 'survived' | 'unfit';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

const quoted = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

async function judge(mutation: ListedMutation, folder: string): Promise<{ verdict: Verdict; why?: string }> {
  const [file, title] = mutation.caughtBy;
  try {
    await using local = await startLocalTarget(mutation.suite, mutation.id);
    const report = path.join(folder, `${MUTATIONS.indexOf(mutation)}.json`);
    const args = [
      `test/conformance/${mutation.suite}/${file}`,
      `--testNamePattern=${quoted(title)}`,
      `--testTimeout=${TEST_MS_MAX}`,
      '--json',
      `--outputFile=${report}`,
      '--forceExit',
    ];
    await runJest(args, local.environment, 'ignore');
    const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    if (numFailedTests > 0) return { verdict: 'caught' };
    if (numPassedTests > 0) return { verdict: 'survived', why: `'${title}' passed` };
    return { verdict: 'unfit', why: `no test of ${file} is called '${title}', or the file does not run` };
  } catch (error) {
    if (error instanceof DidNotStart) return { verdict: 'unfit', why: error.message };
    throw error;
  }
}

const { values, positionals } = parseArgs({
  options: { jobs: { type: 'string', default: '2' } },
  allowPositionals: true,
});
const chosen = MUTATIONS.filter(
  ({ id, suite }) => positionals.length === 0 || positionals.includes(suite) || positionals.includes(id),
);
if (chosen.length === 0) throw new Error(`No mutation or suite is called ${positionals.join(' or ')}.`);

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-mutations-'));
const waiting = [...chosen];
const missed: string[] = [];
const startedMs = Date.now();
const work = async (): Promise<void> => {
  for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
    const { verdict, why } = await judge(mutation, folder);
    process.stdout.write(
      `${verdict.padEnd(8)} ${mutation.suite}: ${mutation.id}${why === undefined ? '' : ` (${why})`}\n`,
    );
    if (verdict !== 'caught') missed.push(mutation.id);
  }
};
try {
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const seconds = Math.round((Date.now() - startedMs) / 1000);
process.stdout.write(`${chosen.length - missed.length} of ${chosen.length} mutants caught in ${seconds} s\n`);
process.exitCode = missed.length > 0 ? 1 : 0;
