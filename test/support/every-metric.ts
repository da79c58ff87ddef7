/** At the end of a whole run: every metric of the registry was emitted by the product's code in some test. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { METRICS } from '../../shared/observability.ts';

const folder = fileURLToPath(new URL('../../build/emitted-metrics', import.meta.url));

/** What Jest says of a run. */
interface Run {
  testPathPatterns: { patterns: string[] };
  testNamePattern?: string;
  onlyChanged: boolean;
}

/** Jest's `globalTeardown`. @throws Error naming what no test emitted; a run of some of the tests proves nothing and is let be */
export default function everyMetric(run: Run): void {
  const emitted = new Set<string>();
  try {
    for (const file of readdirSync(folder)) {
      for (const name of JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as string[]) emitted.add(name);
    }
  } catch {
    // No test of this run emitted anything.
  }
  rmSync(folder, { recursive: true, force: true });
  const { testPathPatterns, testNamePattern, onlyChanged } = run;
  const isPart = testPathPatterns.patterns.length > 0 || Boolean(testNamePattern) || onlyChanged;
  const isWhole = !isPart && !process.argv.some((argument) => argument.startsWith('--config'));
  const missing = Object.keys(METRICS).filter((name) => !emitted.has(name));
  if (isWhole && missing.length > 0) throw new Error(`No test emitted ${missing.join(', ')}.`);
}
