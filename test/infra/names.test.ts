/** Names are legal for whatever azd lets an environment be called. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { evaluate, findBicep } from '../../scripts/infra.ts';
import { NAME_RULES } from './policies.ts';
import { ofType, readSnapshotFile, type Resource } from './snapshot.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bicep = findBicep();
if (bicep === undefined && process.env['CI']) throw new Error('CI must have the Bicep compiler.');
const withCompiler = bicep === undefined ? describe.skip : describe;
/** The longest name of a region. */
const LOCATION = 'southafricanorthstage';
const SEED = 20_261_124;

/** Resources of one kind that a deployment may have at most is 800. */
const AT_ONCE = 600;

withCompiler('names', () => {
  test('of 1,000 random environments are legal', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.()-]{0,39}$/);
    const environments = [...fc.sample(name, { numRuns: 1000, seed: SEED }), 'a', `9${'-'.repeat(38)}z`, 'A.b_c(d)'];
    for (let from = 0; from < environments.length; from += AT_ONCE) {
      const some = environments.slice(from, from + AT_ONCE);
      const all = evaluated(some);
      for (const [type, rule] of NAME_RULES) {
        const names = ofType(all, type).map((resource) => resource.name);
        expect([type, names.length]).toEqual([type, some.length]);
        expect(names.filter((each) => !rule.test(each))).toEqual([]);
      }
    }
  });
});

/** What names.bicep makes for these environments. */
function evaluated(environments: string[]): Resource[] {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-names-'));
  try {
    for (const part of ['infra', 'test/infra/names.bicep'])
      cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
    mkdirSync(path.join(folder, 'test/infra/params'));
    const list = environments.map((each) => `  '${each}'`).join('\n');
    writeFileSync(
      path.join(folder, 'test/infra/params/names.bicepparam'),
      `using '../names.bicep'\nparam location = '${LOCATION}'\nparam environments = [\n${list}\n]\n`,
    );
    evaluate(bicep ?? '', path.join(folder, 'test/infra'), 'names', 'group');
    return readSnapshotFile(path.join(folder, 'test/infra/params/names.snapshot.json'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
