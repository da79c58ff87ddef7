/** Policies over the evaluated deployment of every profile, and the contracts between infra/, code and settings. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { PROFILES } from '../../scripts/infra.ts';
import resources from '../../infra/resources.json' with { type: 'json' };
import { settings } from '../../shared/config.ts';
import { LOCAL_ONLY, POLICIES } from './policies.ts';
import { ofType, only, readSnapshot } from './snapshot.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), 'utf8'));

describe.each(PROFILES)('%s', (profile) => {
  const snapshot = readSnapshot(profile);
  test.each(Object.entries(POLICIES))('%s', (_name, policy) => {
    expect(policy(snapshot)).toEqual([]);
  });
});

test('dev has no alert rules, prod has all that need no choice, private the silence rule as well', () => {
  const rules = (profile: (typeof PROFILES)[number]) =>
    ['scheduledQueryRules', 'metricAlerts'].map(
      (kind) => ofType(readSnapshot(profile), `Microsoft.Insights/${kind}`).length,
    );
  expect([rules('dev'), rules('prod'), rules('private')]).toEqual([
    [0, 0],
    [8, 4],
    [9, 4],
  ]);
});

test('without an address for alerts nobody is mailed, and the rules are there all the same', () => {
  const receivers = (profile: (typeof PROFILES)[number]) =>
    only(readSnapshot(profile), 'Microsoft.Insights/actionGroups').properties?.['emailReceivers'];
  expect(receivers('private')).toEqual([]);
  expect(receivers('prod')).toMatchObject([{ emailAddress: 'operators@example.com' }]);
});

test('another profile on a living environment makes other resources: nothing living is asked to change what it cannot', () => {
  const source = readFileSync(path.join(root, 'infra/main.bicep'), 'utf8');
  expect(source).toContain('uniqueString(subscription().id, environmentName, location, profile)');
  expect(source).toContain('uniqueString(suffix, databaseMode, string(zoneRedundant))');
});

test('the stream app runs no trigger twice: every function without a route is switched off there', () => {
  const sites = ofType(readSnapshot('private'), 'Microsoft.Web/sites/config');
  const disabled = sites.map(({ properties = {} }) =>
    Object.keys(properties).flatMap((name) => /^AzureWebJobs\.(.+)\.Disabled$/.exec(name)?.[1] ?? []),
  );
  expect(disabled).toEqual([resources.functions.stream, resources.functions.background]);
  const background = readdirSync(path.join(root, 'functions')).flatMap((file) =>
    [
      ...readFileSync(path.join(root, 'functions', file), 'utf8').matchAll(
        /app\.(?:timer|eventHub|cosmosDB)\(\s*'([^']+)'/g,
      ),
    ].map(([, name]) => name),
  );
  expect(new Set(resources.functions.background)).toEqual(new Set(background));
});

describe('sources', () => {
  const files = readdirSync(path.join(root, 'infra'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.bicep'),
  );

  test('use no registry module, no key function and no literal that looks like a secret', () => {
    for (const file of files) {
      const text = readFileSync(path.join(root, 'infra', file), 'utf8');
      expect(text).not.toMatch(
        /'(?:br|ts)[:/]|list(?:Keys|AccountSas)\(|AccountKey=|SharedAccessKey|[A-Za-z0-9+/]{43}=/,
      );
    }
  });

  test("local.settings.sample.json has the settings of the code, and the platform's own", () => {
    const { IsEncrypted, Values } = readJson('local.settings.sample.json') as {
      IsEncrypted: boolean;
      Values: Record<string, string>;
    };
    expect(IsEncrypted).toBe(false);
    const product = Object.keys(settings.shape).filter((name) => !LOCAL_ONLY.includes(name));
    expect(Object.keys(Values).toSorted()).toEqual(
      [...product, 'AzureWebJobsStorage', 'CosmosConnection__accountEndpoint', 'FUNCTIONS_WORKER_RUNTIME'].toSorted(),
    );
  });

  test('main.parameters.json gives only parameters that exist, and docs/deploy.md explains each variable', () => {
    const main = readFileSync(path.join(root, 'infra/main.bicep'), 'utf8');
    const guide = readFileSync(path.join(root, 'docs/deploy.md'), 'utf8');
    const { parameters } = readJson('infra/main.parameters.json') as { parameters: Record<string, { value: string }> };
    for (const [name, { value }] of Object.entries(parameters)) {
      expect(main).toMatch(new RegExp(`^param ${name} `, 'm'));
      expect(guide).toContain(`\`${/\$\{([A-Z_]+)/.exec(value)?.[1]}\``);
    }
  });

  test('host.json: only known keys, the longest stream below the function timeout', () => {
    const host = readJson('host.json') as {
      functionTimeout: string;
      extensions: { http: { routePrefix: string }; eventHubs: Record<string, unknown> };
      extensionBundle: { version: string };
    };
    expect(Object.keys(host).toSorted()).toEqual([
      'extensionBundle',
      'extensions',
      'functionTimeout',
      'logging',
      'telemetryMode',
      'version',
    ]);
    const [hours = 0, minutes = 0, seconds = 0] = host.functionTimeout.split(':').map(Number);
    expect(hours * 3600 + minutes * 60 + seconds).toBeGreaterThan(1500);
    expect(host.extensions.http.routePrefix).toBe('');
    expect(host.extensions.eventHubs).toMatchObject({
      minEventBatchSize: 1,
      initialOffsetOptions: { type: 'fromStart' },
    });
  });
});
