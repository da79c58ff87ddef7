// The namespace and the hubs of resources.json.
import { strings } from 'strings.bicep'

type hub = {
  name: string
  partitionCount: int
  retentionHours: int
  consumerGroups: string[]
}

param name string
param location string
param tags strings
param hubs hub[]
@description('0 switches auto-inflate off.')
param maximumThroughputUnits int
param publicAccess bool

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard', capacity: 1 }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    isAutoInflateEnabled: maximumThroughputUnits > 0
    maximumThroughputUnits: maximumThroughputUnits
  }
}

resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = [
  for each in hubs: {
    parent: namespace
    name: each.name
    properties: {
      partitionCount: each.partitionCount
      retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: each.retentionHours }
    }
  }
]

var groups = flatten(map(hubs, each => map(each.consumerGroups, group => { hub: each.name, group: group })))

resource consumerGroup 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = [
  for each in groups: {
    name: '${name}/${each.hub}/${each.group}'
    dependsOn: [eventHub]
  }
]

output id string = namespace.id
output name string = namespace.name
output fullyQualifiedNamespace string = split(split(namespace.properties.serviceBusEndpoint, '://')[1], ':')[0]
