// One identity for the function app. It exists before the app, so that its roles do as well.
import { strings } from 'strings.bicep'

param name string
param location string
param tags strings

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
