/** What an operator may decide reaches the app: every setting has a parameter, and what is secret goes by the key vault. */
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { evaluate, findBicep } from '../../scripts/infra.ts';
import { ofType, readSnapshot, readSnapshotFile, type Resource } from './snapshot.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bicep = findBicep();
if (bicep === undefined && process.env['CI']) throw new Error('CI must have the Bicep compiler.');
const withCompiler = bicep === undefined ? describe.skip : describe;

/** What the private profile sets and the dev profile leaves as it is. */
const DECIDED = [
  'ACS_ENDPOINT',
  'ACS_SENDER',
  'COMMANDS_ALLOWED',
  'ENTRA_ADMIN_OBJECT_ID',
  'ENTRA_AUDIENCE',
  'JOURNAL_HOURS',
  'MAIL_FROM',
  'READINGS_DAYS',
  'STREAM_MAX_SECONDS',
  'TOKEN_ALG',
  'TOKEN_ISSUER',
  'TRACES_SAMPLED',
  'WEBHOOK_TARGETS_ALLOWED',
];
/** Secret parameters, the setting each is read from, and its name in the key vault. */
const SECRET: [parameter: string, setting: string, secret: string, value: string][] = [
  ['masterKey', 'SLUICE_MASTER_KEY', 'sluice-master-key', 'a-master-key-in-plain-sight'],
  ['openIdProviders', 'OPENID_PROVIDERS', 'openid-providers', '[{"clientSecret":"a-client-secret-in-plain-sight"}]'],
  ['smtpUrl', 'SMTP_URL', 'smtp-url', 'smtps://user:a-password-in-plain-sight@mail.example.com'],
];

function settingsOf(resources: Resource[]): Record<string, unknown> {
  return ofType(resources, 'Microsoft.Web/sites/config')[0]?.properties ?? {};
}

test.each(DECIDED)('%s is decided by a parameter', (name) => {
  const [decided, left] = [settingsOf(readSnapshot('private'))[name], settingsOf(readSnapshot('dev'))[name]];
  expect(decided).toEqual(expect.stringMatching(/./));
  expect(decided).not.toBe(left);
});

test('every parameter of main.bicep that azd gives can be set by a variable, and the rest is explained', () => {
  const main = readFileSync(path.join(root, 'infra/main.bicep'), 'utf8');
  const { parameters } = JSON.parse(readFileSync(path.join(root, 'infra/main.parameters.json'), 'utf8')) as {
    parameters: Record<string, unknown>;
  };
  const guide = readFileSync(path.join(root, 'docs/deploy.md'), 'utf8');
  const declared = [...main.matchAll(/^param (\w+) /gm)].map(([, name = '']) => name);
  expect(declared.filter((name) => !(name in parameters) && !guide.includes(`\`${name}\``))).toEqual([]);
});

withCompiler('secrets', () => {
  let resources: Resource[] = [];
  beforeAll(() => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-secrets-'));
    try {
      cpSync(path.join(root, 'infra'), folder, { recursive: true });
      appendFileSync(
        path.join(folder, 'params/dev.bicepparam'),
        SECRET.map(([parameter, , , value]) => `\nparam ${parameter} = '${value}'\n`).join(''),
      );
      evaluate(bicep ?? '', folder, 'dev');
      resources = readSnapshotFile(path.join(folder, 'params/dev.snapshot.json'));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test.each(SECRET)('%s is kept by the key vault, and %s only refers to it', (parameter, setting, secret, value) => {
    const kept = ofType(resources, 'Microsoft.KeyVault/vaults/secrets');
    expect(kept.map(({ name }) => name.split('/').at(-1))).toContain(secret);
    expect(settingsOf(resources)[setting]).toEqual(expect.stringContaining('@Microsoft.KeyVault(SecretUri='));
    expect(String(settingsOf(resources)[setting])).toMatch(new RegExp(`'${secret}'|secretNames'\\)\\.${parameter}\\b`));
    expect(JSON.stringify(resources.filter((resource) => !kept.includes(resource)))).not.toContain(
      /\w+-in-plain-sight/.exec(value)?.[0] ?? value,
    );
  });
});
