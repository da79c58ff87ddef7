/** The options of a Cosmos DB trigger, read and checked, with the platform's defaults. */
import type { Container, CosmosClient } from '@azure/cosmos';
import { z } from 'zod';
import { ConfigurationError } from '../../config/configuration-error.ts';
import { explainIssues } from '../../config/explain-issues.ts';
import type { TriggerSetup } from '../trigger.ts';

const milliseconds = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

const schema = z.looseObject({
  connection: z.string().min(1),
  databaseName: z.string().min(1),
  containerName: z.string().min(1),
  leaseConnection: z.string().min(1).optional(),
  leaseDatabaseName: z.string().min(1).optional(),
  leaseContainerName: z.string().min(1).default('leases'),
  leaseContainerPrefix: z.string().default(''),
  createLeaseContainerIfNotExists: z.boolean().default(false),
  feedPollDelay: milliseconds(5000),
  leaseAcquireInterval: milliseconds(13_000),
  leaseExpirationInterval: milliseconds(60_000),
  leaseRenewInterval: milliseconds(17_000),
  maxItemsPerInvocation: z.coerce.number().int().min(1).optional(),
  startFromBeginning: z.boolean().default(false),
  startFromTime: z.iso.datetime({ offset: true }).optional(),
  changeFeedMode: z.literal('LatestVersion', { error: 'only LatestVersion is supported locally' }).optional(),
});

export type CosmosBinding = z.output<typeof schema>;

/** @throws ConfigurationError naming function, option and rule */
export function readCosmosBinding({ fn, binding }: TriggerSetup): CosmosBinding {
  const parsed = schema.safeParse(binding);
  if (parsed.success) return parsed.data;
  throw new ConfigurationError(explainIssues(`The cosmosDBTrigger of function "${fn.metadata.name}"`, parsed.error));
}

/** The container of the leases, made when the binding asks for it. */
export async function leaseContainer(client: CosmosClient, binding: CosmosBinding): Promise<Container> {
  const database = client.database(binding.leaseDatabaseName ?? binding.databaseName);
  const id = binding.leaseContainerName;
  if (binding.createLeaseContainerIfNotExists) {
    await database.containers.createIfNotExists({ id, partitionKey: { paths: ['/id'] } });
  }
  return database.container(id);
}
