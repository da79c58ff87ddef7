/**
 * The real compiler, and faults planted into copies of infra/ that it must catch. Enum values it lets pass, because the
 * types leave them open: those are for policy.test.ts.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { diagnose, findBicep, RUNS } from '../../scripts/infra.ts';

const infra = fileURLToPath(new URL('../../infra', import.meta.url));
const bicep = findBicep();
if (bicep === undefined && process.env['CI']) throw new Error('CI must have the Bicep compiler.');
const withCompiler = bicep === undefined ? describe.skip : describe;

/** A copy of infra/ with one text replaced. */
function withFault<T>(file: string, from: string, to: string, look: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-fault-'));
  try {
    cpSync(infra, folder, { recursive: true });
    const target = path.join(folder, file);
    const text = readFileSync(target, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} has no ${from}: mend the test.`);
    writeFileSync(target, text.replace(from, to));
    return look(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

withCompiler('the Bicep compiler', () => {
  test('has nothing to say about infra/', () => {
    expect(diagnose(bicep ?? '', infra)).toEqual([]);
  });

  test.each([
    ['a property misspelt', 'modules/eventhubs.bicep', 'disableLocalAuth: true', 'disableLocalAuths: true'],
    [
      'a property of the wrong type',
      'modules/storage.bicep',
      'allowSharedKeyAccess: false',
      "allowSharedKeyAccess: 'false'",
    ],
    [
      'a resource type misspelt',
      'modules/webpubsub.bicep',
      'Microsoft.SignalRService/webPubSub@',
      'Microsoft.SignalRService/webPubSubs@',
    ],
    [
      'a parameter nobody uses',
      'modules/identity.bicep',
      'param name string',
      'param name string\nparam unused string',
    ],
    ['a module parameter missing', 'main.bicep', "packageContainer: 'app-package' }", '}'],
    [
      'a parameter of the profile that does not exist',
      'params/dev.bicepparam',
      "param profile = 'dev'",
      "param profiles = 'dev'",
    ],
    [
      'a profile that does not exist',
      'params/prod.bicepparam',
      "param profile = 'prod'",
      "param profile = 'production'",
    ],
    ['a required member missing', 'modules/cosmos.bicep', "databaseAccountOfferType: 'Standard'", ''],
    [
      'an output of a secret',
      'modules/keyvault.bicep',
      'output id string',
      'output leaked string = masterKey\noutput id string',
    ],
  ])('catches %s', (_what, file, from, to) => {
    const run = file.includes('prod.') ? RUNS.prod : file.startsWith('params/') ? RUNS.dev : RUNS.build;
    expect(withFault(file, from, to, (folder) => diagnose(bicep ?? '', folder, [run])).length).toBeGreaterThan(0);
  });
});
