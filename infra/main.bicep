// Everything that the road of a reading needs, with identity-only access between the parts.
targetScope = 'subscription'

import { compact, named } from 'names.bicep'

@minLength(1)
@maxLength(40)
@description('Name of the environment; part of every resource name.')
param environmentName string

@description('Region of all resources. It must offer Flex Consumption.')
param location string

@allowed(['dev', 'prod'])
@description('dev: smallest sizes. prod: more partitions, autoscale, always-ready instances.')
param profile string = 'dev'

@allowed(['22', '24'])
@description('Node version of the function app.')
param nodeVersion string = '24'

@allowed([512, 2048, 4096])
@description('Memory of one instance, in MB.')
param instanceMemoryMB int = profile == 'prod' ? 2048 : 512

@minValue(40)
@maxValue(1000)
@description('Most instances of one scale group.')
param maximumInstanceCount int = 100

@minValue(1)
@maxValue(1000)
@description('HTTP requests of one instance; every open stream holds one.')
param httpConcurrency int = 500

@minValue(0)
@maxValue(20)
@description('HTTP instances that are always ready.')
param httpAlwaysReady int = profile == 'prod' ? 1 : 0

@description('Replace instances one after another at a deployment, so that open streams are not all cut at once. It holds from the second deployment on and needs two instances.')
param rollingUpdate bool = profile == 'prod'

@description('Run the streams in an app of their own, so that they cannot starve token requests.')
param splitStreamApp bool = false

@description('Reach all services by private endpoints. The API stays public.')
param vnetEnabled bool = false

@description('With private endpoints: let devices send to Event Hubs from the internet all the same.')
param devicesFromInternet bool = true

@description('Spread the app, its storage and the database over zones. Decided when the environment is made.')
param zoneRedundant bool = false

@minValue(1)
@maxValue(32)
@description('Partitions of the telemetry hub. They cannot be changed later.')
param partitionCount int = profile == 'prod' ? 32 : 4

@minValue(0)
@maxValue(40)
@description('Most throughput units of Event Hubs; 0: one unit, no growth.')
param maximumThroughputUnits int = profile == 'prod' ? 10 : 0

@allowed(['serverless', 'autoscale', 'free'])
@description('How the database is paid. Another mode is another database.')
param cosmosMode string = profile == 'prod' ? 'autoscale' : 'serverless'

@minValue(1000)
@description('Most RU/s of the database, where it scales by itself.')
param cosmosMaxThroughput int = 4000

@minValue(-1)
@description('RU/s that the account may be given at all; -1: no limit.')
param cosmosThroughputCap int = cosmosMode == 'autoscale' ? cosmosMaxThroughput : -1

@allowed(['Free_F1', 'Standard_S1', 'Premium_P1'])
@description('Size of Web PubSub. Private endpoints need more than the free one, zones need Premium.')
param webPubSubSku string = zoneRedundant ? 'Premium_P1' : profile == 'prod' || vnetEnabled ? 'Standard_S1' : 'Free_F1'

@minValue(1)
@maxValue(100)
@description('Units of Web PubSub: 1,000 connections and a million messages a day each.')
param webPubSubUnits int = 1

@description('Make the alert rules.')
param alertsEnabled bool = profile == 'prod'

@description('Who is mailed by alerts and the budget. Empty: nobody, and owners for the budget.')
param alertEmail string = ''

@secure()
@description('What alerts call. Empty: nothing.')
param alertWebhook string = ''

@description('Also alert when no telemetry arrives for a quarter of an hour.')
param alertSilence bool = false

@minValue(0)
@description('Monthly budget in the currency of the subscription; 0: none.')
param monthlyBudget int = 0

@description('First day of the month in which the budget starts.')
param budgetStart string = utcNow('yyyy-MM-01')

@description('Public base URL of the API and issuer of its tokens. Empty: the name that Azure gives.')
param tokenIssuer string = ''

@secure()
@description('32 or more random bytes in base64. Empty once the key vault has it.')
param masterKey string = ''

@description('Object id of who deploys, for the rights to look at data while developing. Empty: nobody.')
param principalId string = ''

@allowed(['User', 'ServicePrincipal', 'Group'])
@description('What kind of principal that is.')
param principalType string = 'User'

@description('Application id of the API in Entra ID: the audience of the tokens of people who manage. Empty: nobody signs in by Entra ID.')
param entraAudience string = ''

@description('Object id in Entra ID of the first administrator. Empty: who deploys, where that is a user or a service principal.')
param administratorObjectId string = ''

@secure()
@description('Further OpenID providers to sign in through, as JSON; see docs/users.md. Empty: none.')
param openIdProviders string = ''

var resources = loadJsonContent('resources.json')
var suffix = uniqueString(subscription().id, environmentName, location, profile)
var deployer = principalType == 'Group' ? '' : principalId
// What cannot be changed on a living account is part of its name.
var cosmosSuffix = uniqueString(suffix, cosmosMode, string(zoneRedundant))
var tags = { 'azd-env-name': environmentName }
var apiPackages = 'app-package'
var streamPackages = 'stream-package'
// Zone redundancy takes two instances that are always ready.
var alwaysReady = zoneRedundant ? max(httpAlwaysReady, 2) : httpAlwaysReady

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: named('id', environmentName, suffix), location: location, tags: tags }
}

module monitor 'modules/monitor.bicep' = {
  scope: group
  params: {
    workspaceName: named('log', environmentName, suffix)
    insightsName: named('appi', environmentName, suffix)
    location: location
    tags: tags
    retentionDays: profile == 'prod' ? 90 : 30
    dailyQuotaGb: profile == 'prod' ? 10 : 1
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: compact('st', suffix)
    location: location
    tags: tags
    packageContainers: splitStreamApp ? [apiPackages, streamPackages] : [apiPackages]
    zoneRedundant: zoneRedundant
    publicAccess: !vnetEnabled
  }
}

module eventHubs 'modules/eventhubs.bicep' = {
  scope: group
  params: {
    name: named('evhns', environmentName, suffix)
    location: location
    tags: tags
    hubs: resources.eventHubs.hubs
    partitionCount: partitionCount
    maximumThroughputUnits: maximumThroughputUnits
    publicAccess: !vnetEnabled || devicesFromInternet
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  params: {
    name: named('cosmos', environmentName, cosmosSuffix)
    location: location
    tags: tags
    database: resources.cosmos.database
    containers: resources.cosmos.containers
    mode: cosmosMode
    maxThroughput: cosmosMaxThroughput
    throughputCap: cosmosThroughputCap
    zoneRedundant: zoneRedundant
    publicAccess: !vnetEnabled
  }
}

module webPubSub 'modules/webpubsub.bicep' = {
  scope: group
  params: {
    name: named('wps', environmentName, suffix)
    location: location
    tags: tags
    hub: resources.webPubSub.hub
    skuName: webPubSubSku
    units: webPubSubUnits
    publicAccess: !vnetEnabled
  }
}

module keyVault 'modules/keyvault.bicep' = {
  scope: group
  params: {
    name: compact('kv', suffix)
    location: location
    tags: tags
    masterKey: masterKey
    publicAccess: !vnetEnabled
  }
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    name: named('vnet', environmentName, suffix)
    location: location
    tags: tags
    targets: [
      {
        name: 'blob'
        resourceId: storage.outputs.id
        group: 'blob'
        zone: 'privatelink.blob.${environment().suffixes.storage}'
      }
      {
        name: 'hubs'
        resourceId: eventHubs.outputs.id
        group: 'namespace'
        zone: 'privatelink.servicebus.windows.net'
      }
      { name: 'sql', resourceId: cosmos.outputs.id, group: 'Sql', zone: 'privatelink.documents.azure.com' }
      { name: 'live', resourceId: webPubSub.outputs.id, group: 'webpubsub', zone: 'privatelink.webpubsub.azure.com' }
      { name: 'vault', resourceId: keyVault.outputs.id, group: 'vault', zone: 'privatelink.vaultcore.azure.net' }
    ]
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  params: {
    principalId: identity.outputs.principalId
    principalType: 'ServicePrincipal'
    storageName: storage.outputs.name
    eventHubsName: eventHubs.outputs.name
    cosmosName: cosmos.outputs.name
    webPubSubName: webPubSub.outputs.name
    keyVaultName: keyVault.outputs.name
    insightsName: monitor.outputs.insightsName
  }
}

module developerRoles 'modules/roles.bicep' = if (profile == 'dev' && !empty(principalId)) {
  scope: group
  params: {
    principalId: principalId
    principalType: principalType
    storageName: storage.outputs.name
    eventHubsName: eventHubs.outputs.name
    cosmosName: cosmos.outputs.name
    webPubSubName: webPubSub.outputs.name
    keyVaultName: keyVault.outputs.name
    insightsName: monitor.outputs.insightsName
    sender: true
  }
}

// Settings that every site has. TOKEN_ISSUER is each site's own below.
var settings = {
  EventHubConnection__fullyQualifiedNamespace: eventHubs.outputs.fullyQualifiedNamespace
  EventHubConnection__credential: 'managedidentity'
  EventHubConnection__clientId: identity.outputs.clientId
  TELEMETRY_HUB: resources.eventHubs.hubs[0].name
  CosmosConnection__accountEndpoint: cosmos.outputs.endpoint
  CosmosConnection__credential: 'managedidentity'
  CosmosConnection__clientId: identity.outputs.clientId
  COSMOS_ENDPOINT: cosmos.outputs.endpoint
  COSMOS_DATABASE: resources.cosmos.database
  WEBPUBSUB_ENDPOINT: webPubSub.outputs.endpoint
  WEBPUBSUB_HUB: resources.webPubSub.hub
  AZURE_CLIENT_ID: identity.outputs.clientId
  TOKEN_ISSUER: tokenIssuer
  TOKEN_ALG: 'ES256'
  SLUICE_MASTER_KEY: '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.masterKeyUri})'
  ENTRA_TENANT_ID: tenant().tenantId
  ENTRA_AUDIENCE: entraAudience
  ENTRA_ADMIN_OBJECT_ID: empty(administratorObjectId) ? deployer : administratorObjectId
  OPENID_PROVIDERS: openIdProviders
  JOURNAL_HOURS: '24'
  READINGS_DAYS: '30'
  STREAM_MAX_SECONDS: '900'
  STREAMS_PER_INSTANCE: string(httpConcurrency)
}

module app 'modules/functionapp.bicep' = {
  scope: group
  // The package container is read with the identity's role: it must be there before the site.
  dependsOn: [roles]
  params: {
    name: named('func', environmentName, suffix)
    planName: named('plan', environmentName, suffix)
    serviceName: 'api'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    nodeVersion: nodeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    httpAlwaysReady: alwaysReady
    storageName: storage.outputs.name
    packageContainer: apiPackages
    subnetId: network.?outputs.appSubnetId ?? ''
    zoneRedundant: zoneRedundant
    rollingUpdate: rollingUpdate
    disabledFunctions: splitStreamApp ? resources.functions.stream : []
    insightsConnectionString: monitor.outputs.connectionString
    settings: settings
  }
}

module streamApp 'modules/functionapp.bicep' = if (splitStreamApp) {
  scope: group
  dependsOn: [roles]
  params: {
    name: named('strm', environmentName, suffix)
    planName: named('splan', environmentName, suffix)
    serviceName: 'stream'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    nodeVersion: nodeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    httpAlwaysReady: alwaysReady
    storageName: storage.outputs.name
    packageContainer: streamPackages
    subnetId: network.?outputs.appSubnetId ?? ''
    zoneRedundant: zoneRedundant
    rollingUpdate: rollingUpdate
    // The same package: what is no request runs in the other app only.
    disabledFunctions: resources.functions.background
    insightsConnectionString: monitor.outputs.connectionString
    settings: union(settings, { TOKEN_ISSUER: app.outputs.issuer })
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitor.outputs.workspaceId
    displayName: 'Sluice ${environmentName}'
  }
}

module alerts 'modules/alerts.bicep' = if (alertsEnabled) {
  scope: group
  params: {
    prefix: 'sluice'
    location: location
    tags: tags
    workspaceId: monitor.outputs.workspaceId
    cosmosId: cosmos.outputs.id
    webPubSubId: webPubSub.outputs.id
    eventHubsId: eventHubs.outputs.id
    email: alertEmail
    webhook: alertWebhook
    silence: alertSilence
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  scope: group
  params: {
    name: 'sluice-monthly'
    amount: max(monthlyBudget, 1)
    startDate: budgetStart
    email: alertEmail
  }
}

@description('Name of the function app, for azd.')
output SERVICE_API_NAME string = app.outputs.name
@description('Base URL of the API.')
output SERVICE_API_URI string = app.outputs.uri
@description('Host name of the Event Hubs namespace.')
output EVENT_HUBS_NAMESPACE string = eventHubs.outputs.fullyQualifiedNamespace
@description('Endpoint of the database account.')
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint
@description('Endpoint of Web PubSub.')
output WEBPUBSUB_ENDPOINT string = webPubSub.outputs.endpoint
@description('Name of the key vault.')
output KEY_VAULT_NAME string = keyVault.outputs.name
@description('Base URL of the streams: the API itself, unless they have an app of their own.')
output STREAM_URI string = streamApp.?outputs.uri ?? app.outputs.uri
@description('Application Insights, for its portal page.')
output INSIGHTS_NAME string = monitor.outputs.insightsName
