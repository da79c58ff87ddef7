/**
 * What the HTTP extension collects as binding data and the host sends along as trigger metadata. In streaming mode the
 * library makes `request.params` and `request.headers` of it, hence two traps that are reproduced here on purpose:
 * every query value and every top-level scalar of a JSON body shows up as a parameter, and a client that sends a value
 * named `Headers` replaces all headers that the function sees.
 */
import type { TypedData } from '../core/contract.ts';
import type { RouteValues } from './route-template.ts';

/** A .NET dictionary that ignores case: the first spelling of a key stays, the last value wins. */
class CaseInsensitiveMap {
  readonly #keys = new Map<string, string>();
  readonly #values = new Map<string, TypedData>();

  set(key: string, value: TypedData): void {
    const folded = key.toLowerCase();
    const known = this.#keys.get(folded) ?? key;
    this.#keys.set(folded, known);
    this.#values.set(known, value);
  }

  has(key: string): boolean {
    return this.#keys.has(key.toLowerCase());
  }

  toObject(): Record<string, TypedData> {
    // No prototype: a query value named `__proto__` is a key like any other.
    const result = Object.create(null) as Record<string, TypedData>;
    for (const [key, value] of this.#values) result[key] = value;
    return result;
  }
}

/** Headers as one text per name, repeated ones joined by a comma, in the spelling of their first appearance. */
export function joinHeaders(rawHeaders: string[]): Record<string, string> {
  const names = new Map<string, string>();
  const joined: Record<string, string> = {};
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const given = rawHeaders[at] ?? '';
    const value = rawHeaders[at + 1] ?? '';
    const name = names.get(given.toLowerCase()) ?? given;
    names.set(given.toLowerCase(), name);
    joined[name] = name in joined ? `${joined[name]},${value}` : value;
  }
  return joined;
}

/** Query values, repeated ones joined by a comma. */
export function joinQuery(search: URLSearchParams): Record<string, string> {
  const joined = Object.create(null) as Record<string, string>;
  for (const [name, value] of search) joined[name] = name in joined ? `${joined[name]},${value}` : value;
  return joined;
}

/**
 * The trigger metadata of a streamed request.
 * @param body only for requests with a Content-Length: those are read before the function runs
 */
export function triggerMetadata(
  rawHeaders: string[],
  search: URLSearchParams,
  values: RouteValues,
  body: Buffer | undefined,
): Record<string, TypedData> {
  const data = new CaseInsensitiveMap();
  for (const [name, value] of bodyScalars(body)) data.set(name, { string: value });
  const query = joinQuery(search);
  for (const [name, value] of Object.entries(query)) {
    // The key of a protected function must not leak into the metadata.
    if (name.toLowerCase() !== 'code') data.set(name, { string: value });
  }
  for (const [name, value] of Object.entries(values)) data.set(name, { string: value });
  if (!data.has('Query')) data.set('Query', { json: JSON.stringify(query) });
  if (!data.has('Headers')) data.set('Headers', { json: JSON.stringify(joinHeaders(rawHeaders)) });
  return data.toObject();
}

function bodyScalars(body: Buffer | undefined): [string, string][] {
  if (body === undefined || body.length === 0) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return [];
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return [];
  return Object.entries(parsed).flatMap(([name, value]): [string, string][] => {
    if (typeof value === 'object' && value !== null) return [];
    // As .NET prints them: null is empty, booleans start with a capital.
    if (value === null) return [[name, '']];
    if (typeof value === 'boolean') return [[name, value ? 'True' : 'False']];
    return [[name, String(value)]];
  });
}
