// The function app on Flex Consumption: one app per plan.
import { strings } from 'strings.bicep'

@description('What the sites of one deployment share: where they run, as whom, how large.')
type sharedHosting = {
  location: string
  tags: strings
  identityId: string
  identityClientId: string
  nodeVersion: string
  instanceMemoryMB: int
  maximumInstanceCount: int
  httpConcurrency: int
  httpAlwaysReady: int
  storageName: string
  @description('Subnet through which a site reaches its services. Empty: none.')
  subnetId: string
  @description('Two or more instances are always ready, in different zones.')
  zoneRedundant: bool
  @description('Instances are replaced one after another at a deployment, so that running requests end by themselves.')
  rollingUpdate: bool
  insightsConnectionString: string
}

param name string
param planName string
@description('Service of azure.yaml whose code the site takes.')
param serviceName string
param packageContainer string
param hosting sharedHosting
@description('Functions that this site does not run.')
param disabledFunctions string[]
@description('The settings of the app itself. An empty TOKEN_ISSUER becomes the URL of the site.')
param settings strings

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hosting.storageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: hosting.location
  tags: hosting.tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: hosting.zoneRedundant }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: hosting.location
  tags: union(hosting.tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${hosting.identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: hosting.identityId
    virtualNetworkSubnetId: empty(hosting.subnetId) ? null : hosting.subnetId
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: hosting.identityId }
        }
      }
      runtime: { name: 'node', version: hosting.nodeVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: hosting.instanceMemoryMB
        maximumInstanceCount: hosting.maximumInstanceCount
        alwaysReady: hosting.httpAlwaysReady > 0 ? [{ name: 'http', instanceCount: hosting.httpAlwaysReady }] : []
        triggers: { http: { perInstanceConcurrency: hosting.httpConcurrency } }
      }
      // Known to the service, not to these types.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: hosting.rollingUpdate ? 'RollingUpdate' : 'Recreate' }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(
      {
        AzureWebJobsStorage__accountName: hosting.storageName
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: hosting.identityClientId
        APPLICATIONINSIGHTS_CONNECTION_STRING: hosting.insightsConnectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${hosting.identityClientId};Authorization=AAD'
        OTEL_SERVICE_NAME: 'sluice-${serviceName}'
      },
      settings,
      toObject(disabledFunctions, each => 'AzureWebJobs.${each}.Disabled', each => 'true'),
      {
        TOKEN_ISSUER: empty(settings.TOKEN_ISSUER)
          ? 'https://${site.properties.defaultHostName}'
          : settings.TOKEN_ISSUER
      }
    )
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output id string = site.id
output name string = site.name
output uri string = 'https://${site.properties.defaultHostName}'
@description('The iss of every token.')
output issuer string = empty(settings.TOKEN_ISSUER)
  ? 'https://${site.properties.defaultHostName}'
  : settings.TOKEN_ISSUER
