/** Which paths of a container are indexed: what ORDER BY may use, what becomes an index of SQLite, what a write costs. */
import { badRequest } from '../cosmos-error.ts';
import { isJsonObject, property, type JsonObject, type JsonValue, type Value } from '../json-value.ts';
import { pathSegments } from '../items/partition-key.ts';

/** A policy that has been checked and completed. */
export interface PolicyDefinition extends JsonObject {
  includedPaths: { path: string }[];
  excludedPaths: { path: string }[];
}

/** One path of a composite index. */
interface CompositePath {
  path: string;
  order: 'ascending' | 'descending';
}

/** The policy of a container, compiled. */
export interface IndexingPolicy {
  /** True when values at this path are indexed. `id` and `_ts` always are. */
  isIndexed(segments: readonly string[]): boolean;
  /** Index entries of a document, the unit that writes are charged by. */
  countTerms(document: JsonObject): number;
  /** Included paths that name one scalar: each becomes an index of SQLite. */
  readonly scalarPaths: readonly (readonly string[])[];
  readonly composites: readonly (readonly CompositePath[])[];
}

interface Rule {
  segments: string[];
  /** `?` = the scalar at this path, `*` = it and everything below. */
  wildcard: boolean;
  included: boolean;
}

/** Marks "every element of the array" in a path. */
const ELEMENT = '[]';
/** Paths the service indexes whatever the policy says. */
const ALWAYS_INDEXED = new Set(['id', '_ts']);

/**
 * Fills a policy the way the service does.
 * @throws 400 naming the rule that the policy breaks
 */
export function completePolicy(given: Value): PolicyDefinition {
  if (given !== undefined && !isJsonObject(given)) throw badRequest('indexingPolicy must be an object.');
  const policy = given ?? {};
  const wanted = policy['indexingMode'] ?? 'consistent';
  const mode = typeof wanted === 'string' ? wanted.toLowerCase() : JSON.stringify(wanted);
  if (mode === 'none') return { indexingMode: 'none', automatic: false, includedPaths: [], excludedPaths: [] };
  if (mode !== 'consistent') throw badRequest(`indexingPolicy.indexingMode '${mode}' must be consistent or none.`);
  const included = pathList(policy, 'includedPaths');
  const excluded = pathList(policy, 'excludedPaths');
  const isRoot = ({ path }: { path: string }) => path === '/*' || path === '/';
  if (included.length === 0 && !excluded.some(isRoot)) included.push({ path: '/*' });
  if (!included.some(isRoot) && !excluded.some(isRoot))
    throw badRequest(
      "The special mandatory indexing path '/*' is not provided in any of the path type sets. Please provide this path in one of the sets includedPaths or excludedPaths.",
    );
  if (!excluded.some(({ path }) => path === '/"_etag"/?')) excluded.push({ path: '/"_etag"/?' });
  return {
    indexingMode: 'consistent',
    automatic: policy['automatic'] ?? true,
    includedPaths: included,
    excludedPaths: excluded,
    ...(policy['compositeIndexes'] === undefined
      ? {}
      : { compositeIndexes: compositeList(policy['compositeIndexes']) }),
    ...unsupported(policy, ['spatialIndexes', 'vectorIndexes', 'fullTextIndexes']),
  };
}

function unsupported(policy: JsonObject, names: string[]): JsonObject {
  for (const name of names) {
    const value = policy[name];
    if (Array.isArray(value) && value.length > 0)
      throw badRequest(`indexingPolicy.${name} is not implemented by the local Cosmos DB.`);
  }
  return {};
}

function pathList(policy: JsonObject, name: 'includedPaths' | 'excludedPaths'): { path: string }[] {
  const list = policy[name] ?? [];
  if (!Array.isArray(list)) throw badRequest(`indexingPolicy.${name} must be an array.`);
  return list.map((entry) => {
    const path = property(entry, 'path');
    if (!isJsonObject(entry) || typeof path !== 'string' || !/^\/(.*\/)?[?*]?$/.test(path))
      throw badRequest(
        `indexingPolicy.${name}: the path ${JSON.stringify(path ?? entry)} must start with '/' and end with '/?' or '/*'.`,
      );
    return { ...entry, path };
  });
}

function compositeList(value: JsonValue): JsonValue[] {
  if (!Array.isArray(value)) throw badRequest('indexingPolicy.compositeIndexes must be an array of arrays.');
  return value.map((composite) => {
    if (!Array.isArray(composite) || composite.length < 2)
      throw badRequest('indexingPolicy.compositeIndexes: each composite index must have at least two paths.');
    return composite.map((entry) => {
      const path = property(entry, 'path');
      const order = property(entry, 'order') ?? 'ascending';
      if (typeof path !== 'string' || !path.startsWith('/'))
        throw badRequest("indexingPolicy.compositeIndexes: a path must start with '/'.");
      if (order !== 'ascending' && order !== 'descending')
        throw badRequest('indexingPolicy.compositeIndexes: order must be ascending or descending.');
      return { path, order };
    });
  });
}

/** Compiles a completed policy. */
export function compilePolicy(policy: PolicyDefinition): IndexingPolicy {
  const rules = [...toRules(policy.includedPaths, true), ...toRules(policy.excludedPaths, false)];
  // The most precise rule decides: the longest, and of two equally long ones the scalar.
  rules.sort((a, b) => b.segments.length - a.segments.length || Number(a.wildcard) - Number(b.wildcard));
  const included = (segments: readonly string[]) => rules.find((rule) => matches(rule, segments))?.included ?? false;
  const composites = (policy['compositeIndexes'] ?? []) as unknown as CompositePath[][];
  return {
    isIndexed: (segments) => (segments.length === 1 && ALWAYS_INDEXED.has(segments[0] ?? '')) || included(segments),
    countTerms: (document) => ALWAYS_INDEXED.size + countScalars(document, [], included) + composites.length,
    scalarPaths: rules
      .filter(({ included: yes, wildcard, segments }) => yes && !wildcard && !segments.includes(ELEMENT))
      .map(({ segments }) => segments),
    composites,
  };
}

function toRules(list: { path: string }[], included: boolean): Rule[] {
  return list.map(({ path }) => {
    const segments = pathSegments(path).filter((segment) => segment !== '');
    const last = segments.at(-1);
    if (last === '?' || last === '*') segments.pop();
    return { segments, wildcard: last === '*' || segments.length === 0, included };
  });
}

function matches(rule: Rule, segments: readonly string[]): boolean {
  return (
    (rule.wildcard ? rule.segments.length <= segments.length : rule.segments.length === segments.length) &&
    rule.segments.every((segment, index) => segment === segments[index])
  );
}

function countScalars(value: JsonValue, path: string[], included: (path: readonly string[]) => boolean): number {
  if (Array.isArray(value))
    return value.reduce<number>((sum, item) => sum + countScalars(item, [...path, ELEMENT], included), 0);
  if (isJsonObject(value))
    return Object.entries(value).reduce(
      (sum, [name, item]) =>
        path.length === 0 && name === 'id' ? sum : sum + countScalars(item, [...path, name], included),
      0,
    );
  return included(path) ? 1 : 0;
}
