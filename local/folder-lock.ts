/** One process at a time on a data folder. */
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Of SQLite: another process holds the lock. */
const SQLITE_BUSY = 5;

/** Another process, or another server of this one, holds the folder. */
export class FolderInUseError extends Error {
  override name = 'FolderInUseError';
}

/**
 * Locks a folder until the returned function is called or the process ends, however it ends. SQLite's file lock is used
 * for it: the operating system lets go of it with the process, on every platform, where a file with a process id in it
 * would be left behind by `kill -9`.
 * @param inUse what to say when the folder is taken
 * @throws FolderInUseError saying `inUse`; the file system's or SQLite's error when there can be no lock
 */
export function lockFolder(folder: string, inUse: string): () => void {
  const lock = new DatabaseSync(path.join(folder, 'lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw error;
    throw new FolderInUseError(inUse, { cause: error });
  }
  return () => lock.close();
}
