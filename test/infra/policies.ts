/** What every deployment must be, as checks over its evaluated resources; each returns what is wrong in sentences. */
import resources from '../../infra/resources.json' with { type: 'json' };
import { settings } from '../../shared/config.ts';
import { ofType, type Resource } from './snapshot.ts';

type Json = Record<string, unknown>;

/** Settings that no deployment has: for where there is no managed identity, or no Entra ID to sign in by. */
export const LOCAL_ONLY = [
  'COSMOS_KEY',
  'EventHubConnection',
  'WEBPUBSUB_CONNECTION_STRING',
  'BOOTSTRAP_CLIENT_ID',
  'BOOTSTRAP_CLIENT_SECRET',
  'BOOTSTRAP_TENANT',
  'SETUP_CODE',
];
/** Settings whose value is secret. */
const SECRETS = ['SLUICE_MASTER_KEY', 'OPENID_PROVIDERS', 'SMTP_URL'];
/** Settings of the platform, read by the host and its extensions. */
const PLATFORM_SETTINGS = [
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'AzureWebJobsStorage__accountName',
  'AzureWebJobsStorage__clientId',
  'AzureWebJobsStorage__credential',
  'CosmosConnection__accountEndpoint',
  'CosmosConnection__clientId',
  'CosmosConnection__credential',
  'EventHubConnection__clientId',
  'EventHubConnection__credential',
  'EventHubConnection__fullyQualifiedNamespace',
  'OTEL_SERVICE_NAME',
];
/** What Flex Consumption refuses in siteConfig. */
const REJECTED_SITE_CONFIG =
  /^(linuxFxVersion|windowsFxVersion|netFrameworkVersion|phpVersion|pythonVersion|nodeVersion|javaVersion|javaContainer|javaContainerVersion|powerShellVersion|alwaysOn|ftpsState|use32BitWorkerProcess|preWarmedInstanceCount|functionsRuntimeScaleMonitoringEnabled|functionAppScaleLimit)$/;
/** What Flex Consumption ignores or refuses as an app setting. */
const FORBIDDEN_SETTINGS =
  /^(FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_NODE_DEFAULT_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT|WEBSITE_TIME_ZONE|TZ)$/;
/** The rows of the role table: what the app's identity has, by GUID, and on what. */
const ROLES: Record<string, [name: string, scope: string]> = {
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': ['Storage Blob Data Owner', 'Microsoft.Storage/storageAccounts'],
  'a638d3c7-ab3a-418d-83e6-5f17a39d4fde': ['Azure Event Hubs Data Receiver', 'Microsoft.EventHub/namespaces'],
  '2b629674-e913-4c01-ae53-ef4638d8f975': ['Azure Event Hubs Data Sender', 'Microsoft.EventHub/namespaces/eventhubs'],
  '12cf5a90-567b-43ae-8102-96cf46c7d9b4': ['Web PubSub Service Owner', 'Microsoft.SignalRService/webPubSub'],
  '4633458b-17de-408a-b874-0445c86b69e6': ['Key Vault Secrets User', 'Microsoft.KeyVault/vaults'],
  '3913510d-42f4-4e42-8a64-420c390055eb': ['Monitoring Metrics Publisher', 'Microsoft.Insights/components'],
};
/** What mails, where a deployment has it. */
const MAIL_SERVICE = 'Microsoft.Communication/communicationServices';
/** The one role more of a deployment that mails by Communication Services. */
const MAIL_ROLE = '09976791-48a7-449e-bb21-39d1a415f350';
/** Metrics that alerts may look at. */
const ALERT_METRICS = new Set([
  'Microsoft.DocumentDB/databaseAccounts NormalizedRUConsumption',
  'Microsoft.DocumentDB/databaseAccounts TotalRequests',
  'Microsoft.SignalRService/WebPubSub ConnectionQuotaUtilization',
  'Microsoft.EventHub/namespaces ThrottledRequests',
]);
/** What each service lets a resource be called. */
export const NAME_RULES: [type: string, rule: RegExp][] = [
  ['Microsoft.Storage/storageAccounts', /^[a-z0-9]{3,24}$/],
  ['Microsoft.KeyVault/vaults', /^[a-z](?:-?[a-z0-9]){2,23}$/],
  ['Microsoft.EventHub/namespaces', /^[a-z][a-z0-9-]{4,48}[a-z0-9]$/],
  ['Microsoft.DocumentDB/databaseAccounts', /^[a-z0-9][a-z0-9-]{1,42}[a-z0-9]$/],
  ['Microsoft.SignalRService/webPubSub', /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/],
  ['Microsoft.Web/sites', /^[a-z0-9][a-z0-9-]{0,58}[a-z0-9]$/],
];

/** What a resource of each type must have, whatever the profile. */
const REQUIRED: [type: string, properties: Json][] = [
  ['Microsoft.EventHub/namespaces', { disableLocalAuth: true, minimumTlsVersion: '1.2' }],
  [
    'Microsoft.DocumentDB/databaseAccounts',
    { disableLocalAuth: true, disableKeyBasedMetadataWriteAccess: true, minimalTlsVersion: 'Tls12' },
  ],
  ['Microsoft.SignalRService/webPubSub', { disableLocalAuth: true }],
  ['Microsoft.SignalRService/webPubSub/hubs', { anonymousConnectPolicy: 'deny' }],
  ['Microsoft.Insights/components', { DisableLocalAuth: true }],
  ['Microsoft.OperationalInsights/workspaces', { features: { disableLocalAuth: true } }],
  [
    'Microsoft.Storage/storageAccounts',
    {
      allowSharedKeyAccess: false,
      allowBlobPublicAccess: false,
      minimumTlsVersion: 'TLS1_2',
      supportsHttpsTrafficOnly: true,
    },
  ],
  ['Microsoft.KeyVault/vaults', { enableRbacAuthorization: true, enablePurgeProtection: true }],
  ['Microsoft.Web/sites/basicPublishingCredentialsPolicies', { allow: false }],
  ['Microsoft.Web/sites', { httpsOnly: true }],
  [MAIL_SERVICE, { disableLocalAuth: true }],
];

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Json | undefined)?.[name], value);
}

function noKeys(all: Resource[]): string[] {
  return REQUIRED.flatMap(([type, properties]) => {
    const found = ofType(all, type);
    if (found.length === 0 && type !== MAIL_SERVICE) return [`there is no ${type}`];
    return found.flatMap((resource) =>
      Object.entries(properties)
        .filter(([name, value]) => !same(resource.properties?.[name], value))
        .map(([name, value]) => `${type}: ${name} must be ${JSON.stringify(value)}`),
    );
  });
}

function flexConsumption(all: Resource[]): string[] {
  const faults: string[] = [];
  const must = (holds: boolean, what: string) => void (holds || faults.push(what));
  const storageSku = ofType(all, 'Microsoft.Storage/storageAccounts')[0]?.sku?.name;
  const plans = ofType(all, 'Microsoft.Web/serverfarms');
  const sites = ofType(all, 'Microsoft.Web/sites');
  must(plans.length === sites.length, 'one app per plan');
  for (const { sku, properties } of plans) {
    must(sku?.name === 'FC1', 'the plan must be FC1');
    must(properties?.['reserved'] === true, 'the plan must be reserved');
  }
  const zones = plans.some(({ properties }) => properties?.['zoneRedundant'] === true);
  must(!zones || storageSku === 'Standard_ZRS', 'zone redundancy needs ZRS storage');
  for (const { kind, properties } of sites) {
    must(kind === 'functionapp,linux', 'the site must be functionapp,linux');
    for (const name of Object.keys((at(properties, 'siteConfig') as Json) ?? {}))
      must(!REJECTED_SITE_CONFIG.test(name), `Flex Consumption refuses siteConfig.${name}`);
    const config = at(properties, 'functionAppConfig');
    must(at(config, 'deployment', 'storage', 'type') === 'blobContainer', 'the package must be in a blobContainer');
    must(
      at(config, 'deployment', 'storage', 'authentication', 'type') === 'UserAssignedIdentity',
      'the package must be read by UserAssignedIdentity',
    );
    must(at(config, 'runtime', 'name') === 'node', 'the runtime must be node');
    must(['22', '24'].includes(String(at(config, 'runtime', 'version'))), 'Node must be 22 or 24');
    must(
      ['RollingUpdate', 'Recreate'].includes(String(at(config, 'siteUpdateStrategy', 'type'))),
      'siteUpdateStrategy must be RollingUpdate or Recreate',
    );
    const scale = at(config, 'scaleAndConcurrency');
    must([512, 2048, 4096].includes(Number(at(scale, 'instanceMemoryMB'))), 'memory must be 512, 2048 or 4096');
    const most = Number(at(scale, 'maximumInstanceCount'));
    must(most >= 40 && most <= 1000, 'maximumInstanceCount must be from 40 to 1000');
    const ready = (at(scale, 'alwaysReady') as { name: string; instanceCount: number }[] | undefined) ?? [];
    must(
      ready.every(({ name }) => /^(http|blob|durable|function:.+)$/.test(name)),
      'alwaysReady names a scale group',
    );
    must(!zones || ready.some(({ instanceCount }) => instanceCount >= 2), 'zone redundancy needs 2 ready instances');
  }
  return faults;
}

function isReference(value: unknown): boolean {
  return String(value).includes('@Microsoft.KeyVault(SecretUri=');
}

function settingsContract(all: Resource[]): string[] {
  const product = Object.keys(settings.shape).filter((name) => !LOCAL_ONLY.includes(name));
  const expected = new Set([...product, ...PLATFORM_SETTINGS]);
  const concurrency = ofType(all, 'Microsoft.Web/sites').map(({ properties }) =>
    String(at(properties, 'functionAppConfig', 'scaleAndConcurrency', 'triggers', 'http', 'perInstanceConcurrency')),
  );
  return ofType(all, 'Microsoft.Web/sites/config').flatMap(({ properties = {} }, index) => {
    const names = Object.keys(properties).filter((name) => !/^AzureWebJobs\..+\.Disabled$/.test(name));
    const values = Object.entries(properties);
    return [
      ...names.filter((name) => !expected.has(name)).map((name) => `the code does not read ${name}`),
      ...[...expected].filter((name) => !names.includes(name)).map((name) => `the setting ${name} is missing`),
      ...names.filter((name) => FORBIDDEN_SETTINGS.test(name)).map((name) => `Flex Consumption forbids ${name}`),
      ...values
        .filter(([, value]) => /AccountKey=|SharedAccessKey|AccessKey=/.test(String(value)))
        .map(([name]) => `${name} holds a key`),
      ...values
        .filter(([name, value]) => name.endsWith('__credential') && value !== 'managedidentity')
        .map(([name]) => `${name} must be managedidentity`),
      ...SECRETS.filter((name) => properties[name] !== '' && !isReference(properties[name])).map(
        (name) => `${name} must be a Key Vault reference`,
      ),
      ...(isReference(properties['SLUICE_MASTER_KEY']) ? [] : ['SLUICE_MASTER_KEY is missing']),
      ...(properties['STREAMS_PER_INSTANCE'] === concurrency[index]
        ? []
        : ['STREAMS_PER_INSTANCE must be the HTTP concurrency: a stream always has a slot']),
    ];
  });
}

function roles(all: Resource[]): string[] {
  const assignments = ofType(all, 'Microsoft.Authorization/roleAssignments');
  const given = assignments.map(({ properties }) => String(properties?.['roleDefinitionId']).split('/').at(-1) ?? '');
  const mails = ofType(all, MAIL_SERVICE).length;
  const faults = given
    .filter((id) => !(id in ROLES) && id !== MAIL_ROLE)
    .map((id) => `the role ${id} is not in the table`);
  for (const [id, [name]] of Object.entries(ROLES)) {
    const times = given.filter((each) => each === id).length;
    if (times !== 1) faults.push(`${name} is given ${times} times`);
  }
  if (given.filter((id) => id === MAIL_ROLE).length !== mails)
    faults.push('who mails has the role for it, nobody else');
  for (const [index, { id, name, properties }] of assignments.entries()) {
    if (properties?.['principalType'] !== 'ServicePrincipal') faults.push('an assignment lacks principalType');
    if (!name.startsWith('[guid(')) faults.push('an assignment has no deterministic name');
    const scope = ROLES[given[index] ?? '']?.[1];
    // What stands before the type of the assignment is what it is on; the rest names it.
    const [on = ''] = id.split('Microsoft.Authorization/roleAssignments');
    if (scope !== undefined && !on.includes(scope))
      faults.push(`${ROLES[given[index] ?? '']?.[0]} is not on a ${scope}`);
  }
  const data = ofType(all, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments');
  if (data.length !== 1) faults.push('the data plane needs one role');
  if (!String(data[0]?.properties?.['roleDefinitionId']).includes('00000000-0000-0000-0000-000000000002'))
    faults.push('the role of the data plane must be Data Contributor');
  return faults;
}

function contents(all: Resource[]): string[] {
  const faults: string[] = [];
  const containers = ofType(all, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers').map(
    ({ properties }) => {
      const resource = at(properties, 'resource');
      const policy = at(resource, 'indexingPolicy');
      if (!same(at(policy, 'excludedPaths'), [{ path: '/*' }])) faults.push('a container indexes everything');
      const key = at(resource, 'partitionKey');
      if (at(key, 'kind') !== 'Hash' || at(key, 'version') !== 2)
        faults.push('a partition key must be Hash, version 2');
      return {
        name: at(resource, 'id'),
        partitionKey: (at(key, 'paths') as string[])[0],
        defaultTtl: at(resource, 'defaultTtl'),
        indexed: (at(policy, 'includedPaths') as { path: string }[]).map(({ path }) => path),
      };
    },
  );
  if (!same(containers, resources.cosmos.containers)) faults.push('the containers are not those of resources.json');
  const last = (type: string) => ofType(all, type).map(({ name }) => name.split('/').at(-1));
  const { hubs } = resources.eventHubs;
  if (
    !same(
      last('Microsoft.EventHub/namespaces/eventhubs'),
      hubs.map(({ name }) => name),
    )
  )
    faults.push('the hubs are not those of resources.json');
  if (
    !same(
      last('Microsoft.EventHub/namespaces/eventhubs/consumergroups'),
      hubs.flatMap(({ consumerGroups }) => consumerGroups),
    )
  )
    faults.push('the consumer groups are not those of resources.json');
  if (!same(last('Microsoft.SignalRService/webPubSub/hubs'), [resources.webPubSub.hub]))
    faults.push('the Web PubSub hub is not that of resources.json');
  for (const [index, { properties }] of ofType(all, 'Microsoft.EventHub/namespaces/eventhubs').entries()) {
    const expected = { cleanupPolicy: 'Delete', retentionTimeInHours: hubs[index]?.retentionHours };
    const partitions = Number(properties?.['partitionCount']);
    if (!(partitions >= 1 && partitions <= 32)) faults.push('a hub has 1 to 32 partitions');
    if (!same(properties?.['retentionDescription'], expected))
      faults.push('the retention is not that of resources.json');
  }
  for (const { properties } of ofType(all, 'Microsoft.EventHub/namespaces')) {
    if ((properties?.['isAutoInflateEnabled'] === true) !== Number(properties?.['maximumThroughputUnits']) > 0)
      faults.push('maximumThroughputUnits is 0 exactly when auto-inflate is off');
  }
  return faults;
}

function tagsAndNames(all: Resource[]): string[] {
  const environment = ofType(all, 'Microsoft.Resources/resourceGroups')[0]?.tags?.['azd-env-name'];
  const services = all.flatMap(({ type, tags }) =>
    tags?.['azd-service-name'] ? [[type, tags['azd-service-name']]] : [],
  );
  const sites = ofType(all, 'Microsoft.Web/sites').length;
  return [
    ...all
      .filter(
        ({ location, tags }) => location !== undefined && (!environment || tags?.['azd-env-name'] !== environment),
      )
      .map(({ type }) => `${type} does not name the environment`),
    ...(same(
      services,
      [
        ['Microsoft.Web/sites', 'api'],
        ['Microsoft.Web/sites', 'stream'],
      ].slice(0, sites),
    )
      ? []
      : ['every site is one service of azd']),
    ...NAME_RULES.flatMap(([type, rule]) =>
      ofType(all, type).flatMap(({ name }) => (rule.test(name) ? [] : [`${name} is no name for ${type}`])),
    ),
  ];
}

function privateMode(all: Resource[]): string[] {
  const endpoints = ofType(all, 'Microsoft.Network/privateEndpoints');
  if (endpoints.length === 0) return [];
  const groups = endpoints.map(({ properties }) => {
    const connections = properties?.['privateLinkServiceConnections'] as
      | { properties: { groupIds: string[] } }[]
      | undefined;
    return connections?.[0]?.properties.groupIds[0] ?? '';
  });
  const closed = [
    'Storage/storageAccounts',
    'DocumentDB/databaseAccounts',
    'SignalRService/webPubSub',
    'KeyVault/vaults',
  ];
  return [
    ...(['Sql', 'blob', 'namespace', 'vault', 'webpubsub'].every((group) => groups.includes(group))
      ? []
      : ['an endpoint is missing']),
    ...closed.flatMap((type) =>
      ofType(all, `Microsoft.${type}`)
        .filter(({ properties }) => !/^disabled$/i.test(String(properties?.['publicNetworkAccess'])))
        .map(() => `${type} is open to the internet`),
    ),
    ...ofType(all, 'Microsoft.Web/sites')
      .filter(({ properties }) => properties?.['virtualNetworkSubnetId'] === undefined)
      .map(() => 'a site is not in the network'),
    ...ofType(all, 'Microsoft.SignalRService/webPubSub')
      .filter(({ sku }) => sku?.name === 'Free_F1')
      .map(() => 'the free Web PubSub has no private endpoint'),
  ];
}

function alertRules(all: Resource[]): string[] {
  const types = new Set(all.map(({ type }) => type.toLowerCase()));
  return [
    ...ofType(all, 'Microsoft.Insights/metricAlerts').flatMap(({ name, properties }) => {
      const [criterion] = at(properties, 'criteria', 'allOf') as { metricNamespace: string; metricName: string }[];
      const { metricNamespace = '', metricName = '' } = criterion ?? {};
      return [
        ...(ALERT_METRICS.has(`${metricNamespace} ${metricName}`) ? [] : [`${name} looks at an unknown metric`]),
        ...(types.has(metricNamespace.toLowerCase()) ? [] : [`${name} looks at what is not deployed`]),
      ];
    }),
    ...ofType(all, 'Microsoft.Insights/scheduledQueryRules').flatMap(({ name, properties }) => {
      const severity = Number(properties?.['severity']);
      return severity >= 0 && severity <= 4 ? [] : [`${name} has no severity`];
    }),
  ];
}

/** Every policy by name. */
export const POLICIES: Record<string, (all: Resource[]) => string[]> = {
  'nothing accepts a key where an identity will do': noKeys,
  'the apps are what Flex Consumption takes': flexConsumption,
  'the app settings are what the code reads, and what the platform needs': settingsContract,
  'the identity has exactly the roles of the table': roles,
  'containers, hubs and groups are those of resources.json': contents,
  'tags and names are legal': tagsAndNames,
  'private mode is closed, but for the API': privateMode,
  'alert rules look at what is there': alertRules,
};

/** What is wrong with a deployment; empty when nothing is. */
export function violations(all: Resource[]): string[] {
  return Object.values(POLICIES).flatMap((policy) => policy(all));
}
