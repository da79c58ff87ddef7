using '../main.bicep'

param environmentName = 'sluice-dev'
param location = 'westeurope'
param profile = 'dev'
