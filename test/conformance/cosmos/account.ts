/** A database of the account under test, with a client; removed with all its containers when a file's tests are done. */
import { randomUUID } from 'node:crypto';
import {
  CosmosClient,
  PartitionKeyKind,
  type Container,
  type ContainerRequest,
  type CosmosClientOptions,
  type Database,
} from '@azure/cosmos';
import { cosmosTarget } from '../target.ts';

/** An error of the service, as the SDK throws it. */
export interface Refusal {
  readonly code: number | string;
  readonly substatus?: number;
  readonly message: string;
}

export class Account implements AsyncDisposable {
  readonly #clients: CosmosClient[];
  readonly client: CosmosClient;
  readonly database: Database;

  private constructor(client: CosmosClient, database: Database) {
    this.#clients = [client];
    this.client = client;
    this.database = database;
  }

  /** Connects, and makes a database with a name of its own. */
  static async open(): Promise<Account> {
    const client = new CosmosClient({ ...cosmosTarget() });
    const { database } = await client.databases.create({ id: `sluice-conformance-${randomUUID()}` });
    return new Account(client, database);
  }

  /** Another client of the same account. */
  connect(options: Partial<CosmosClientOptions> = {}): CosmosClient {
    const client = new CosmosClient({ ...cosmosTarget(), ...options });
    this.#clients.push(client);
    return client;
  }

  /** A new container; its partition key is `/pk`, and everything is indexed, unless the definition says otherwise. */
  async container(definition: Partial<ContainerRequest> = {}): Promise<Container> {
    const partitionKey = { paths: ['/pk'], kind: PartitionKeyKind.Hash };
    const id = `c-${randomUUID()}`;
    const { container } = await this.database.containers.create({ id, partitionKey, ...definition });
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.delete();
    for (const client of this.#clients) client.dispose();
  }
}

/** How the service refused; fails when it did not. */
export async function refusal(work: Promise<unknown>): Promise<Refusal> {
  try {
    await work;
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('It was not refused.');
}

/** Status and sub-status of a refusal; 0 for no sub-status. */
export async function refused(work: Promise<unknown>): Promise<[number | string, number]> {
  const { code, substatus } = await refusal(work);
  return [code, substatus ?? 0];
}
