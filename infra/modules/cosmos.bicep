// The account, the database and the containers of resources.json. The app's role cannot create them.
import { strings } from 'strings.bicep'

type container = {
  name: string
  partitionKey: string
  defaultTtl: int
  indexed: string[]
}

param name string
param location string
param tags strings
param database string
param containers container[]
@description('serverless: pay by request. autoscale: pay by the hour for what is used, up to maxThroughput. free: 1000 RU/s and 25 GB once per subscription.')
param mode 'autoscale' | 'free' | 'serverless'
param maxThroughput int
@description('RU/s that all containers may be given together: a cap on the bill. -1: none.')
param throughputCap int
param zoneRedundant bool
param publicAccess bool

var serverless = mode == 'serverless'

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
    enableFreeTier: mode == 'free'
    capacity: { totalThroughputLimit: throughputCap }
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    capabilities: serverless ? [{ name: 'EnableServerless' }] : []
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource sqlDatabase 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: database
  properties: {
    resource: { id: database }
    options: serverless
      ? {}
      : mode == 'free' ? { throughput: 1000 } : { autoscaleSettings: { maxThroughput: maxThroughput } }
  }
}

resource sqlContainer 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [
  for each in containers: {
    parent: sqlDatabase
    name: each.name
    properties: {
      resource: {
        id: each.name
        partitionKey: { paths: [each.partitionKey], kind: 'Hash', version: 2 }
        defaultTtl: each.defaultTtl
        indexingPolicy: {
          indexingMode: 'consistent'
          automatic: true
          includedPaths: [for path in each.indexed: { path: path }]
          excludedPaths: [{ path: '/*' }]
        }
      }
    }
  }
]

output id string = account.id
output name string = account.name
output endpoint string = account.properties.documentEndpoint
