/** Replaces a client secret without an outage: for a grace that the caller picks, both authenticate. */
import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import type { TenantId } from '../identity/ids.ts';
import { endCredentials, liveSecrets, SECRETS_MAX, type Application } from './applications.ts';
import { hasSecret } from './client-settings.ts';
import type { Check } from './change-status.ts';
import { issueSecret, type ApplicationServices } from './create-application.ts';
import { noSuchApplication } from './edit-application.ts';

/** Longest grace, in seconds: 7 days. */
export const GRACE_MAX_SECONDS = 7 * 24 * 3600;
/** Grace unless the caller picks another, in seconds: a day. */
export const GRACE_DEFAULT_SECONDS = 24 * 3600;
const GRACE_RULE = `must be a whole number of seconds from 0 (now) to ${GRACE_MAX_SECONDS} (7 days)`;

/** The body of a rotation. */
export const rotation = z.strictObject({
  graceSeconds: z.int(GRACE_RULE).min(0, GRACE_RULE).max(GRACE_MAX_SECONDS, GRACE_RULE).default(GRACE_DEFAULT_SECONDS),
  /** Ends the tokens that are out as well: for a secret that leaked. */
  revokeTokens: z.boolean('must be true or false').default(false),
  /** The answer of the person who was asked. It may be left out, but never be anything else than yes. */
  confirm: z.literal(true, 'must be true: without a confirmation nothing is replaced').optional(),
});
export type Rotation = z.output<typeof rotation>;

/**
 * Gives the application a new secret; the present one ends after the grace, an older one ends now.
 * @param secretId the id of the new secret; a repeat with the same one replaces nothing
 * @returns the application and the secret, which exists nowhere else; no secret when this is a repeat
 * @throws Problem 404, 409 for a client that has no secret
 */
export async function rotateSecret(
  services: ApplicationServices,
  tenantId: TenantId,
  applicationId: string,
  { graceSeconds, revokeTokens }: Rotation,
  secretId: string,
  check: Check,
): Promise<{ application: Application; clientSecret: string | undefined }> {
  const nowMs = services.now();
  const at = new Date(nowMs).toISOString();
  const endsAt = new Date(nowMs + graceSeconds * 1000).toISOString();
  const { clientSecret, stored } = issueSecret(services.hasher, at, secretId);
  let repeated = false;
  const application = await services.applications.change(tenantId, applicationId, (current) => {
    repeated = current.secrets.some(({ id }) => id === secretId);
    if (repeated) return current;
    check(current);
    if (!hasSecret(current)) {
      throw new Problem('no-secret', 409, 'This application has no secret: it is public, or proves itself by a key.');
    }
    const [present] = current.secrets;
    const previous = present && graceSeconds > 0 ? [{ ...present, endsAt }] : [];
    return {
      ...current,
      updatedAt: at,
      version: current.version + 1,
      epoch: current.epoch + (revokeTokens ? 1 : 0),
      secrets: [stored, ...previous].slice(0, SECRETS_MAX),
    };
  });
  if (application === 'not-found' || application === 'name-taken') throw noSuchApplication(applicationId);
  return { application, clientSecret: repeated ? undefined : clientSecret };
}

/** Ends the grace of the previous secret now, and the tokens that were bought with it. @throws Problem 404 */
export async function endGrace(
  services: ApplicationServices,
  tenantId: TenantId,
  applicationId: string,
  check: Check,
): Promise<Application> {
  const updatedAt = new Date(services.now()).toISOString();
  const application = await services.applications.change(tenantId, applicationId, (current) => {
    check(current);
    const [present, ...previous] = liveSecrets(current, services.now());
    if (!present || previous.length === 0) return current;
    const next = { ...current, updatedAt, version: current.version + 1, secrets: [present] };
    return endCredentials(
      next,
      previous.map(({ id }) => id),
    );
  });
  if (application === 'not-found' || application === 'name-taken') throw noSuchApplication(applicationId);
  return application;
}
