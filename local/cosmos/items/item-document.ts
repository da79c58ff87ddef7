/** What an item may be: checks on the document itself, before anything is stored. */
import { badRequest, CosmosError } from '../cosmos-error.ts';
import { isJsonObject, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { SYSTEM_PROPERTIES } from '../containers/container.ts';

/** UTF-8 bytes of an item (service limit: 2 MB). */
const ITEM_BYTES_MAX = 2 * 1024 * 1024;
/** UTF-8 bytes of an item's id (service limit). */
const ITEM_ID_BYTES_MAX = 1023;
/** Levels of nesting in an item (service limit). */
const NESTING_MAX = 128;

/** A document ready to be stored. */
export interface CheckedDocument {
  document: JsonObject;
  id: string;
  /** JSON text without the system's properties. */
  body: string;
  bytes: number;
}

/**
 * Parses a request's body.
 * @throws 400 when it is no JSON
 */
export function parseJson(text: string, what: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw badRequest(`The body of ${what} is not valid JSON: ${Error.isError(error) ? error.message : String(error)}.`);
  }
}

/**
 * Checks a document and takes the system's properties off.
 * @throws 400 naming field and rule; 413 when it is too large
 */
export function checkDocument(value: Value): CheckedDocument {
  if (!isJsonObject(value)) throw badRequest('An item must be a JSON object.');
  checkNesting(value, 1);
  const document = { ...value };
  for (const name of SYSTEM_PROPERTIES) delete document[name];
  const id = checkItemId(document['id']);
  const body = JSON.stringify(document);
  const bytes = Buffer.byteLength(body);
  if (bytes > ITEM_BYTES_MAX)
    throw new CosmosError(
      413,
      `Request size is too large: the item has ${bytes} bytes, at most ${ITEM_BYTES_MAX} are allowed.`,
    );
  return { document, id, body, bytes };
}

function checkItemId(id: Value): string {
  if (typeof id !== 'string' || id === '')
    throw badRequest(
      "The input content is invalid because the required property 'id' must be a string that is not empty.",
    );
  if (Buffer.byteLength(id) > ITEM_ID_BYTES_MAX)
    throw badRequest(`The property 'id' is longer than ${ITEM_ID_BYTES_MAX} bytes.`);
  if (/[/\\?#]/.test(id)) throw badRequest("The property 'id' must not contain '/', '\\', '?' or '#'.");
  if (!id.isWellFormed()) throw badRequest("The property 'id' is not well-formed Unicode.");
  return id;
}

function checkNesting(value: JsonValue, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > NESTING_MAX) throw badRequest(`The item is nested deeper than ${NESTING_MAX} levels.`);
  for (const child of Array.isArray(value) ? value : Object.values(value)) checkNesting(child, depth + 1);
}
