/** Ends one token of an application before its time. */
import type { Application } from './applications.ts';
import { REVOKED_TOKENS_MAX } from './applications.ts';
import type { ApplicationServices } from './create-application.ts';

/** Lists the token as revoked; when too many are listed, the epoch is raised, which ends every token that is out. */
export async function revokeApplicationToken(
  { applications, now }: Pick<ApplicationServices, 'applications' | 'now'>,
  application: Application,
  token: { jti: string; exp: number },
): Promise<void> {
  await applications.change(application.tenantId, application.applicationId, (current) => {
    if (current.revoked.some(({ jti }) => jti === token.jti)) return current;
    const live = current.revoked.filter(({ exp }) => exp * 1000 > now());
    return live.length < REVOKED_TOKENS_MAX
      ? { ...current, revoked: [...live, token] }
      : { ...current, revoked: [], epoch: current.epoch + 1 };
  });
}
