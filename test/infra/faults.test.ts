/**
 * Faults planted into copies of infra/: each must be caught, by the real compiler or by a policy over what it evaluates.
 * Misspelt enum values are for the policies: the compiler lets many of them pass, because the types leave them open.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { diagnose, evaluate, findBicep, type PROFILES, RUNS } from '../../scripts/infra.ts';
import { violations } from './policies.ts';
import { readSnapshotFile } from './snapshot.ts';

const infra = fileURLToPath(new URL('../../infra', import.meta.url));
const bicep = findBicep();
if (bicep === undefined && process.env['CI']) throw new Error('CI must have the Bicep compiler.');
if (bicep === undefined) console.log('Skipped: there is no Bicep compiler here.');
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

type Profile = (typeof PROFILES)[number];

const app = 'modules/functionapp.bicep';
const BY_THE_COMPILER: [what: string, file: string, from: string, to: string, profile?: Profile][] = [
  ['a property misspelt', 'modules/eventhubs.bicep', 'disableLocalAuth: true', 'disableLocalAuths: true'],
  [
    'a property of the wrong type',
    'modules/storage.bicep',
    'allowSharedKeyAccess: false',
    "allowSharedKeyAccess: 'false'",
  ],
  ['a resource type misspelt', 'modules/webpubsub.bicep', 'SignalRService/webPubSub@', 'SignalRService/webPubSubs@'],
  ['an API version that never was', 'modules/identity.bicep', '@2024-11-30', '@2024-11-31'],
  ['a parameter nobody uses', 'modules/identity.bicep', 'param name string', 'param name string\nparam unused string'],
  ['a variable nobody uses', 'main.bicep', 'var apiPackages', "var spare = 'x'\nvar apiPackages"],
  ['a module parameter missing', 'main.bicep', 'packageContainer: apiPackages', ''],
  ['an output that the module does not have', 'main.bicep', 'cosmos.outputs.endpoint', 'cosmos.outputs.endpiont'],
  ['a symbol misspelt', 'main.bicep', 'uniqueString(suffix,', 'uniqueString(sufix,'],
  ['a parameter of the profile that does not exist', 'params/dev.bicepparam', 'param profile', 'param profiles', 'dev'],
  ['a profile that does not exist', 'params/prod.bicepparam', "profile = 'prod'", "profile = 'production'", 'prod'],
  ['a number where a text belongs', 'params/dev.bicepparam', "location = 'westeurope'", 'location = 3', 'dev'],
  ['a required member missing', 'modules/cosmos.bicep', "databaseAccountOfferType: 'Standard'", ''],
  ['an output of a secret', 'modules/keyvault.bicep', 'output id', 'output leaked string = masterKey\noutput id'],
  ['a query file that is not there', 'modules/alerts.bicep', 'alerts/ingest-lag.kql', 'alerts/ingest-leg.kql'],
  ['a member that Flex Consumption lacks', app, 'scaleAndConcurrency: {', 'scaleAndConcurency: {'],
];
const BY_A_POLICY: [what: string, file: string, from: string, to: string, profile: Profile][] = [
  ['the kind of storage misspelt', app, "type: 'blobContainer'", "type: 'blobContainers'", 'dev'],
  ['the kind of authentication misspelt', app, "type: 'UserAssignedIdentity'", "type: 'UserAsignedIdentity'", 'dev'],
  ['the runtime misspelt', app, "name: 'node'", "name: 'nodejs'", 'dev'],
  ['the way of updating misspelt', app, "'RollingUpdate'", "'Rolling'", 'prod'],
  ['a scale group misspelt', app, "name: 'http', instanceCount", "name: 'https', instanceCount", 'prod'],
  ['a plan of another kind', app, "name: 'FC1'", "name: 'EP1'", 'dev'],
  ['what Flex Consumption refuses', app, 'http20Enabled: true', 'http20Enabled: true\n      alwaysOn: false', 'dev'],
  [
    'a forbidden setting',
    app,
    'OTEL_SERVICE_NAME:',
    "FUNCTIONS_WORKER_RUNTIME: 'node'\n        OTEL_SERVICE_NAME:",
    'dev',
  ],
  ['a setting nobody reads', 'main.bicep', 'TOKEN_ALG:', 'TOKEN_ALGO:', 'dev'],
  [
    'a setting with a key',
    'main.bicep',
    'TOKEN_ALG: tokenAlgorithm',
    "TOKEN_ALG: 'AccountKey=${tokenAlgorithm}'",
    'dev',
  ],
  [
    'a secret in a setting',
    'main.bicep',
    "? ''\n    : '@Microsoft.KeyVault(SecretUri",
    "? 'smtp://u:p@x'\n    : '@Microsoft.KeyVault(SecretUri",
    'dev',
  ],
  ['a sender to every hub', 'modules/roles.bicep', 'scope: hub\n', 'scope: eventHubs\n', 'dev'],
  [
    'more partitions than there can be',
    'main.bicep',
    '{ partitionCount: partitionCount }',
    '{ partitionCount: partitionCount + 32 }',
    'dev',
  ],
  ['mail without its role', 'modules/communication.bicep', '09976791', '19976791', 'private'],
  ['local sign-in switched on', 'modules/cosmos.bicep', 'disableLocalAuth: true', 'disableLocalAuth: false', 'dev'],
  ['old TLS', 'modules/storage.bicep', "'TLS1_2'", "'TLS1_0'", 'dev'],
  ['anonymous sockets', 'modules/webpubsub.bicep', "'deny'", "'allow'", 'dev'],
  ['a vault that can be purged', 'modules/keyvault.bicep', 'enablePurgeProtection: true', '', 'dev'],
  [
    'another role',
    'modules/roles.bicep',
    'a638d3c7-ab3a-418d-83e6-5f17a39d4fde',
    'f526a384-b230-433a-b45c-95f59c4a2dec',
    'dev',
  ],
  ['the role of the data plane that only reads', 'modules/roles.bicep', '-000000000002', '-000000000001', 'dev'],
  ['a retention policy misspelt', 'modules/eventhubs.bicep', "'Delete'", "'Remove'", 'dev'],
  ['a container that nobody knows', 'resources.json', '"name": "leases"', '"name": "lease s"', 'dev'],
  ['auto-inflate without a limit', 'modules/eventhubs.bicep', 'maximumThroughputUnits > 0', 'true', 'dev'],
  ['a metric that does not exist', 'modules/alerts.bicep', "'ThrottledRequests'", "'ThrotledRequests'", 'prod'],
  ['zones on storage that has none', 'modules/storage.bicep', "'Standard_ZRS'", "'Standard_GRS'", 'private'],
  ['a private endpoint left out', 'modules/network.bicep', 'groupIds: [each.group]', "groupIds: ['blob']", 'private'],
  [
    'an open store in private mode',
    'modules/cosmos.bicep',
    "? 'Enabled' : 'Disabled'",
    "? 'Disabled' : 'Enabled'",
    'private',
  ],
  ['an untagged resource', 'modules/workbook.bicep', 'tags: tags', "tags: union(tags, { 'azd-env-name': 'x' })", 'dev'],
];

withCompiler('the Bicep compiler', () => {
  test.each(BY_THE_COMPILER)('catches %s', (...[, file, from, to, profile]) => {
    const said = withFault(file, from, to, (folder) => diagnose(bicep ?? '', folder, [RUNS[profile ?? 'build']]));
    expect(said.length).toBeGreaterThan(0);
  });
});

withCompiler('a policy', () => {
  test.each(BY_A_POLICY)('catches %s', (_what, file, from, to, profile) => {
    const found = withFault(file, from, to, (folder) => {
      evaluate(bicep ?? '', folder, profile);
      // The contract is the repository's resources.json, whatever the copy says.
      return violations(readSnapshotFile(path.join(folder, 'params', `${profile}.snapshot.json`)));
    });
    expect(found).not.toEqual([]);
  });
});
