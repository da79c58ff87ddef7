using '../main.bicep'

param environmentName = 'sluice-dev'
param location = 'westeurope'
param profile = 'dev'
param budgetStart = '2026-12-01'
