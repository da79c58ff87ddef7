/** The Cosmos DB output: every entry is one document, created or replaced. */
import type { Container, CosmosClient } from '@azure/cosmos';
import { z } from 'zod';
import { ConfigurationError } from '../config/configuration-error.ts';
import { explainIssues } from '../config/explain-issues.ts';
import { cosmosConnector } from '../cosmos-connection.ts';
import { type Output, outputEntries } from './output.ts';

const schema = z.looseObject({
  connection: z.string().min(1),
  databaseName: z.string().min(1),
  containerName: z.string().min(1),
  createIfNotExists: z.boolean().default(false),
  partitionKey: z.string().startsWith('/').optional(),
});

export const cosmosOutput: Output = {
  type: 'cosmosDB',
  prepare: ({ functionName, binding, readSetting }) => {
    const parsed = schema.safeParse(binding);
    if (!parsed.success) {
      throw new ConfigurationError(explainIssues(`The cosmosDB output of function "${functionName}"`, parsed.error));
    }
    const options = parsed.data;
    const connect = cosmosConnector(functionName, options.connection, readSetting);
    let client: CosmosClient | undefined;
    let container: Promise<Container> | undefined;
    const open = async (): Promise<Container> => {
      client = await connect();
      const database = client.database(options.databaseName);
      if (!options.createIfNotExists) return database.container(options.containerName);
      await client.databases.createIfNotExists({ id: options.databaseName });
      const partitionKey = { paths: [options.partitionKey ?? '/id'] };
      await database.containers.createIfNotExists({ id: options.containerName, partitionKey });
      return database.container(options.containerName);
    };
    return {
      write: async (data) => {
        container ??= open();
        const { items } = await container;
        await Promise.all(outputEntries(data).map((entry) => items.upsert(toDocument(functionName, entry))));
      },
      close: async () => client?.dispose(),
    };
  },
};

function toDocument(functionName: string, entry: unknown): object {
  const document: unknown = typeof entry === 'string' ? JSON.parse(entry) : entry;
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new Error(`Function "${functionName}" gave its cosmosDB output something that is not a document.`);
  }
  return document;
}
