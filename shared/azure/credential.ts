/** Who this process is towards Azure. A file of its own, so that the bundle holds only the credentials named here. */
import {
  AzureCliCredential,
  AzureDeveloperCliCredential,
  ChainedTokenCredential,
  ManagedIdentityCredential,
  type TokenCredential,
} from '@azure/identity';

/**
 * The managed identity where one is named, as on Azure: a chain would probe other sources first. Otherwise who signed in
 * on this machine, by `az login` or `azd auth login`.
 * @param clientId client id of a user-assigned identity
 */
export function createCredential(clientId: string | undefined): TokenCredential {
  return clientId === undefined
    ? new ChainedTokenCredential(new AzureCliCredential(), new AzureDeveloperCliCredential())
    : new ManagedIdentityCredential({ clientId });
}
