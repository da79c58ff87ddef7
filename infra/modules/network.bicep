// Private mode: the app reaches its services by private endpoints; only HTTPS to the app itself stays public.
import { strings } from 'strings.bicep'

type target = {
  @description('Short name, part of the name of the endpoint.')
  name: string
  resourceId: string
  @description('Group id of the private link service.')
  group: string
  zone: string
}

param name string
param location string
param tags strings
param targets target[]
param addressSpace string = '10.72.0.0/24'

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 0)
          // What Flex Consumption asks for; Microsoft.App must be registered in the subscription.
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource app 'subnets' existing = {
    name: 'app'
  }

  resource endpoints 'subnets' existing = {
    name: 'endpoints'
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for each in targets: {
    name: each.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (each, at) in targets: {
    parent: zones[at]
    name: name
    location: 'global'
    tags: tags
    properties: { virtualNetwork: { id: network.id }, registrationEnabled: false }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for each in targets: {
    name: '${name}-${each.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpoints.id }
      privateLinkServiceConnections: [
        // The id is an output of the module that made the resource.
        #disable-next-line use-resource-id-functions
        { name: each.name, properties: { privateLinkServiceId: each.resourceId, groupIds: [each.group] } }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (each, at) in targets: {
    parent: privateEndpoints[at]
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: each.name, properties: { privateDnsZoneId: zones[at].id } }] }
  }
]

output appSubnetId string = network::app.id
