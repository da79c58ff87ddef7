// The host's own storage: checkpoints, timers, the package.
import { strings } from 'strings.bicep'

param name string
param location string
param tags strings
param packageContainers string[]
param zoneRedundant bool
param publicAccess bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS' }
  kind: 'StorageV2'
  properties: {
    allowSharedKeyAccess: false
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'

    resource packages 'containers' = [
      for each in packageContainers: {
        name: each
      }
    ]
  }
}

output id string = account.id
output name string = account.name
