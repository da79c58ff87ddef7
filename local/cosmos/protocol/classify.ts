/** Says what a request asks for, from method, path and headers alone. */
import { isTrue, type CosmosRequest, type OperationKind } from './message.ts';

/** What a request asks for, and of whom. */
export interface Operation {
  kind: OperationKind;
  database?: string;
  container?: string;
  /** Id of the item or function, or resource id of the offer. */
  item?: string;
}

const ITEM_KINDS: Record<string, OperationKind> = { GET: 'read', PUT: 'replace', DELETE: 'delete', PATCH: 'patch' };
const DEFINITION_METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE']);

/** Segments of a path, as they stand in the URL. */
export function pathSegmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

/** The operation of a request; undefined when the stand-in has none of the kind. */
export function classify({ method, path, headers }: CosmosRequest): Operation | undefined {
  const segments = pathSegmentsOf(path).map(decodeSegment);
  const [dbs, database, colls, container, resource, item, ...rest] = segments;
  if (dbs === undefined) return method === 'GET' ? { kind: 'account' } : undefined;
  if (dbs === 'offers')
    return segments.length <= 2 ? { kind: 'offer', ...(database === undefined ? {} : { item: database }) } : undefined;
  if (dbs !== 'dbs' || rest.length > 0) return undefined;
  const owner = { ...(database === undefined ? {} : { database }), ...(container === undefined ? {} : { container }) };
  if (colls === undefined) return DEFINITION_METHODS.has(method) ? { kind: 'database', ...owner } : undefined;
  if (colls !== 'colls') return undefined;
  if (resource === undefined) return DEFINITION_METHODS.has(method) ? { kind: 'container', ...owner } : undefined;
  if (resource === 'pkranges' && item === undefined && method === 'GET')
    return { kind: 'partition-key-ranges', ...owner };
  if (resource === 'operations' && item === 'partitionkeydelete' && method === 'POST')
    return { kind: 'delete-partition', ...owner };
  if (resource === 'udfs')
    return DEFINITION_METHODS.has(method)
      ? { kind: 'function', ...owner, ...(item === undefined ? {} : { item }) }
      : undefined;
  if (resource !== 'docs') return undefined;
  if (item !== undefined) {
    const kind = ITEM_KINDS[method];
    return kind && { kind, ...owner, item };
  }
  if (method === 'GET') return { kind: headers['a-im'] === undefined ? 'read-feed' : 'change-feed', ...owner };
  return method === 'POST' ? { kind: postKind(headers), ...owner } : undefined;
}

function postKind(headers: CosmosRequest['headers']): OperationKind {
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return 'query-plan';
  if (isTrue(headers['x-ms-documentdb-isquery']) || headers['content-type']?.startsWith('application/query+json'))
    return 'query';
  if (isTrue(headers['x-ms-cosmos-is-batch-request']))
    return isTrue(headers['x-ms-cosmos-batch-atomic']) ? 'batch' : 'bulk';
  return isTrue(headers['x-ms-documentdb-is-upsert']) ? 'upsert' : 'create';
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
