// Names of resources: legal for every service whatever the environment is called, and new ones when something changes that
// cannot be changed on a living resource.

@export()
@description('The environment name in letters, digits and hyphens, short enough for the strictest service.')
func slug(environmentName string) string =>
  take(toLower(replace(replace(replace(replace(environmentName, '_', '-'), '.', '-'), '(', '-'), ')', '-')), 16)

@export()
@description('A readable name that is unique by its suffix.')
func named(kind string, environmentName string, suffix string) string => '${kind}-${slug(environmentName)}-${suffix}'

@export()
@description('A name for services that allow neither hyphens nor length.')
func compact(kind string, suffix string) string => '${kind}${suffix}'
