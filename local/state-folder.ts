/** The folder with all local state: locked while in use, and the secrets that this machine made for itself. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FolderInUseError, lockFolder } from './folder-lock.ts';

/** Secrets of one state folder. The demo application's appear once it exists. */
export interface LocalSecrets {
  masterKey: string;
  /** Turns the first person into the first administrator, once. */
  setupCode: string;
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
  readonly #unlock: () => void;

  private constructor(folder: string, unlock: () => void) {
    this.path = folder;
    this.#unlock = unlock;
  }

  /**
   * Opens the folder and locks it; `fresh` empties it first, but never one that is in use.
   * @throws StateFolderError when another process holds it, or it cannot be written
   */
  static open(folder: string, fresh: boolean): StateFolder {
    const full = path.resolve(folder);
    try {
      makeFolder(full);
      const unlock = lockFolder(
        full,
        `The state folder ${full} is in use by another process; stop it, or choose another with --data DIR.`,
      );
      if (fresh) {
        for (const name of ['cosmos', 'event-hubs', 'host', 'secrets.json', 'connection.json']) {
          rmSync(path.join(full, name), { recursive: true, force: true });
        }
      }
      rmSync(path.join(full, 'connection.json'), { force: true });
      return new StateFolder(full, unlock);
    } catch (error) {
      if (error instanceof FolderInUseError) throw new StateFolderError(error.message, { cause: error });
      throw new StateFolderError(`The state folder ${full} cannot be used: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }

  /** The secrets, made at the first start. */
  secrets(): LocalSecrets {
    try {
      const kept = JSON.parse(readFileSync(path.join(this.path, 'secrets.json'), 'utf8')) as LocalSecrets;
      // A folder from before there was a code gets one.
      return { ...kept, setupCode: kept.setupCode ?? newSetupCode() };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') {
        throw new StateFolderError(`${path.join(this.path, 'secrets.json')} is damaged; start with --fresh.`, {
          cause: error,
        });
      }
    }
    const made: LocalSecrets = {
      masterKey: randomBytes(32).toString('base64'),
      setupCode: newSetupCode(),
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
    this.#unlock();
  }
}

/** 128 random bits, in groups that a person can copy. */
function newSetupCode(): string {
  return (randomBytes(16).toString('hex').match(/.{8}/g) ?? []).join('-');
}

/** Makes a folder and what is missing above it. Node's own recursive mkdir never returns below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
