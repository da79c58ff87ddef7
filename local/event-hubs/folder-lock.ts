/** One process at a time on a data folder. */
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Locks a folder until the returned function is called or the process ends, however it ends. SQLite's file lock is used
 * for it: the operating system lets go of it with the process, on every platform, where a file with a process id in it
 * would be left behind by `kill -9`.
 * @throws when another process, or another server of this one, holds it
 */
export function lockFolder(folder: string): () => void {
  const lock = new DatabaseSync(path.join(folder, 'lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new Error(`The Event Hubs folder ${folder} is in use by another process.`, { cause: error });
  }
  return () => lock.close();
}
