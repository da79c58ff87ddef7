/** The folder with all local state: locked while in use, and the secrets that this machine made for itself. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Secrets of one state folder. The demo application's appear once it exists. */
export interface LocalSecrets {
  masterKey: string;
  admin: { clientId: string; clientSecret: string };
  demo?: { clientId: string; clientSecret: string };
}

/** A folder that cannot be used: one sentence. */
export class StateFolderError extends Error {
  override name = 'StateFolderError';
}

/** The state folder of one `npm start`. */
export class StateFolder {
  readonly path: string;
  readonly #lock: DatabaseSync;

  private constructor(folder: string, lock: DatabaseSync) {
    this.path = folder;
    this.#lock = lock;
  }

  /**
   * Opens the folder and locks it; `fresh` empties it first, but never one that is in use.
   * @throws StateFolderError when another process holds it, or it cannot be written
   */
  static open(folder: string, fresh: boolean): StateFolder {
    const full = path.resolve(folder);
    try {
      makeFolder(full);
      const lock = takeLock(full);
      if (fresh) {
        for (const name of ['cosmos', 'event-hubs', 'host', 'secrets.json', 'connection.json']) {
          rmSync(path.join(full, name), { recursive: true, force: true });
        }
      }
      rmSync(path.join(full, 'connection.json'), { force: true });
      return new StateFolder(full, lock);
    } catch (error) {
      if (error instanceof StateFolderError) throw error;
      throw new StateFolderError(`The state folder ${full} cannot be used: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }

  /** The secrets, made at the first start. */
  secrets(): LocalSecrets {
    try {
      return JSON.parse(readFileSync(path.join(this.path, 'secrets.json'), 'utf8')) as LocalSecrets;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') {
        throw new StateFolderError(`${path.join(this.path, 'secrets.json')} is damaged; start with --fresh.`, {
          cause: error,
        });
      }
    }
    const made: LocalSecrets = {
      masterKey: randomBytes(32).toString('base64'),
      admin: { clientId: 'local-administrator', clientSecret: randomBytes(32).toString('base64url') },
    };
    this.write('secrets.json', made);
    return made;
  }

  /** Writes a JSON file that only this user may read, all or nothing. */
  write(name: string, content: object): void {
    const file = path.join(this.path, name);
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, file);
  }

  /** Gives the folder free; what scripts read to find the system goes with it. */
  close(): void {
    rmSync(path.join(this.path, 'connection.json'), { force: true });
    this.#lock.close();
  }
}

/** Makes a folder and what is missing above it. Node's own recursive mkdir never returns below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** Of SQLite: another process holds the lock. */
const SQLITE_BUSY = 5;

/** SQLite's file lock: the operating system lets go of it with the process, also after `kill -9`. */
function takeLock(folder: string): DatabaseSync {
  const lock = new DatabaseSync(path.join(folder, 'lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw error;
    throw new StateFolderError(
      `The state folder ${folder} is in use by another process; stop it, or choose another with --data DIR.`,
      { cause: error },
    );
  }
}
