using '../main.bicep'

// Everything that can be switched on, at once.
param environmentName = 'sluice-private'
param location = 'westeurope'
param profile = 'prod'
param budgetStart = '2026-12-01'
param splitStreamApp = true
param vnetEnabled = true
param devicesFromInternet = false
param zoneRedundant = true
param alertSilence = true
param emailEnabled = true
param commandsAllowed = 'restart,set-interval'
param webhookTargetsAllowed = 'hooks.internal.example:8443'
param tokenAlgorithm = 'RS256'
param journalHours = 72
param readingsDays = 90
param streamMaxSeconds = 1200
param tracesSampled = '0.2'
param mailFrom = 'Sluice <alerts@example.com>'
param entraAudience = '00000000-0000-0000-0000-00000000000a'
param administratorObjectId = '00000000-0000-0000-0000-00000000000b'
param tokenIssuer = 'https://telemetry.example.com'
