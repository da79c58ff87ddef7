using '../main.bicep'

param environmentName = 'sluice-prod'
param location = 'westeurope'
param profile = 'prod'
