// Everything that the road of a reading needs, with identity-only access between the parts.
targetScope = 'subscription'

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

@minValue(1)
@maxValue(32)
@description('Partitions of the telemetry hub. They cannot be changed later.')
param partitionCount int = profile == 'prod' ? 32 : 4

@minValue(1000)
@description('Most RU/s of the database, where it is not serverless.')
param cosmosMaxThroughput int = 4000

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
var prefix = take(toLower(replace(environmentName, '_', '-')), 20)
var deployer = principalType == 'Group' ? '' : principalId
var tags = { 'azd-env-name': environmentName }
var appName = 'func-${take(prefix, 16)}-${suffix}'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: 'id-${prefix}-${suffix}', location: location, tags: tags }
}

module monitor 'modules/monitor.bicep' = {
  scope: group
  params: {
    workspaceName: 'log-${prefix}-${suffix}'
    insightsName: 'appi-${prefix}-${suffix}'
    location: location
    tags: tags
    retentionDays: profile == 'prod' ? 90 : 30
    dailyQuotaGb: profile == 'prod' ? 10 : 1
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: { name: 'st${suffix}', location: location, tags: tags, packageContainer: 'app-package' }
}

module eventHubs 'modules/eventhubs.bicep' = {
  scope: group
  params: {
    name: 'evhns-${prefix}-${suffix}'
    location: location
    tags: tags
    hubs: resources.eventHubs.hubs
    partitionCount: partitionCount
    maximumThroughputUnits: profile == 'prod' ? 10 : 0
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  params: {
    name: 'cosmos-${take(prefix, 16)}-${suffix}'
    location: location
    tags: tags
    database: resources.cosmos.database
    containers: resources.cosmos.containers
    serverless: profile == 'dev'
    maxThroughput: cosmosMaxThroughput
  }
}

module webPubSub 'modules/webpubsub.bicep' = {
  scope: group
  params: {
    name: 'wps-${prefix}-${suffix}'
    location: location
    tags: tags
    hub: resources.webPubSub.hub
    skuName: profile == 'prod' ? 'Standard_S1' : 'Free_F1'
  }
}

module keyVault 'modules/keyvault.bicep' = {
  scope: group
  params: {
    name: 'kv-${take(suffix, 13)}'
    location: location
    tags: tags
    masterKey: masterKey
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

module app 'modules/functionapp.bicep' = {
  scope: group
  // The package container is read with the identity's role: it must be there before the site.
  dependsOn: [roles]
  params: {
    name: appName
    planName: 'plan-${prefix}-${suffix}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    nodeVersion: nodeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    httpAlwaysReady: httpAlwaysReady
    storageName: storage.outputs.name
    packageContainer: 'app-package'
    insightsConnectionString: monitor.outputs.connectionString
    settings: {
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
