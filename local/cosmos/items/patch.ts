/** Partial update: add, set, replace, remove, incr and move, applied in order to a copy of the document. */
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, setProperty, type JsonObject, type JsonValue, type Value } from '../json-value.ts';

/** Operations of one patch (service limit). */
const PATCH_OPERATIONS_MAX = 10;

const OPERATIONS = ['add', 'set', 'replace', 'remove', 'incr', 'increment', 'move'] as const;
type OperationName = (typeof OPERATIONS)[number];

/** A patch as requested: operations, and a condition in SQL that the item must satisfy. */
export interface Patch {
  operations: { op: OperationName; path: string; value?: JsonValue; from?: string }[];
  condition?: string;
}

/** Properties that a patch cannot touch. */
const FIXED = new Set(['id', '_rid', '_self', '_etag', '_ts', '_attachments']);

/**
 * Reads the body of a patch: an array of operations, or an object with `operations` and `condition`.
 * @throws 400 naming operation and rule
 */
export function readPatch(body: Value): Patch {
  const operations = isJsonObject(body) ? body['operations'] : body;
  const condition = isJsonObject(body) ? body['condition'] : undefined;
  if (!Array.isArray(operations) || operations.length === 0)
    throw badRequest('A patch must have an array "operations" with at least one operation.');
  if (operations.length > PATCH_OPERATIONS_MAX)
    throw badRequest(
      `A patch must not have more than ${PATCH_OPERATIONS_MAX} operations; this one has ${operations.length}.`,
    );
  if (condition !== undefined && condition !== null && typeof condition !== 'string')
    throw badRequest('The condition of a patch must be a string.');
  return {
    operations: operations.map((operation, index) => readOperation(operation, index)),
    ...(typeof condition === 'string' ? { condition } : {}),
  };
}

function readOperation(operation: JsonValue, index: number): Patch['operations'][number] {
  const where = `Patch operation ${index}`;
  if (!isJsonObject(operation)) throw badRequest(`${where} must be an object.`);
  const { op, path, value, from } = operation;
  const name = OPERATIONS.find((known) => typeof op === 'string' && known === op.toLowerCase());
  if (name === undefined)
    throw badRequest(
      `${where}: op ${JSON.stringify(op ?? null)} must be one of add, set, replace, remove, incr, move.`,
    );
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw badRequest(`${where}: path must be a string that starts with '/'.`);
  if (name === 'move' && (typeof from !== 'string' || !from.startsWith('/')))
    throw badRequest(`${where}: move needs a path "from" that starts with '/'.`);
  if (name !== 'move' && name !== 'remove' && value === undefined) throw badRequest(`${where}: ${name} needs a value.`);
  return {
    op: name,
    path,
    ...(value === undefined ? {} : { value }),
    ...(typeof from === 'string' ? { from } : {}),
  };
}

/**
 * Applies a patch.
 * @returns a new document; the given one is left as it was
 * @throws 400 naming the operation that cannot be applied; then nothing is applied
 */
export function applyPatch(document: JsonObject, { operations }: Patch): JsonObject {
  const patched = structuredClone(document);
  operations.forEach((operation, index) => {
    const where = `Patch operation ${index} (${operation.op} ${operation.path})`;
    const value = operation.value ?? null;
    const target = new Target(patched, operation.path, where);
    switch (operation.op) {
      case 'add':
        return target.add(value);
      case 'set':
        return target.set(value);
      case 'replace':
        target.require();
        return target.set(value);
      case 'remove':
        return void target.remove();
      case 'incr':
      case 'increment':
        return target.increment(value);
      case 'move': {
        const source = new Target(patched, operation.from ?? '', where);
        if (operation.path.startsWith(`${operation.from}/`))
          throw badRequest(`${where}: the path is inside of "from".`);
        return new Target(patched, operation.path, where).set(source.remove());
      }
    }
  });
  return patched;
}

/** A place in a document: its parent, and a property name or an array index within. */
class Target {
  readonly #parent: JsonObject | JsonValue[];
  readonly #key: string;
  readonly #where: string;

  constructor(document: JsonObject, path: string, where: string) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    if (last === '') throw badRequest(`${where}: the path must name a property.`);
    if (FIXED.has(keys[0] ?? last)) throw badRequest(`${where}: the property ${keys[0] ?? last} cannot be patched.`);
    let parent: JsonObject | JsonValue[] = document;
    for (const key of keys) {
      const next: Value = Array.isArray(parent)
        ? parent[arrayIndex(key, parent.length - 1) ?? -1]
        : Object.hasOwn(parent, key)
          ? parent[key]
          : undefined;
      if (typeof next !== 'object' || next === null)
        throw badRequest(`${where}: there is no object or array at '${key}'.`);
      parent = next;
    }
    this.#parent = parent;
    this.#key = last;
    this.#where = where;
  }

  /** Inserts into an array (also behind its end, by `-`), or sets a property. */
  add(value: JsonValue): void {
    if (!Array.isArray(this.#parent)) return setProperty(this.#parent, this.#key, value);
    this.#parent.splice(this.#index(this.#parent.length), 0, value);
  }

  /** Sets a property or an element; an index just behind the end appends. */
  set(value: JsonValue): void {
    if (!Array.isArray(this.#parent)) return setProperty(this.#parent, this.#key, value);
    this.#parent[this.#index(this.#parent.length)] = value;
  }

  remove(): JsonValue {
    const value = this.require();
    if (Array.isArray(this.#parent)) this.#parent.splice(this.#index(this.#parent.length - 1), 1);
    else delete this.#parent[this.#key];
    return value;
  }

  increment(by: JsonValue): void {
    if (typeof by !== 'number') throw badRequest(`${this.#where}: the value must be a number.`);
    const value = this.#read();
    if (value === undefined) return this.set(by);
    if (typeof value !== 'number') throw badRequest(`${this.#where}: there is no number at the path.`);
    const sum = value + by;
    if (!Number.isFinite(sum)) throw badRequest(`${this.#where}: the sum is out of range.`);
    this.set(sum);
  }

  /** The value; @throws 400 when there is none. */
  require(): JsonValue {
    const value = this.#read();
    if (value === undefined) throw badRequest(`${this.#where}: there is nothing at the path.`);
    return value;
  }

  #read(): Value {
    if (Array.isArray(this.#parent)) return this.#parent[arrayIndex(this.#key, this.#parent.length - 1) ?? -1];
    return Object.hasOwn(this.#parent, this.#key) ? this.#parent[this.#key] : undefined;
  }

  #index(max: number): number {
    const index = arrayIndex(this.#key, max);
    if (index === undefined) throw badRequest(`${this.#where}: '${this.#key}' is no index of the array.`);
    return index;
  }
}

function arrayIndex(key: string, max: number): number | undefined {
  const index = key === '-' ? max : /^(0|[1-9]\d*)$/.test(key) ? Number(key) : -1;
  return index >= 0 && index <= max ? index : undefined;
}
