/** Notes when a credential was last used: at most once a minute, so that a busy application costs one write and not thousands. */
import { log } from '../observability.ts';
import type { Stored } from '../store/store.ts';
import type { Application, StoredSecret } from './applications.ts';
import type { ApplicationsRepository } from './applications-repository.ts';
import type { ClientKey } from './client-keys.ts';

/** Least milliseconds between two notes for a credential. */
const NOTE_EVERY_MS = 60_000;
/** Credentials whose last note an instance remembers. */
const CREDENTIALS_MAX_REMEMBERED = 10_000;

/** What an application proved itself by. */
export type UsedCredential = { secret: StoredSecret } | { key: ClientKey };

/** The document with the use of a credential noted. Pure. */
export function noteUse(application: Application, used: UsedCredential, at: string): Application {
  const noted =
    'secret' in used
      ? {
          secrets: application.secrets.map((known) =>
            known.id === used.secret.id ? { ...known, lastUsedAt: at } : known,
          ),
        }
      : { keysUsedAt: { ...application.keysUsedAt, [used.key.kid]: at } };
  return { ...application, ...noted, lastUsedAt: at };
}

/** Notes a use. Never throws: housekeeping must not cost a token, and the next minute tries again. */
export type RecordUse = (application: Stored<Application>, used: UsedCredential) => Promise<void>;

/** Makes the recorder of an instance. */
export function createRecordUse(
  applications: Pick<ApplicationsRepository, 'recordUse'>,
  now: () => number = Date.now,
): RecordUse {
  const notedAt = new Map<string, number>();
  return async (application, used) => {
    const nowMs = now();
    const name = 'secret' in used ? used.secret.id : `${application.id} ${used.key.kid}`;
    const stored = 'secret' in used ? used.secret.lastUsedAt : application.keysUsedAt?.[used.key.kid];
    const last = Math.max(notedAt.get(name) ?? 0, Date.parse(stored ?? '1970-01-01'));
    if (nowMs - last < NOTE_EVERY_MS) return;
    notedAt.delete(name);
    notedAt.set(name, nowMs);
    const [oldest] = notedAt.keys();
    if (notedAt.size > CREDENTIALS_MAX_REMEMBERED && oldest !== undefined) notedAt.delete(oldest);
    try {
      await applications.recordUse(application, used, new Date(nowMs).toISOString());
    } catch (error) {
      log('last-used-not-recorded', { client: `…${application.id.slice(-4)}` }, error);
    }
  };
}
