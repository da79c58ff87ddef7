/** The loop of every change to a stored document: read, check the caller's version, write under the etag. */
import type { HttpRequest } from '@azure/functions';
import { requireMatch } from '../http/etag.ts';
import { Problem } from '../http/problem.ts';
import { withoutSystemFields, type Stored } from '../store/store.ts';

/** Times a change is tried again when somebody else wrote meanwhile. */
const CHANGE_TRIES = 8;

/** How a document is read and written. */
export interface StoredAccess<T extends object> {
  /** @throws Problem 404 when the caller has no such document */
  read(): Promise<Stored<T>>;
  /** Undefined, or false, when somebody else wrote meanwhile. */
  write(next: T, etag: string, current: Stored<T>): Promise<Stored<T> | undefined>;
}

/**
 * Changes a document.
 * @throws Problem 404, 412 when the caller's If-Match is another version, 409 when it is being changed all the time
 */
export async function updateStored<T extends object>(
  request: HttpRequest,
  access: StoredAccess<T>,
  change: (current: T) => T,
): Promise<Stored<T>> {
  for (let tries = 0; tries < CHANGE_TRIES; tries++) {
    const current = await access.read();
    requireMatch(request, current._etag);
    const written = await access.write(change(withoutSystemFields(current)), current._etag, current);
    if (written) return written;
  }
  throw contended();
}

/** Deletes a document under the same rules. */
export async function deleteStored<T extends object>(
  request: HttpRequest,
  access: { read(): Promise<Stored<T>>; remove(current: Stored<T>): Promise<boolean> },
): Promise<void> {
  for (let tries = 0; tries < CHANGE_TRIES; tries++) {
    const current = await access.read();
    requireMatch(request, current._etag);
    if (await access.remove(current)) return;
  }
  throw contended();
}

function contended(): Problem {
  return new Problem('changed-meanwhile', 409, 'Others keep changing this at the same time: try again.');
}
