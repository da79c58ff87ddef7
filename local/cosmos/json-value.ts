/** The values that documents are made of. `undefined` stands for "not there", which Cosmos SQL keeps apart from null. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;

/** A JSON object; documents are one. */
export interface JsonObject {
  [name: string]: JsonValue;
}

/** A JSON value, or the absence of one. */
export type Value = JsonValue | undefined;

/** True for an object that is neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a property of an object by name; undefined when it is not its own, so that `constructor` or `__proto__` find nothing. */
export function property(value: Value, name: string): Value {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Sets a property as the object's own, also when it is called `__proto__`. */
export function setProperty(target: JsonObject, name: string, value: JsonValue): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}
