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
