/** `npm run conformance -- --target local|azure [SUITE...]`: the suites against the stand-ins, or against Azure. */
import { parseArgs } from 'node:util';
import { startLocalTarget } from './local-target.ts';
import { runJest } from './run-jest.ts';
import { SUITES, type Suite, isSuite } from './suites.ts';

const USAGE = `npm run conformance -- --target local|azure [${SUITES.join('|')} ...]

  --target local   starts the stand-ins itself (the default)
  --target azure   uses the services that the environment variables name; see test/conformance/README.md`;

function readSuites(names: readonly string[]): readonly Suite[] {
  const unknown = names.find((name) => !isSuite(name));
  if (unknown !== undefined) throw new Error(`There is no suite '${unknown}'.\n\n${USAGE}`);
  return names.length === 0 ? SUITES : names.filter(isSuite);
}

/** Runs one suite; whether every test passed. */
async function passes(suite: Suite, target: string): Promise<boolean> {
  const args = [`test/conformance/${suite}/`];
  if (target === 'azure') return (await runJest(args, {}, 'inherit')) === 0;
  await using local = await startLocalTarget(suite);
  return (await runJest(args, local.environment, 'inherit')) === 0;
}

const { values, positionals } = parseArgs({
  options: { target: { type: 'string', default: 'local' }, help: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
} else {
  if (values.target !== 'local' && values.target !== 'azure') {
    throw new Error(`--target must be local or azure, not '${values.target}'.\n\n${USAGE}`);
  }
  const failed: Suite[] = [];
  for (const suite of readSuites(positionals)) if (!(await passes(suite, values.target))) failed.push(suite);
  if (failed.length > 0) process.stderr.write(`Not conforming: ${failed.join(', ')}\n`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
