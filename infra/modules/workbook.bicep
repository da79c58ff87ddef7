// The operator's page in the portal: tabs over the queries in queries/. It is written from the repository: what is changed in
// the portal is overwritten by the next deployment.
import { strings } from 'strings.bicep'

type chart = {
  name: string
  title: string
  query: string
  visualization: 'barchart' | 'timechart'
}

type tab = {
  name: string
  label: string
  charts: chart[]
}

param location string
param tags strings
param workspaceId string
param displayName string

var tabs tab[] = [
  {
    name: 'overview'
    label: 'Overview'
    charts: [
      {
        name: 'road'
        title: 'Events in, refused and out'
        query: loadTextContent('../queries/overview/road.kql')
        visualization: 'timechart'
      }
      {
        name: 'latency'
        title: 'From the hub to the commit (ms)'
        query: loadTextContent('../queries/overview/latency.kql')
        visualization: 'timechart'
      }
      {
        name: 'errors'
        title: 'Answers by class'
        query: loadTextContent('../queries/overview/errors.kql')
        visualization: 'barchart'
      }
      {
        name: 'saturation'
        title: 'Streams held, as a part of the limit'
        query: loadTextContent('../queries/overview/saturation.kql')
        visualization: 'timechart'
      }
    ]
  }
  {
    name: 'ingest'
    label: 'Ingest'
    charts: [
      {
        name: 'refused'
        title: 'Quarantined, by reason'
        query: loadTextContent('../queries/ingest/refused.kql')
        visualization: 'barchart'
      }
      {
        name: 'batches'
        title: 'Hub events per invocation'
        query: loadTextContent('../queries/ingest/batches.kql')
        visualization: 'timechart'
      }
      {
        name: 'repeats'
        title: 'Repeats skipped and recovered'
        query: loadTextContent('../queries/ingest/repeats.kql')
        visualization: 'timechart'
      }
      {
        name: 'transitions'
        title: 'Alerts and anomalies'
        query: loadTextContent('../queries/ingest/transitions.kql')
        visualization: 'barchart'
      }
    ]
  }
  {
    name: 'tokens'
    label: 'Tokens and applications'
    charts: [
      {
        name: 'issued'
        title: 'Issued, by grant'
        query: loadTextContent('../queries/tokens/issued.kql')
        visualization: 'barchart'
      }
      {
        name: 'refused'
        title: 'Refused, by error'
        query: loadTextContent('../queries/tokens/refused.kql')
        visualization: 'barchart'
      }
      {
        name: 'duration'
        title: 'Duration (ms)'
        query: loadTextContent('../queries/tokens/duration.kql')
        visualization: 'timechart'
      }
    ]
  }
  {
    name: 'streams'
    label: 'Streams'
    charts: [
      {
        name: 'active'
        title: 'Open streams'
        query: loadTextContent('../queries/streams/active.kql')
        visualization: 'timechart'
      }
      {
        name: 'continuity'
        title: 'Resumed, and gaps'
        query: loadTextContent('../queries/streams/continuity.kql')
        visualization: 'timechart'
      }
      {
        name: 'live'
        title: 'Live messages'
        query: loadTextContent('../queries/streams/live.kql')
        visualization: 'timechart'
      }
    ]
  }
  {
    name: 'cosmos'
    label: 'Cosmos DB'
    charts: [
      {
        name: 'charge'
        title: 'Request units, by operation'
        query: loadTextContent('../queries/cosmos/charge.kql')
        visualization: 'barchart'
      }
      {
        name: 'trouble'
        title: 'Throttled'
        query: loadTextContent('../queries/cosmos/trouble.kql')
        visualization: 'timechart'
      }
    ]
  }
  {
    name: 'cost'
    label: 'Cost'
    charts: [
      {
        name: 'charge-per-event'
        title: 'Request units per accepted event'
        query: loadTextContent('../queries/cost/charge-per-event.kql')
        visualization: 'timechart'
      }
      {
        name: 'logs'
        title: 'Gigabytes of logs, by table'
        query: loadTextContent('../queries/cost/logs.kql')
        visualization: 'barchart'
      }
    ]
  }
]

var resourceType = 'microsoft.operationalinsights/workspaces'
var runbook = { name: 'runbook', label: 'Runbook' }

// Items by the number that the workbook format gives their kind.
var text = 1
var query = 3
var parameters = 9
var links = 11
var group = 12

var content = {
  version: 'Notebook/1.0'
  items: [
    {
      type: text
      name: 'about'
      content: {
        json: '## ${displayName}\nManaged by the repository: changes made here are overwritten by the next deployment.'
      }
    }
    {
      type: parameters
      name: 'parameters'
      content: {
        version: 'KqlParameterItem/1.0'
        style: 'pills'
        queryType: 0
        resourceType: resourceType
        parameters: [
          {
            id: guid(workspaceId, 'TimeRange')
            version: 'KqlParameterItem/1.0'
            name: 'TimeRange'
            label: 'Time range'
            type: 4
            isRequired: true
            value: { durationMs: 14400000 }
            typeSettings: {
              selectableValues: map([3600000, 14400000, 86400000, 604800000], duration => { durationMs: duration })
              allowCustom: true
            }
          }
        ]
      }
    }
    {
      type: links
      name: 'tabs'
      content: {
        version: 'LinkItem/1.0'
        style: 'tabs'
        links: map(concat(map(tabs, each => { name: each.name, label: each.label }), [runbook]), each => {
          id: guid(workspaceId, each.name)
          cellValue: 'tab'
          linkTarget: 'parameter'
          linkLabel: each.label
          subTarget: each.name
          style: 'link'
        })
      }
    }
    ...map(tabs, each => {
      type: group
      name: each.name
      conditionalVisibility: { parameterName: 'tab', comparison: 'isEqualTo', value: each.name }
      content: {
        version: 'NotebookGroup/1.0'
        groupType: 'editable'
        items: map(each.charts, chart => {
          type: query
          name: '${each.name}-${chart.name}'
          content: {
            version: 'KqlItem/1.0'
            query: chart.query
            size: 0
            title: chart.title
            timeContextFromParameter: 'TimeRange'
            queryType: 0
            resourceType: resourceType
            crossComponentResources: [workspaceId]
            visualization: chart.visualization
          }
        })
      }
    })
    {
      type: text
      name: runbook.name
      conditionalVisibility: { parameterName: 'tab', comparison: 'isEqualTo', value: runbook.name }
      content: {
        json: '''
### Runbooks
Every alert rule has a section of its name in docs/operations.md of the repository: what it means, what to look at, what to do.

First looks: *Overview* for whether events flow, *Ingest* for what is refused and why, *Streams* for gaps and full instances, *Cosmos DB* for throttling.
'''
      }
    }
  ]
  fallbackResourceIds: [workspaceId]
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(workspaceId, 'operations')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: string(content)
  }
}

output id string = workbook.id
