/** How a Cosmos DB binding names its account: a connection string, or `NAME__accountEndpoint` with Entra ID. */
import { CosmosClient } from '@azure/cosmos';
import { ConfigurationError } from './config/configuration-error.ts';
import type { ReadSetting } from './config/settings.ts';

/**
 * Makes a client when called.
 * @throws ConfigurationError naming function and setting
 */
export function cosmosConnector(
  functionName: string,
  connection: string,
  read: ReadSetting,
): () => Promise<CosmosClient> {
  const connectionString = read(connection) ?? read(`AzureWebJobs${connection}`);
  if (connectionString !== undefined) {
    if (!/AccountEndpoint=[^;]+/i.test(connectionString) || !/AccountKey=[^;]+/i.test(connectionString)) {
      throw new ConfigurationError(
        `Function "${functionName}": the setting ${connection} must be AccountEndpoint=…;AccountKey=…;`,
      );
    }
    return async () => new CosmosClient(connectionString);
  }
  const endpoint = read(`${connection}__accountEndpoint`);
  if (endpoint === undefined) {
    throw new ConfigurationError(
      `Function "${functionName}": the setting ${connection} (a connection string) is missing, ` +
        `and so is ${connection}__accountEndpoint`,
    );
  }
  return async () => {
    const { DefaultAzureCredential } = await import('@azure/identity');
    return new CosmosClient({ endpoint, aadCredentials: new DefaultAzureCredential() });
  };
}
