/** Changes what an application is called and what it may see. Acts on live tokens and open streams within seconds. */
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { nameTaken, requireFittingSettings, requireKnownPolicy, type ApplicationEdit } from './application-input.ts';
import { endCredentials, keyCredential, type Application } from './applications.ts';
import { clientSettingsOf, hasSecret } from './client-settings.ts';
import type { ApplicationServices } from './create-application.ts';

const POLICY_FIELDS = ['devices', 'groups', 'includeAnomalies'] as const;

/**
 * Applies an edit.
 * @param check sees the application before it is changed, and may refuse
 * @returns the application and the names of the fields that changed
 * @throws Problem 422 for an expiration date or a policy beyond the tenant, 404, 409 when the name is taken
 */
export async function editApplication(
  services: ApplicationServices,
  tenantId: TenantId,
  applicationId: string,
  { expiresAt, ...edit }: ApplicationEdit,
  check: (application: Application) => void,
): Promise<{ application: Application; changed: string[] }> {
  if (expiresAt !== undefined) {
    const detail = 'expiresAt is not changed by an edit: POST the new date to …/extend.';
    throw new Problem('expiration-not-editable', 422, detail, {
      extensions: { errors: [{ field: 'expiresAt', rule: 'is changed by POST …/extend' }] },
    });
  }
  await requireKnownPolicy(services, tenantId, edit);
  const updatedAt = new Date(services.now()).toISOString();
  let changed: string[] = [];
  const application = await services.applications.change(tenantId, applicationId, (current) => {
    check(current);
    changed = changedFields(current, edit);
    if (changed.length === 0) return current;
    const policyChanged = POLICY_FIELDS.some((field) => changed.includes(field));
    const given = Object.fromEntries(Object.entries(edit).filter(([, value]) => value !== undefined));
    const next: Application = {
      ...current,
      ...given,
      updatedAt,
      version: current.version + 1,
      policyVersion: current.policyVersion + (policyChanged ? 1 : 0),
    };
    requireFittingSettings(next);
    const kept = hasSecret(next) ? next : { ...next, secrets: [] };
    return endCredentials(kept, credentialsOnlyIn(current, kept));
  });
  if (application === 'not-found') throw noSuchApplication(applicationId);
  if (application === 'name-taken') throw nameTaken(edit.name ?? '');
  return { application, changed };
}

/** The answer for an application that the tenant does not have. */
export function noSuchApplication(applicationId: string): Problem {
  return new Problem('application-not-found', 404, `There is no application ${applicationId.slice(0, 64)}.`);
}

/** The secrets and keys that an edit takes away. */
function credentialsOnlyIn(before: Application, after: Application): string[] {
  const credentials = (application: Application) => [
    ...application.secrets.map(({ id }) => id),
    ...clientSettingsOf(application).jwks.keys.map(keyCredential),
  ];
  const kept = new Set(credentials(after));
  return credentials(before).filter((id) => !kept.has(id));
}

function changedFields(current: Application, edit: Omit<ApplicationEdit, 'expiresAt'>): string[] {
  return Object.entries(edit)
    .filter(([, value]) => value !== undefined)
    .filter(([field, value]) => JSON.stringify(current[field as keyof Application]) !== JSON.stringify(value))
    .map(([field]) => field);
}
