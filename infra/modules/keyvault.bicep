// Keeps the master key, under which secrets are hashed and signing keys wrapped.
import { strings } from 'strings.bicep'

param name string
param location string
param tags strings
@secure()
@description('Empty: the vault has it already.')
param masterKey string
param publicAccess bool

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    publicNetworkAccess: publicAccess ? 'enabled' : 'disabled'
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
  }
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(masterKey)) {
  parent: vault
  name: 'sluice-master-key'
  properties: { value: masterKey, contentType: 'base64' }
}

output id string = vault.id
output name string = vault.name
output masterKeyUri string = '${vault.properties.vaultUri}secrets/sluice-master-key'
