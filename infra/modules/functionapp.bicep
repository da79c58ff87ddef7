// The function app on Flex Consumption: one app per plan.
import { strings } from 'strings.bicep'

param name string
param planName string
param location string
param tags strings
@description('Service of azure.yaml whose code the site takes.')
param serviceName string
param identityId string
param identityClientId string
param nodeVersion string
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param httpAlwaysReady int
param storageName string
param packageContainer string
@description('Subnet through which the app reaches its services. Empty: none.')
param subnetId string
@description('Two or more instances are always ready, in different zones.')
param zoneRedundant bool
@description('Instances are replaced one after another at a deployment, so that running requests end by themselves.')
param rollingUpdate bool
@description('Functions that this site does not run.')
param disabledFunctions string[]
param insightsConnectionString string
@description('The settings of the app itself. An empty TOKEN_ISSUER becomes the URL of the site.')
param settings strings

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'node', version: nodeVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: httpAlwaysReady > 0 ? [{ name: 'http', instanceCount: httpAlwaysReady }] : []
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
      // Known to the service, not to these types.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: rollingUpdate ? 'RollingUpdate' : 'Recreate' }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(
      {
        AzureWebJobsStorage__accountName: storageName
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: identityClientId
        APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
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
