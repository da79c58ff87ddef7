// What wakes an operator: rules over logs (queries/alerts) and over the metrics of the services.
import { strings } from 'strings.bicep'

type logRule = {
  name: string
  description: string
  severity: int
  query: string
  @description('ISO 8601 duration.')
  frequency: string
  @description('ISO 8601 duration.')
  window: string
}

param prefix string
param location string
param tags strings
param workspaceId string
param cosmosId string
param webPubSubId string
param eventHubsId string
@description('Empty: nobody is mailed.')
param email string
@secure()
@description('Empty: nothing is called.')
param webhook string
@description('Also alert when no telemetry arrives for a quarter of an hour.')
param silence bool

var always logRule[] = [
  {
    name: 'ingest-lag'
    description: 'Telemetry waits more than a minute.'
    severity: 2
    query: loadTextContent('../queries/alerts/ingest-lag.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'quarantine'
    description: 'Events were refused.'
    severity: 2
    query: loadTextContent('../queries/alerts/quarantine.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'slow-tokens'
    description: 'Token requests take more than half a second.'
    severity: 3
    query: loadTextContent('../queries/alerts/slow-tokens.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'server-errors'
    description: 'More than 2 % of the requests fail.'
    severity: 1
    query: loadTextContent('../queries/alerts/server-errors.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'credential-attack'
    description: 'Many token requests with wrong credentials.'
    severity: 2
    query: loadTextContent('../queries/alerts/credential-attack.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'new-exceptions'
    description: 'An exception that is new, or ten times as frequent.'
    severity: 3
    query: loadTextContent('../queries/alerts/new-exceptions.kql')
    frequency: 'PT15M'
    window: 'PT6H'
  }
  {
    name: 'streams-full'
    description: 'An instance is about to refuse streams.'
    severity: 2
    query: loadTextContent('../queries/alerts/streams-full.kql')
    frequency: 'PT5M'
    window: 'PT5M'
  }
  {
    name: 'log-quota'
    description: 'The workspace has reached its daily cap.'
    severity: 3
    query: loadTextContent('../queries/alerts/log-quota.kql')
    frequency: 'PT15M'
    window: 'PT15M'
  }
]
var onRequest logRule[] = [
  {
    name: 'silence'
    description: 'No telemetry has arrived for a quarter of an hour.'
    severity: 2
    query: loadTextContent('../queries/alerts/silence.kql')
    frequency: 'PT5M'
    window: 'PT15M'
  }
]
var logRules = silence ? concat(always, onRequest) : always

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-operators'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'sluice'
    emailReceivers: empty(email) ? [] : [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
    webhookReceivers: empty(webhook) ? [] : [{ name: 'operators', serviceUri: webhook, useCommonAlertSchema: true }]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for each in logRules: {
    name: '${prefix}-${each.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Sluice: ${each.name}'
      description: '${each.description} Runbook: docs/operations.md#${each.name}'
      severity: each.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: each.frequency
      windowSize: each.window
      autoMitigate: true
      // A rule that could not run in a young workspace would fail the deployment: its tables come with the first data.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: each.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [operators.id] }
    }
  }
]

type metricRule = {
  name: string
  description: string
  severity: int
  scope: string
  namespace: string
  metric: string
  aggregation: string
  threshold: int
  @description('ISO 8601 duration.')
  window: string
  @description('Values of the dimension StatusCode; none: all.')
  statusCodes: string[]
}

var metricRules metricRule[] = [
  {
    name: 'cosmos-hot'
    description: 'A physical partition uses more than 90 % of its throughput.'
    severity: 2
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'NormalizedRUConsumption'
    aggregation: 'Maximum'
    threshold: 90
    window: 'PT15M'
    statusCodes: []
  }
  {
    name: 'cosmos-throttled'
    description: 'More than 100 requests in five minutes were answered 429.'
    severity: 2
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    threshold: 100
    window: 'PT5M'
    statusCodes: ['429']
  }
  {
    name: 'web-pubsub-full'
    description: 'More than 80 % of the connections that the units allow are open.'
    severity: 2
    scope: webPubSubId
    namespace: 'Microsoft.SignalRService/WebPubSub'
    metric: 'ConnectionQuotaUtilization'
    aggregation: 'Maximum'
    threshold: 80
    window: 'PT5M'
    statusCodes: []
  }
  {
    name: 'event-hubs-throttled'
    description: 'Event Hubs refused requests: throughput units are used up, and devices are told to wait.'
    severity: 2
    scope: eventHubsId
    namespace: 'Microsoft.EventHub/namespaces'
    metric: 'ThrottledRequests'
    aggregation: 'Total'
    threshold: 0
    window: 'PT5M'
    statusCodes: []
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for each in metricRules: {
    name: '${prefix}-${each.name}'
    location: 'global'
    tags: tags
    properties: {
      description: '${each.description} Runbook: docs/operations.md#${each.name}'
      severity: each.severity
      enabled: true
      scopes: [each.scope]
      evaluationFrequency: 'PT5M'
      windowSize: each.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: each.name
            metricNamespace: each.namespace
            metricName: each.metric
            timeAggregation: each.aggregation
            operator: 'GreaterThan'
            threshold: each.threshold
            dimensions: empty(each.statusCodes)
              ? []
              : [{ name: 'StatusCode', operator: 'Include', values: each.statusCodes }]
          }
        ]
      }
      actions: [{ actionGroupId: operators.id }]
    }
  }
]
