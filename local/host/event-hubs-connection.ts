/** How an Event Hubs binding names its hub: a connection string, or `NAME__fullyQualifiedNamespace` with Entra ID. */
import { parseEventHubConnectionString } from '@azure/event-hubs';
import { ConfigurationError } from './config/configuration-error.ts';
import type { ReadSetting } from './config/settings.ts';

export type EventHubsConnection =
  | {
      kind: 'connection-string';
      connectionString: string;
      /** The hub that the connection string names; it wins over the binding's. */
      entityPath: string | undefined;
    }
  | { kind: 'namespace'; namespace: string };

/** @throws ConfigurationError naming function and setting */
export function eventHubsConnection(functionName: string, connection: string, read: ReadSetting): EventHubsConnection {
  const connectionString = read(connection) ?? read(`AzureWebJobs${connection}`);
  if (connectionString !== undefined) {
    try {
      const entityPath = parseEventHubConnectionString(connectionString).eventHubName;
      return { kind: 'connection-string', connectionString, entityPath };
    } catch {
      throw new ConfigurationError(
        `Function "${functionName}": the setting ${connection} is not a connection string of Event Hubs`,
      );
    }
  }
  const namespace = read(`${connection}__fullyQualifiedNamespace`);
  if (namespace !== undefined) return { kind: 'namespace', namespace };
  throw new ConfigurationError(
    `Function "${functionName}": the setting ${connection} (a connection string) is missing, ` +
      `and so is ${connection}__fullyQualifiedNamespace`,
  );
}
