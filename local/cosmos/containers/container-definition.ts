/** The definition of a container: what a client may ask for, with the service's defaults filled in. */
import { badRequest, notImplemented } from '../cosmos-error.ts';
import { isJsonObject, property, type JsonObject, type Value } from '../json-value.ts';
import { pathSegments } from '../items/partition-key.ts';
import { completePolicy, type PolicyDefinition } from './indexing-policy.ts';

/** Characters of a database's or container's id (service limit). */
const RESOURCE_ID_CHARACTERS_MAX = 255;
/** Levels of a hierarchical partition key (service limit). */
const KEY_LEVELS_MAX = 3;
/** Unique keys of a container, and paths over all of them (service limits). */
const UNIQUE_KEYS_MAX = 10;
const UNIQUE_KEY_PATHS_MAX = 16;
/** Seconds of a time to live (service limit: a positive 32 bit number). */
const TTL_SECONDS_MAX = 2_147_483_647;

/** A definition that has been checked and completed. */
export interface ContainerDefinition extends JsonObject {
  id: string;
  indexingPolicy: PolicyDefinition;
  partitionKey: { paths: string[]; kind: 'Hash' | 'MultiHash'; version: 2 };
  uniqueKeyPolicy: { uniqueKeys: { paths: string[] }[] };
}

/** What a definition may say; the rest would change what a container does, and is refused by name. */
const KNOWN = new Set([
  'id',
  'indexingPolicy',
  'partitionKey',
  'defaultTtl',
  'uniqueKeyPolicy',
  'conflictResolutionPolicy',
  'geospatialConfig',
]);

/**
 * Checks the id of a database or container.
 * @throws 400 naming the rule
 */
export function checkResourceId(id: Value, what: string): string {
  if (typeof id !== 'string' || id === '') throw badRequest(`The id of a ${what} must be a string that is not empty.`);
  if (id.length > RESOURCE_ID_CHARACTERS_MAX)
    throw badRequest(`The id of a ${what} is longer than ${RESOURCE_ID_CHARACTERS_MAX} characters.`);
  if (/[/\\?#\r\n\t]/.test(id) || id.endsWith(' '))
    throw badRequest(
      `The id of a ${what} must not contain '/', '\\', '?', '#', line breaks or tabs, nor end with a space.`,
    );
  if (!id.isWellFormed()) throw badRequest(`The id of a ${what} is not well-formed Unicode.`);
  return id;
}

/**
 * Checks a time to live.
 * @returns -1 (never), or seconds; undefined when there is none
 * @throws 400 naming the field
 */
export function checkTimeToLive(value: Value, field: 'ttl' | 'defaultTtl'): number | undefined {
  if (value === undefined || (value === null && field === 'defaultTtl')) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value === 0 || value < -1 || value > TTL_SECONDS_MAX)
    throw badRequest(
      `The input ${field} '${JSON.stringify(value)}' is invalid: it must be -1 or a positive whole number of seconds.`,
    );
  return value;
}

/**
 * Checks and completes the body of "create container" or "replace container".
 * @throws 400 naming field and rule
 */
export function completeDefinition(body: JsonObject): ContainerDefinition {
  for (const [name, value] of Object.entries(body))
    if (!KNOWN.has(name) && !name.startsWith('_') && value !== null)
      throw notImplemented(`The container property ${name}`);
  fixed(body, 'conflictResolutionPolicy', 'mode', 'LastWriterWins');
  fixed(body, 'geospatialConfig', 'type', 'Geography');
  const defaultTtl = checkTimeToLive(body['defaultTtl'], 'defaultTtl');
  return {
    id: checkResourceId(body['id'], 'container'),
    indexingPolicy: completePolicy(body['indexingPolicy']),
    partitionKey: partitionKey(body['partitionKey']),
    ...(defaultTtl === undefined ? {} : { defaultTtl }),
    uniqueKeyPolicy: { uniqueKeys: uniqueKeys(property(body['uniqueKeyPolicy'], 'uniqueKeys')) },
    conflictResolutionPolicy: {
      mode: 'LastWriterWins',
      conflictResolutionPath: '/_ts',
      conflictResolutionProcedure: '',
    },
    geospatialConfig: { type: 'Geography' },
  };
}

/** @throws 400 when a setting has another value than the only one there is */
function fixed(body: JsonObject, name: string, setting: string, only: string): void {
  const value = property(body[name], setting) ?? only;
  if (typeof value !== 'string' || value.toLowerCase() !== only.toLowerCase())
    throw notImplemented(`A ${name}.${setting} other than ${only}`);
}

function partitionKey(value: Value): ContainerDefinition['partitionKey'] {
  const paths = property(value, 'paths');
  if (!Array.isArray(paths) || paths.length === 0)
    throw badRequest('partitionKey.paths must be an array with at least one path.');
  if (paths.length > KEY_LEVELS_MAX) throw badRequest(`partitionKey.paths has more than ${KEY_LEVELS_MAX} paths.`);
  for (const path of paths)
    if (typeof path !== 'string' || !/^(\/[^/[\]*?]+)+$/.test(path))
      throw badRequest(`partitionKey.paths: ${JSON.stringify(path)} must look like /name or /outer/inner.`);
  const kind = property(value, 'kind') ?? (paths.length > 1 ? 'MultiHash' : 'Hash');
  if (kind !== 'Hash' && kind !== 'MultiHash')
    throw badRequest(`partitionKey.kind ${JSON.stringify(kind)} must be Hash or MultiHash.`);
  if (kind === 'Hash' && paths.length > 1)
    throw badRequest('partitionKey.kind must be MultiHash for more than one path.');
  const version = property(value, 'version') ?? 2;
  if (version !== 2)
    throw badRequest(
      `partitionKey.version ${JSON.stringify(version)} is not implemented by the local Cosmos DB: use version 2.`,
    );
  return { paths: paths as string[], kind, version };
}

function uniqueKeys(value: Value): { paths: string[] }[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw badRequest('uniqueKeyPolicy.uniqueKeys must be an array.');
  if (value.length > UNIQUE_KEYS_MAX)
    throw badRequest(`uniqueKeyPolicy.uniqueKeys has more than ${UNIQUE_KEYS_MAX} entries.`);
  let count = 0;
  for (const entry of value) {
    const paths = property(entry, 'paths');
    if (!isJsonObject(entry) || !Array.isArray(paths) || paths.length === 0)
      throw badRequest('uniqueKeyPolicy.uniqueKeys: each entry must have at least one path.');
    for (const path of paths)
      if (typeof path !== 'string' || pathSegments(path).length === 0)
        throw badRequest(`uniqueKeyPolicy.uniqueKeys: the path ${JSON.stringify(path)} must start with '/'.`);
    count += paths.length;
  }
  if (count > UNIQUE_KEY_PATHS_MAX)
    throw badRequest(`uniqueKeyPolicy.uniqueKeys has more than ${UNIQUE_KEY_PATHS_MAX} paths.`);
  return value as { paths: string[] }[];
}
