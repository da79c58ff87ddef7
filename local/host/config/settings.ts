/**
 * App settings: the environment, then `Values` of local.settings.json; the environment wins, as with Core Tools.
 * Names are compared without case, as .NET's configuration does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from './configuration-error.ts';
import { explainIssues } from './explain-issues.ts';
import { parseJson } from './parse-json.ts';

const localSettings = z.looseObject({
  IsEncrypted: z.literal(false, { error: 'encrypted settings are not supported' }).optional(),
  Values: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()], { error: 'must be a string' }).transform(String))
    .default({}),
  Host: z
    .looseObject({
      /** Origins that browsers may call from, comma-separated, or `*`. */
      CORS: z.string().optional(),
      CORSCredentials: z.boolean().optional(),
    })
    .default({}),
  ConnectionStrings: z.record(z.string(), z.unknown()).optional(),
});

export interface CorsSettings {
  origins: string[];
  credentials: boolean;
}

/** Reads a setting by name, `undefined` when it is missing or empty. */
export type ReadSetting = (name: string) => string | undefined;

export interface Settings {
  read: ReadSetting;
  /** The environment with the file's values under it: what the app sees as `process.env`. */
  values: Record<string, string>;
  cors: CorsSettings;
}

/**
 * Reads local.settings.json of the app folder (it may be missing) under the environment.
 * @throws ConfigurationError naming the file and every bad field
 */
export function loadSettings(appFolder: string, environment: Record<string, string | undefined>): Settings {
  const file = readLocalSettings(join(appFolder, 'local.settings.json'));
  const values: Record<string, string> = { ...file.Values };
  const byName = new Map(Object.keys(values).map((name) => [name.toLowerCase(), name]));
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    const shadowed = byName.get(name.toLowerCase());
    if (shadowed !== undefined) delete values[shadowed];
    byName.set(name.toLowerCase(), name);
    values[name] = value;
  }
  const read: ReadSetting = (name) => values[byName.get(name.toLowerCase()) ?? name] || undefined;
  const origins = (file.Host.CORS ?? '').split(',').map((origin) => origin.trim());
  return {
    read,
    values,
    cors: { origins: origins.filter((origin) => origin !== ''), credentials: file.Host.CORSCredentials === true },
  };
}

function readLocalSettings(path: string): z.output<typeof localSettings> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { Values: {}, Host: {} };
    throw new ConfigurationError(`local.settings.json cannot be read: ${(error as Error).message}`);
  }
  const parsed = localSettings.safeParse(parseJson('local.settings.json', text));
  if (!parsed.success) throw new ConfigurationError(explainIssues('local.settings.json', parsed.error));
  return parsed.data;
}

/**
 * Replaces `%NAME%` by the setting of that name, throughout a value.
 * @throws ConfigurationError naming the setting and where it is used
 */
export function substitute<T>(value: T, read: ReadSetting, where: string): T {
  return replace(value, read, where) as T;
}

function replace(value: unknown, read: ReadSetting, where: string): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/%([^%\s]+)%/g, (_, name: string) => {
      const setting = read(name);
      if (setting === undefined) throw new ConfigurationError(`${where}: the setting ${name} (%${name}%) is missing`);
      return setting;
    });
  }
  if (Array.isArray(value)) return value.map((entry) => replace(entry, read, where));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replace(entry, read, where)]));
  }
  return value;
}
