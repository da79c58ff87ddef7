// For names.test.ts: the names that infra/names.bicep gives to many environments, evaluated by the real compiler.
import { compact, named } from '../../infra/names.bicep'

param environments string[]
param location string

var suffixes = map(environments, each => uniqueString(each, location))

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' = [
  for (each, at) in environments: {
    name: compact('st', suffixes[at])
    location: location
    sku: { name: 'Standard_LRS' }
    kind: 'StorageV2'
  }
]

resource vaults 'Microsoft.KeyVault/vaults@2024-11-01' = [
  for (each, at) in environments: {
    name: compact('kv', suffixes[at])
    location: location
    properties: { tenantId: tenant().tenantId, sku: { family: 'A', name: 'standard' } }
  }
]

resource namespaces 'Microsoft.EventHub/namespaces@2024-01-01' = [
  for (each, at) in environments: {
    name: named('evhns', each, suffixes[at])
    location: location
  }
]

resource accounts 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = [
  for (each, at) in environments: {
    name: named('cosmos', each, suffixes[at])
    location: location
    properties: { databaseAccountOfferType: 'Standard', locations: [{ locationName: location }] }
  }
]

resource services 'Microsoft.SignalRService/webPubSub@2024-03-01' = [
  for (each, at) in environments: {
    name: named('wps', each, suffixes[at])
    location: location
  }
]

resource sites 'Microsoft.Web/sites@2025-03-01' = [
  for (each, at) in environments: {
    name: named('func', each, suffixes[at])
    location: location
    kind: 'functionapp,linux'
  }
]
