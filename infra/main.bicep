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

@allowed(['', 'serverless', 'autoscale', 'free'])
@description('How the database is paid. Another mode is another database. Empty: serverless in dev, autoscale in prod.')
param cosmosMode string = ''

@minValue(1000)
@description('Most RU/s of the database, where it scales by itself.')
param cosmosMaxThroughput int = 4000

@minValue(-1)
@description('RU/s that the account may be given at all; -1: as much as it scales to, and no limit where it does not.')
param cosmosThroughputCap int = -1

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

@secure()
@description('Mail server for alert e-mails, such as smtps://user:password@mail.example.com; it is kept in the key vault. Empty: none.')
param smtpUrl string = ''

@description('Sender of alert e-mails by that server.')
param mailFrom string = ''

@description('Make an Azure Communication Services for alert e-mails: no mail server and no password.')
param emailEnabled bool = false

@description('Geography in which Communication Services keeps its data.')
param emailDataLocation string = 'Europe'

@description('Names of commands that actions may send to devices, comma-separated. Empty: none.')
param commandsAllowed string = ''

@description('host:port of webhooks that may be called although their address is private, comma-separated. Empty: none.')
param webhookTargetsAllowed string = ''

@allowed(['ES256', 'RS256', 'EdDSA'])
@description('Algorithm that tokens are signed with.')
param tokenAlgorithm string = 'ES256'

@minValue(1)
@maxValue(168)
@description('Hours within which a stream can resume.')
param journalHours int = 24

@minValue(1)
@maxValue(400)
@description('Days that readings are kept.')
param readingsDays int = 30

@minValue(5)
@maxValue(1500)
@description('Longest life of one stream, in seconds.')
param streamMaxSeconds int = 900

@description('Part of the traces that begin here which is kept, 0 to 1.')
param tracesSampled string = '0.05'

var resources = loadJsonContent('resources.json')
// The order of resources.json.
var telemetryHub = resources.eventHubs.hubs[0]
var commandHub = resources.eventHubs.hubs[1]
// Names in the key vault of what is secret.
var secretNames = { masterKey: 'sluice-master-key', openIdProviders: 'openid-providers', smtpUrl: 'smtp-url' }
var suffix = uniqueString(subscription().id, environmentName, location, profile)
var deployer = principalType == 'Group' ? '' : principalId
var databaseMode = cosmosMode == 'free'
  ? 'free'
  : cosmosMode == 'autoscale' || (empty(cosmosMode) && profile == 'prod') ? 'autoscale' : 'serverless'
// What cannot be changed on a living account is part of its name.
var cosmosSuffix = uniqueString(suffix, databaseMode, string(zoneRedundant))
var tags = { 'azd-env-name': environmentName }
var apiPackages = 'app-package'
var streamPackages = 'stream-package'

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
    hubs: [union(telemetryHub, { partitionCount: partitionCount }), commandHub]
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
    mode: databaseMode
    maxThroughput: cosmosMaxThroughput
    throughputCap: cosmosThroughputCap == -1 && databaseMode == 'autoscale' ? cosmosMaxThroughput : cosmosThroughputCap
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
    secrets: {
      '${secretNames.masterKey}': masterKey
      '${secretNames.openIdProviders}': openIdProviders
      '${secretNames.smtpUrl}': smtpUrl
    }
    names: map(items(secretNames), each => each.value)
    publicAccess: !vnetEnabled
  }
}

module communication 'modules/communication.bicep' = if (emailEnabled) {
  scope: group
  params: {
    name: named('acs', environmentName, suffix)
    tags: tags
    dataLocation: emailDataLocation
    principalId: identity.outputs.principalId
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
    senderHub: commandHub.name
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
    senderHub: telemetryHub.name
  }
}

// Settings that every site has. TOKEN_ISSUER is each site's own below.
var settings = {
  EventHubConnection__fullyQualifiedNamespace: eventHubs.outputs.fullyQualifiedNamespace
  EventHubConnection__credential: 'managedidentity'
  EventHubConnection__clientId: identity.outputs.clientId
  TELEMETRY_HUB: telemetryHub.name
  CosmosConnection__accountEndpoint: cosmos.outputs.endpoint
  CosmosConnection__credential: 'managedidentity'
  CosmosConnection__clientId: identity.outputs.clientId
  COSMOS_ENDPOINT: cosmos.outputs.endpoint
  COSMOS_DATABASE: resources.cosmos.database
  WEBPUBSUB_ENDPOINT: webPubSub.outputs.endpoint
  WEBPUBSUB_HUB: resources.webPubSub.hub
  AZURE_CLIENT_ID: identity.outputs.clientId
  TOKEN_ISSUER: tokenIssuer
  TOKEN_ALG: tokenAlgorithm
  SLUICE_MASTER_KEY: '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.uri}secrets/${secretNames.masterKey})'
  ENTRA_TENANT_ID: tenant().tenantId
  ENTRA_AUDIENCE: entraAudience
  ENTRA_ADMIN_OBJECT_ID: empty(administratorObjectId) ? deployer : administratorObjectId
  OPENID_PROVIDERS: empty(openIdProviders)
    ? ''
    : '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.uri}secrets/${secretNames.openIdProviders})'
  SMTP_URL: empty(smtpUrl) ? '' : '@Microsoft.KeyVault(SecretUri=${keyVault.outputs.uri}secrets/${secretNames.smtpUrl})'
  MAIL_FROM: mailFrom
  ACS_ENDPOINT: communication.?outputs.endpoint ?? ''
  ACS_SENDER: communication.?outputs.sender ?? ''
  COMMAND_HUB: commandHub.name
  COMMANDS_ALLOWED: commandsAllowed
  WEBHOOK_TARGETS_ALLOWED: webhookTargetsAllowed
  JOURNAL_HOURS: string(journalHours)
  READINGS_DAYS: string(readingsDays)
  STREAM_MAX_SECONDS: string(streamMaxSeconds)
  TRACES_SAMPLED: tracesSampled
  STREAMS_PER_INSTANCE: string(httpConcurrency)
}

// What both sites share; below is what differs.
var hosting = {
  location: location
  tags: tags
  identityId: identity.outputs.id
  identityClientId: identity.outputs.clientId
  nodeVersion: nodeVersion
  instanceMemoryMB: instanceMemoryMB
  maximumInstanceCount: maximumInstanceCount
  httpConcurrency: httpConcurrency
  // Zone redundancy takes two instances that are always ready.
  httpAlwaysReady: zoneRedundant ? max(httpAlwaysReady, 2) : httpAlwaysReady
  storageName: storage.outputs.name
  subnetId: network.?outputs.appSubnetId ?? ''
  zoneRedundant: zoneRedundant
  rollingUpdate: rollingUpdate
  insightsConnectionString: monitor.outputs.connectionString
}

module app 'modules/functionapp.bicep' = {
  scope: group
  // The package container is read with the identity's role: it must be there before the site.
  dependsOn: [roles]
  params: {
    name: named('func', environmentName, suffix)
    planName: named('plan', environmentName, suffix)
    serviceName: 'api'
    packageContainer: apiPackages
    hosting: hosting
    disabledFunctions: splitStreamApp ? resources.functions.stream : []
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
    packageContainer: streamPackages
    hosting: hosting
    // The same package: what is no request runs in the other app only.
    disabledFunctions: resources.functions.background
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
@description('What this environment lives as: the preflight refuses a change that would make new resources beside it.')
output DEPLOYED_PROFILE string = profile
@description('See DEPLOYED_PROFILE.')
output DEPLOYED_COSMOS_MODE string = databaseMode
@description('See DEPLOYED_PROFILE.')
output DEPLOYED_ZONE_REDUNDANT string = toLower(string(zoneRedundant))
@description('See DEPLOYED_PROFILE.')
output DEPLOYED_LOCATION string = location
