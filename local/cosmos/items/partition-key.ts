/** Partition keys: out of a document, out of a header, and the text under which they are stored. */
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, property, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { effectivePartitionKey, isKeyComponent, type KeyComponent } from './partition-hash.ts';

/** UTF-8 bytes of one partition key value (service limit with large keys). */
const KEY_VALUE_BYTES_MAX = 2048;
/** Hashes kept: hot keys come again with every write. */
const HASHES_MAX = 10_000;

const hashes = new Map<string, string>();

/** The text of a key: JSON, with `{}` for "no value", so that null, "" and nothing stay apart and a prefix stays a prefix. */
export function keyText(components: readonly KeyComponent[]): string {
  return `[${components.map((component) => (component === undefined ? '{}' : JSON.stringify(component))).join(',')}]`;
}

/** Texts from `from` (inclusive) to `to` (exclusive) are the keys that begin with these components. */
export function prefixRange(components: readonly KeyComponent[]): { from: string; to: string } {
  const text = keyText(components).slice(0, -1);
  // "-" is the character after ","
  return { from: `${text},`, to: `${text}-` };
}

/** The effective partition key of a stored key text. */
export function hashOfKeyText(text: string): string {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  const hash = effectivePartitionKey(parseComponents(JSON.parse(text) as JsonValue[]));
  if (hashes.size >= HASHES_MAX) hashes.clear();
  hashes.set(text, hash);
  return hash;
}

/** Splits `/a/b` or `/"a b"/c` into its names. */
export function pathSegments(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((segment) => (/^".*"$/.test(segment) ? segment.slice(1, -1) : segment));
}

/** The value at a path of names; undefined when it is not there. */
export function valueAt(document: Value, segments: readonly string[]): Value {
  let value: Value = document;
  for (const segment of segments) value = property(value, segment);
  return value;
}

/** The key of a document, by the container's paths (already split). */
export function keyOfDocument(document: JsonObject, paths: readonly (readonly string[])[]): KeyComponent[] {
  return paths.map((segments) => {
    const value = valueAt(document, segments);
    if (!isKeyComponent(value))
      throw badRequest(`The partition key /${segments.join('/')} must be a string, a number, a boolean or null.`);
    checkComponent(value);
    return value;
  });
}

/**
 * Reads the header `x-ms-documentdb-partitionkey` (or the same text inside a bulk operation).
 * @throws 400 when it is no JSON array of scalars, or longer than the container's key
 */
export function keyOfHeader(text: string, levels: number): KeyComponent[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw badRequest('The header x-ms-documentdb-partitionkey is not valid JSON.');
  }
  if (!Array.isArray(parsed)) throw badRequest('The header x-ms-documentdb-partitionkey must be a JSON array.');
  if (parsed.length > levels)
    throw badRequest(
      `The partition key has ${parsed.length} values, but the container has ${levels} partition key path(s).`,
    );
  const components = parseComponents(parsed as JsonValue[]);
  components.forEach(checkComponent);
  return components;
}

function parseComponents(values: readonly JsonValue[]): KeyComponent[] {
  return values.map((value) => {
    if (isJsonObject(value) && Object.keys(value).length === 0) return undefined;
    if (!isKeyComponent(value))
      throw badRequest('A partition key value must be a string, a number, a boolean or null.');
    return value;
  });
}

function checkComponent(component: KeyComponent): void {
  if (typeof component === 'string' && Buffer.byteLength(component) > KEY_VALUE_BYTES_MAX)
    throw badRequest(`A partition key value is longer than ${KEY_VALUE_BYTES_MAX} bytes.`);
}
