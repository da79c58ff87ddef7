/** Takes an application's access back, gives it again, or prolongs it. */
import { invalidInput } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { requireFuture } from './application-input.ts';
import type { Application } from './applications.ts';
import type { ApplicationServices } from './create-application.ts';
import { noSuchApplication } from './edit-application.ts';

/** Sees the application before it is changed, and may refuse. */
export type Check = (application: Application) => void;

/**
 * Disables the application: no new tokens, and those that are out end, also after it is enabled again.
 * @throws Problem 404
 */
export function disableApplication(services: ApplicationServices, tenantId: TenantId, id: string, check: Check) {
  return change(services, tenantId, id, check, (current) =>
    current.enabled ? { ...current, enabled: false, epoch: current.epoch + 1 } : current,
  );
}

/** Enables the application. @throws Problem 404 */
export function enableApplication(services: ApplicationServices, tenantId: TenantId, id: string, check: Check) {
  return change(services, tenantId, id, check, (current) =>
    current.enabled ? current : { ...current, enabled: true },
  );
}

/** Moves the expiration date. @throws Problem 404, 422 when the date is not later than it was */
export function extendApplication(
  services: ApplicationServices,
  tenantId: TenantId,
  id: string,
  expiresAt: string,
  check: Check,
) {
  requireFuture(expiresAt, services.now());
  return change(services, tenantId, id, check, (current) => {
    if (Date.parse(expiresAt) > Date.parse(current.expiresAt)) return { ...current, expiresAt };
    const rule = `must be later than the present date ${current.expiresAt}`;
    throw invalidInput('body', [{ field: 'expiresAt', rule, got: expiresAt }], 422);
  });
}

/** Deletes the application; its client id is never used again, its name may be. @throws Problem 404 */
export async function deleteApplication(services: ApplicationServices, tenantId: TenantId, id: string, check: Check) {
  if (!(await services.applications.remove(tenantId, id, check))) throw noSuchApplication(id);
}

async function change(
  services: ApplicationServices,
  tenantId: TenantId,
  id: string,
  check: Check,
  next: (current: Application) => Application,
): Promise<Application> {
  const updatedAt = new Date(services.now()).toISOString();
  const application = await services.applications.change(tenantId, id, (current) => {
    check(current);
    const changed = next(current);
    return changed === current ? current : { ...changed, updatedAt, version: current.version + 1 };
  });
  if (application === 'not-found' || application === 'name-taken') throw noSuchApplication(id);
  return application;
}
