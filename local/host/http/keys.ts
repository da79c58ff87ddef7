/** Access keys: a master key, a host key for all functions, one per function. Asked for only with `--enable-auth`. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from '../config/configuration-error.ts';
import { explainIssues } from '../config/explain-issues.ts';
import { parseJson } from '../config/parse-json.ts';
import type { AuthLevel } from './router.ts';

const keyFile = z.object({
  masterKey: z.string().min(16),
  /** Named keys that open every function. */
  hostKeys: z.record(z.string(), z.string().min(16)),
  /** Named keys by function. */
  functionKeys: z.record(z.string(), z.record(z.string(), z.string().min(16))),
});
export type Keys = z.output<typeof keyFile>;

/** Reads the keys of the data folder's `keys.json`; makes them at the first start. */
export function loadKeys(dataFolder: string): Keys {
  const path = join(dataFolder, 'keys.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    const keys: Keys = { masterKey: newKey(), hostKeys: { default: newKey() }, functionKeys: {} };
    mkdirSync(dataFolder, { recursive: true });
    writeFileSync(path, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
    return keys;
  }
  const parsed = keyFile.safeParse(parseJson(path, text));
  if (!parsed.success) throw new ConfigurationError(explainIssues(path, parsed.error));
  return parsed.data;
}

function newKey(): string {
  return randomBytes(40).toString('base64url');
}

/** Whether the key of a request (header `x-functions-key`, else `?code=`) reaches a level. */
export function isAuthorised(
  keys: Keys,
  request: IncomingMessage,
  url: URL,
  level: AuthLevel,
  functionName: string,
): boolean {
  if (level === 'anonymous') return true;
  const header = request.headers['x-functions-key'];
  const given = typeof header === 'string' ? header : url.searchParams.get('code');
  if (given === null) return false;
  if (equal(given, keys.masterKey)) return true;
  if (level === 'admin') return false;
  const own = Object.entries(keys.functionKeys).find(
    ([name]) => name.toLowerCase() === functionName.toLowerCase(),
  )?.[1];
  return [...Object.values(keys.hostKeys), ...Object.values(own ?? {})].some((key) => equal(given, key));
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
