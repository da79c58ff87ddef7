/** Policies over the evaluated deployment of every profile, and the contracts between infra/, code and settings. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import resources from '../../infra/resources.json' with { type: 'json' };
import { settings } from '../../shared/config.ts';
import { ofType, only, PROFILES, readSnapshot, type Resource } from './snapshot.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), 'utf8'));

/** Settings of the product that no deployment has: they are for where there is no managed identity. */
const LOCAL_ONLY = [
  'COSMOS_KEY',
  'WEBPUBSUB_CONNECTION_STRING',
  'BOOTSTRAP_CLIENT_ID',
  'BOOTSTRAP_CLIENT_SECRET',
  'BOOTSTRAP_TENANT',
  'SETUP_CODE',
];
/** Settings of the platform, read by the host and its extensions. */
const PLATFORM = [
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'AzureWebJobsStorage__accountName',
  'AzureWebJobsStorage__clientId',
  'AzureWebJobsStorage__credential',
  'EventHubConnection__clientId',
  'EventHubConnection__credential',
  'EventHubConnection__fullyQualifiedNamespace',
  'OTEL_SERVICE_NAME',
];
/** What Flex Consumption refuses in siteConfig. */
const REJECTED_SITE_CONFIG = [
  'linuxFxVersion',
  'windowsFxVersion',
  'netFrameworkVersion',
  'phpVersion',
  'pythonVersion',
  'nodeVersion',
  'javaVersion',
  'javaContainer',
  'javaContainerVersion',
  'powerShellVersion',
  'alwaysOn',
  'ftpsState',
  'use32BitWorkerProcess',
  'preWarmedInstanceCount',
  'functionsRuntimeScaleMonitoringEnabled',
  'functionAppScaleLimit',
];
/** What Flex Consumption ignores or refuses as an app setting. */
const FORBIDDEN_SETTINGS =
  /^(FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_NODE_DEFAULT_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT|WEBSITE_TIME_ZONE|TZ)$/;
/** Every role that may appear, by its GUID. */
const ROLES: Record<string, string> = {
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': 'Storage Blob Data Owner',
  'a638d3c7-ab3a-418d-83e6-5f17a39d4fde': 'Azure Event Hubs Data Receiver',
  '12cf5a90-567b-43ae-8102-96cf46c7d9b4': 'Web PubSub Service Owner',
  '4633458b-17de-408a-b874-0445c86b69e6': 'Key Vault Secrets User',
  '3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
};

function appSettings(snapshot: Resource[]): Record<string, string> {
  return only(snapshot, 'Microsoft.Web/sites/config').properties as Record<string, string>;
}

describe.each(PROFILES)('%s', (profile) => {
  const snapshot = readSnapshot(profile);

  test('nothing accepts a key where an identity will do', () => {
    expect(only(snapshot, 'Microsoft.EventHub/namespaces').properties).toMatchObject({
      disableLocalAuth: true,
      minimumTlsVersion: '1.2',
    });
    expect(only(snapshot, 'Microsoft.DocumentDB/databaseAccounts').properties).toMatchObject({
      disableLocalAuth: true,
      disableKeyBasedMetadataWriteAccess: true,
      minimalTlsVersion: 'Tls12',
    });
    expect(only(snapshot, 'Microsoft.SignalRService/webPubSub').properties).toMatchObject({ disableLocalAuth: true });
    expect(only(snapshot, 'Microsoft.SignalRService/webPubSub/hubs').properties).toMatchObject({
      anonymousConnectPolicy: 'deny',
    });
    expect(only(snapshot, 'Microsoft.Insights/components').properties).toMatchObject({ DisableLocalAuth: true });
    expect(only(snapshot, 'Microsoft.OperationalInsights/workspaces').properties).toMatchObject({
      features: { disableLocalAuth: true },
    });
    expect(only(snapshot, 'Microsoft.Storage/storageAccounts').properties).toMatchObject({
      allowSharedKeyAccess: false,
      allowBlobPublicAccess: false,
      minimumTlsVersion: 'TLS1_2',
    });
    expect(only(snapshot, 'Microsoft.KeyVault/vaults').properties).toMatchObject({
      enableRbacAuthorization: true,
      enablePurgeProtection: true,
    });
    for (const policy of ofType(snapshot, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies')) {
      expect(policy.properties).toEqual({ allow: false });
    }
  });

  test('the app is what Flex Consumption takes', () => {
    const plan = only(snapshot, 'Microsoft.Web/serverfarms');
    expect([plan.sku, plan.properties]).toEqual([{ name: 'FC1', tier: 'FlexConsumption' }, { reserved: true }]);
    const site = only(snapshot, 'Microsoft.Web/sites');
    expect(site.kind).toBe('functionapp,linux');
    const properties = site.properties as {
      httpsOnly: boolean;
      siteConfig: Record<string, unknown>;
      functionAppConfig: {
        deployment: { storage: { type: string; authentication: { type: string } } };
        runtime: { name: string; version: string };
        scaleAndConcurrency: {
          instanceMemoryMB: number;
          maximumInstanceCount: number;
          triggers: { http: { perInstanceConcurrency: number } };
        };
      };
    };
    expect(properties.httpsOnly).toBe(true);
    expect(Object.keys(properties.siteConfig).filter((name) => REJECTED_SITE_CONFIG.includes(name))).toEqual([]);
    const { deployment, runtime, scaleAndConcurrency } = properties.functionAppConfig;
    expect([deployment.storage.type, deployment.storage.authentication.type]).toEqual([
      'blobContainer',
      'UserAssignedIdentity',
    ]);
    expect(runtime).toEqual({ name: 'node', version: '24' });
    expect([512, 2048, 4096]).toContain(scaleAndConcurrency.instanceMemoryMB);
    expect(scaleAndConcurrency.maximumInstanceCount).toBeGreaterThanOrEqual(40);
    expect(scaleAndConcurrency.maximumInstanceCount).toBeLessThanOrEqual(1000);
    expect(Object.keys(appSettings(snapshot)).filter((name) => FORBIDDEN_SETTINGS.test(name))).toEqual([]);
  });

  test('a stream always has a slot: the cap of an instance is its HTTP concurrency', () => {
    const { functionAppConfig } = only(snapshot, 'Microsoft.Web/sites').properties as {
      functionAppConfig: { scaleAndConcurrency: { triggers: { http: { perInstanceConcurrency: number } } } };
    };
    expect(appSettings(snapshot)['STREAMS_PER_INSTANCE']).toBe(
      String(functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency),
    );
  });

  test('the app settings are what the code reads, and what the platform needs', () => {
    const product = Object.keys(settings.shape).filter((name) => !LOCAL_ONLY.includes(name));
    expect(Object.keys(appSettings(snapshot)).toSorted()).toEqual([...product, ...PLATFORM].toSorted());
    expect(appSettings(snapshot)['SLUICE_MASTER_KEY']).toContain('@Microsoft.KeyVault(');
  });

  test('the identity has exactly these roles, with deterministic names', () => {
    const assignments = ofType(snapshot, 'Microsoft.Authorization/roleAssignments');
    const given = assignments.map(
      ({ properties }) => ROLES[String(properties?.['roleDefinitionId']).split('/').at(-1) ?? ''],
    );
    expect(new Set(given)).toEqual(new Set(Object.values(ROLES)));
    expect(given).toHaveLength(Object.keys(ROLES).length);
    for (const { name, properties } of assignments) {
      expect(properties?.['principalType']).toBe('ServicePrincipal');
      expect(name).toMatch(/^\[guid\(/);
    }
    const data = only(snapshot, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments');
    expect(String(data.properties?.['roleDefinitionId'])).toContain('00000000-0000-0000-0000-000000000002');
  });

  test('containers, hubs and groups are those of resources.json', () => {
    const containers = ofType(snapshot, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers').map(
      ({ properties }) => {
        const { resource } = properties as {
          resource: {
            id: string;
            partitionKey: { paths: string[]; kind: string; version: number };
            defaultTtl: number;
            indexingPolicy: { includedPaths: { path: string }[]; excludedPaths: { path: string }[] };
          };
        };
        expect(resource.indexingPolicy.excludedPaths).toEqual([{ path: '/*' }]);
        expect(resource.partitionKey).toMatchObject({ kind: 'Hash', version: 2 });
        return {
          name: resource.id,
          partitionKey: resource.partitionKey.paths[0],
          defaultTtl: resource.defaultTtl,
          indexed: resource.indexingPolicy.includedPaths.map(({ path: included }) => included),
        };
      },
    );
    expect(containers).toEqual(resources.cosmos.containers);
    for (const { properties } of ofType(snapshot, 'Microsoft.EventHub/namespaces/eventhubs')) {
      expect(properties?.['retentionDescription']).toEqual({ cleanupPolicy: 'Delete', retentionTimeInHours: 24 });
    }
    const last = (type: string) => ofType(snapshot, type).map(({ name }) => name.split('/').at(-1));
    expect(last('Microsoft.EventHub/namespaces/eventhubs')).toEqual(resources.eventHubs.hubs.map(({ name }) => name));
    expect(last('Microsoft.EventHub/namespaces/eventhubs/consumergroups')).toEqual(
      resources.eventHubs.hubs.flatMap(({ consumerGroups }) => consumerGroups),
    );
    expect(last('Microsoft.SignalRService/webPubSub/hubs')).toEqual([resources.webPubSub.hub]);
  });

  test('everything that can carry tags names the environment, and one site is the service of azd', () => {
    const untagged = snapshot.filter(
      ({ location, tags }) => location !== undefined && tags?.['azd-env-name'] !== `sluice-${profile}`,
    );
    expect(untagged.map(({ type }) => type)).toEqual([]);
    expect(snapshot.filter(({ tags }) => tags?.['azd-service-name'] === 'api').map(({ type }) => type)).toEqual([
      'Microsoft.Web/sites',
    ]);
  });

  test('names are legal', () => {
    const rules: [string, RegExp][] = [
      ['Microsoft.Storage/storageAccounts', /^[a-z0-9]{3,24}$/],
      ['Microsoft.KeyVault/vaults', /^[a-z][a-z0-9-]{1,22}[a-z0-9]$/],
      ['Microsoft.EventHub/namespaces', /^[a-z][a-z0-9-]{4,48}[a-z0-9]$/],
      ['Microsoft.DocumentDB/databaseAccounts', /^[a-z0-9][a-z0-9-]{1,42}[a-z0-9]$/],
      ['Microsoft.SignalRService/webPubSub', /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/],
      ['Microsoft.Web/sites', /^[a-z0-9][a-z0-9-]{0,58}[a-z0-9]$/],
    ];
    for (const [type, rule] of rules) expect(only(snapshot, type).name).toMatch(rule);
  });
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
      [
        ...product,
        'AzureWebJobsStorage',
        'EventHubConnection__fullyQualifiedNamespace',
        'FUNCTIONS_WORKER_RUNTIME',
      ].toSorted(),
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
