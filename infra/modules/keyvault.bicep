// Keeps what is secret: the master key, under which secrets are hashed and signing keys wrapped, and what an operator gives.
import { strings } from 'strings.bicep'

param name string
param location string
param tags strings
@secure()
@description('Secrets by name. An empty one is not given now: the vault keeps what it has.')
param secrets { *: string }
@description('Their names.')
param names string[]
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

resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = [
  for each in names: if (!empty(secrets[each])) {
    parent: vault
    name: each
    properties: { value: secrets[each] }
  }
]

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
