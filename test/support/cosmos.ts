/** A local Cosmos DB with the real SDK in front, for one test file. */
import {
  CosmosClient,
  type Container,
  type ContainerRequest,
  type CosmosClientOptions,
  type Database,
} from '@azure/cosmos';
import { startCosmos, type CosmosOptions, type CosmosServer } from '../../local/cosmos/cosmos.ts';

export interface CosmosUnderTest {
  server: CosmosServer;
  client: CosmosClient;
  database: Database;
  /** A new container; partition key `/pk` and the default index unless the definition says otherwise. */
  container(definition?: Partial<ContainerRequest>): Promise<Container>;
  /** Another client of the same server. */
  connect(options?: Partial<CosmosClientOptions>): CosmosClient;
  close(): Promise<void>;
}

/** Starts a server and a client with a database `test`. */
export async function startCosmosUnderTest(options: CosmosOptions = {}): Promise<CosmosUnderTest> {
  const server = await startCosmos(options);
  const clients: CosmosClient[] = [];
  const connect = (more: Partial<CosmosClientOptions> = {}) => {
    const connectionPolicy = { enableEndpointDiscovery: false, ...more.connectionPolicy };
    const client = new CosmosClient({ endpoint: server.endpoint, key: server.key, ...more, connectionPolicy });
    clients.push(client);
    return client;
  };
  const client = connect();
  const { database } = await client.databases.createIfNotExists({ id: 'test' });
  let count = 0;
  return {
    server,
    client,
    database,
    connect,
    async container(definition = {}) {
      const { container } = await database.containers.create({
        id: `c${++count}`,
        partitionKey: { paths: ['/pk'] },
        ...definition,
      });
      return container;
    },
    async close() {
      for (const one of clients) one.dispose();
      await server.close();
    },
  };
}

/** The status of a refusal; fails when there was none. */
export async function refusal(work: Promise<unknown>): Promise<{ code: number; message: string; substatus?: number }> {
  try {
    await work;
  } catch (error) {
    return error as { code: number; message: string; substatus?: number };
  }
  throw new Error('It was not refused.');
}
