// Sends the e-mails of alerts, as the app's identity: a domain of Azure's own, so that no DNS record is needed to begin with.
import { strings } from 'strings.bicep'

param name string
param tags strings
param dataLocation string
param principalId string

// Communication and Email Service Owner: there is no built-in role that only sends.
var emailServiceOwner = '09976791-48a7-449e-bb21-39d1a415f350'

resource email 'Microsoft.Communication/emailServices@2023-04-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: { dataLocation: dataLocation }

  resource domain 'domains' = {
    name: 'AzureManagedDomain'
    location: 'global'
    tags: tags
    properties: { domainManagement: 'AzureManaged', userEngagementTracking: 'Disabled' }
  }
}

resource communication 'Microsoft.Communication/communicationServices@2025-05-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: { dataLocation: dataLocation, linkedDomains: [email::domain.id], disableLocalAuth: true }
}

resource send 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(communication.id, principalId, emailServiceOwner)
  scope: communication
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', emailServiceOwner)
  }
}

output endpoint string = 'https://${communication.properties.hostName}'
output sender string = 'DoNotReply@${email::domain.properties.mailFromSenderDomain}'
