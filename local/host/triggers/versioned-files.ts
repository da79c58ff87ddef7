/**
 * Small documents shared by host processes, fenced by version and without locks: a write is a new file
 * `{name}.{version}` that is hard-linked into place, which fails when that version exists. A process killed at any point
 * leaves nothing that another must clean up or wait for.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonFile } from './atomic-file.ts';

export interface Versioned<T> {
  name: string;
  version: number;
  /** `undefined` when the file is damaged: its version still counts. */
  value: T | undefined;
}

/** The current version of every document in a folder. */
export async function readVersions<T>(folder: string): Promise<Versioned<T>[]> {
  const current = await currentVersions(folder);
  const read = await Promise.all([...current].map(([name, version]) => readOne<T>(folder, name, version)));
  return read.filter((entry) => entry !== undefined);
}

/**
 * Writes the version after `version` (0: there is none yet).
 * @returns the new version, `undefined` when another writer was first
 */
export async function writeNext(
  folder: string,
  name: string,
  version: number,
  value: unknown,
): Promise<number | undefined> {
  await mkdir(folder, { recursive: true });
  const next = version + 1;
  const draft = join(folder, `.${randomUUID()}`);
  const target = join(folder, `${name}.${next}`);
  try {
    await writeFile(draft, JSON.stringify(value));
    await link(draft, target);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return undefined;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const versions = (await fileNames(folder)).map(parseName).filter((entry) => entry?.name === name);
  // A stale version may find its place free again, because older files are tidied away.
  if (versions.some((entry) => entry !== undefined && entry.version > next)) {
    await rm(target, { force: true });
    return undefined;
  }
  const older = versions.filter((entry) => entry !== undefined && entry.version < next);
  await Promise.all(older.map((entry) => rm(join(folder, `${name}.${entry?.version}`), { force: true })));
  return next;
}

async function readOne<T>(folder: string, name: string, version: number): Promise<Versioned<T> | undefined> {
  const value = (await readJsonFile(join(folder, `${name}.${version}`))) as T | undefined;
  if (value !== undefined) return { name, version, value };
  // Gone because the version moved on meanwhile, or damaged.
  const current = (await currentVersions(folder)).get(name);
  if (current === undefined) return undefined;
  return current === version ? { name, version, value } : readOne<T>(folder, name, current);
}

async function currentVersions(folder: string): Promise<Map<string, number>> {
  const current = new Map<string, number>();
  for (const entry of (await fileNames(folder)).map(parseName)) {
    if (entry !== undefined && entry.version > (current.get(entry.name) ?? 0)) current.set(entry.name, entry.version);
  }
  return current;
}

function parseName(file: string): { name: string; version: number } | undefined {
  const match = /^([^.].*)\.(\d+)$/.exec(file);
  return match === null ? undefined : { name: match[1] ?? '', version: Number(match[2]) };
}

async function fileNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
