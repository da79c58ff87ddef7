// The wake-up of live streams.
import { strings } from 'strings.bicep'

param name string
param location string
param tags strings
param hub string
@allowed(['Free_F1', 'Standard_S1', 'Premium_P1'])
param skuName string
@minValue(1)
param units int
param publicAccess bool

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'WebPubSub'
  sku: { name: skuName, capacity: units }
  properties: {
    disableLocalAuth: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    tls: { clientCertEnabled: false }
  }

  resource live 'hubs' = {
    name: hub
    properties: { anonymousConnectPolicy: 'deny' }
  }
}

output id string = service.id
output name string = service.name
output endpoint string = 'https://${service.properties.hostName}'
