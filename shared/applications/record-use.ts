/** Notes when a secret was last used: at most once a minute, so that a busy application costs one write and not thousands. */
import type { Stored } from '../store/store.ts';
import type { Application, StoredSecret } from './applications.ts';
import type { ApplicationsRepository } from './applications-repository.ts';

/** Least milliseconds between two notes for a secret. */
const NOTE_EVERY_MS = 60_000;
/** Secrets whose last note an instance remembers. */
const SECRETS_MAX_REMEMBERED = 10_000;

/** Notes a use. Never throws: housekeeping must not cost a token, and the next minute tries again. */
export type RecordUse = (application: Stored<Application>, secret: StoredSecret) => Promise<void>;

/** Makes the recorder of an instance. */
export function createRecordUse(
  applications: Pick<ApplicationsRepository, 'recordUse'>,
  now: () => number = Date.now,
): RecordUse {
  const notedAt = new Map<string, number>();
  return async (application, secret) => {
    const nowMs = now();
    const last = Math.max(notedAt.get(secret.id) ?? 0, Date.parse(secret.lastUsedAt ?? '1970-01-01'));
    if (nowMs - last < NOTE_EVERY_MS) return;
    notedAt.delete(secret.id);
    notedAt.set(secret.id, nowMs);
    const [oldest] = notedAt.keys();
    if (notedAt.size > SECRETS_MAX_REMEMBERED && oldest !== undefined) notedAt.delete(oldest);
    try {
      await applications.recordUse(application, secret.id, new Date(nowMs).toISOString());
    } catch (error) {
      const { name, message } = Object(error) as Partial<Error>;
      const client = `…${application.id.slice(-4)}`;
      process.stderr.write(
        `${JSON.stringify({ level: 'warning', event: 'last-used-not-recorded', client, name, message })}\n`,
      );
    }
  };
}
