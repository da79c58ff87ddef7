/** Creates in Cosmos DB what Bicep creates in Azure, from the same infra/resources.json; what is there stays. */
import { CosmosClient } from '@azure/cosmos';
import resources from '../infra/resources.json' with { type: 'json' };

/** Creates the database and the containers where they are missing. */
export async function provision({ endpoint, key }: { endpoint: string; key: string }): Promise<void> {
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
  try {
    const { database } = await client.databases.createIfNotExists({ id: resources.cosmos.database });
    for (const { name, partitionKey, defaultTtl, indexed } of resources.cosmos.containers) {
      await database.containers.createIfNotExists({
        id: name,
        partitionKey: { paths: [partitionKey], version: 2 },
        defaultTtl,
        indexingPolicy: { includedPaths: indexed.map((path) => ({ path })), excludedPaths: [{ path: '/*' }] },
      });
    }
  } finally {
    client.dispose();
  }
}
