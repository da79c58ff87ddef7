/** JSON files that are replaced as a whole: a reader sees the old or the new one, whatever happens to the writer. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  // A name that starts with a dot is never read: what a killed writer leaves behind is not mistaken for a document.
  const draft = join(folder, `.${basename(path)}.${randomUUID()}`);
  try {
    await writeFile(draft, JSON.stringify(value));
    await rename(draft, path);
  } catch (error) {
    // A full disk must not be filled further by drafts.
    await rm(draft, { force: true });
    throw error;
  }
}

/** The document; `undefined` when there is none, or when it is damaged (power lost before it reached the disk). */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as Error).name === 'SyntaxError') return undefined;
    throw error;
  }
}
