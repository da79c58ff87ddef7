@export()
@description('Text by name: tags, settings.')
type strings = {
  *: string
}
