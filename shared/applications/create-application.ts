/** Registers an External Application. */
import type { ClientId, TenantId } from '../identity/ids.ts';
import { randomUUID } from 'node:crypto';
import { newApplicationId } from './application-id.ts';
import {
  nameTaken,
  requireFittingSettings,
  requireFuture,
  requireKnownPolicy,
  type NewApplication,
  type PolicyLookups,
} from './application-input.ts';
import type { Application } from './applications.ts';
import type { ApplicationsRepository } from './applications-repository.ts';
import { hasSecret } from './client-settings.ts';
import { newClientId, newClientSecret, type SecretHasher } from './client-credentials.ts';
import type { StoredSecret } from './applications.ts';

/** What the operations on applications need. */
export interface ApplicationServices extends PolicyLookups {
  applications: ApplicationsRepository;
  hasher: SecretHasher;
  now: () => number;
}

/** Ids that a creation uses; made before, so that a repeated request makes the same application. */
export interface ApplicationIds {
  clientId: ClientId;
  applicationId: string;
}

/** New ids. */
export function newApplicationIds(nowMs: number): ApplicationIds {
  return { clientId: newClientId(), applicationId: newApplicationId(nowMs) };
}

/**
 * Creates the application with its first secret.
 * @returns the application and the secret, which exists nowhere else (whoever proves itself otherwise has none); undefined when the ids
 *   were used before
 * @throws Problem 422 for a date that has passed or a policy beyond the tenant, 409 when the name is taken
 */
export async function createApplication(
  services: ApplicationServices,
  tenantId: TenantId,
  input: NewApplication,
  { clientId, applicationId }: ApplicationIds,
): Promise<{ application: Application; clientSecret: string | undefined } | undefined> {
  const nowMs = services.now();
  requireFuture(input.expiresAt, nowMs);
  requireFittingSettings(input);
  await requireKnownPolicy(services, tenantId, input);
  const at = new Date(nowMs).toISOString();
  const secret = hasSecret(input) ? issueSecret(services.hasher, at) : undefined;
  const application = await services.applications.create({
    id: clientId,
    kind: 'application',
    tenantId,
    applicationId,
    ...input,
    createdAt: at,
    updatedAt: at,
    enabled: true,
    version: 1,
    epoch: 1,
    policyVersion: 1,
    secrets: secret ? [secret.stored] : [],
    revoked: [],
  });
  if (application === 'name-taken') throw nameTaken(input.name);
  return application === 'id-taken' ? undefined : { application, clientSecret: secret?.clientSecret };
}

/** A new secret, once in the clear and once as it is stored. */
export function issueSecret(
  hasher: SecretHasher,
  createdAt: string,
  id: string = randomUUID(),
): { clientSecret: string; stored: StoredSecret } {
  const clientSecret = newClientSecret();
  const stored = { id, ...hasher.hash(clientSecret), hint: clientSecret.slice(-4), createdAt };
  return { clientSecret, stored };
}
