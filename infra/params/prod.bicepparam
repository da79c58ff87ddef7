using '../main.bicep'

param environmentName = 'sluice-prod'
param location = 'westeurope'
param profile = 'prod'
param budgetStart = '2026-12-01'
param alertEmail = 'operators@example.com'
param monthlyBudget = 600
