/**
 * Generic access to the store: points, conditional writes, one-partition batches, paging.
 * Domain rooms put their repositories on top; nobody else touches `@azure/cosmos`.
 * Expected refusals (not there, taken, changed meanwhile) are results, everything else throws.
 */
import {
  BulkOperationType,
  ErrorResponse,
  type Container,
  type Database,
  type JSONObject,
  type OperationInput,
  type SqlQuerySpec,
} from '@azure/cosmos';
import resources from '../../infra/resources.json' with { type: 'json' };

/** A container of infra/resources.json. */
export type ContainerName =
  | 'device-data'
  | 'journal'
  | 'devices'
  | 'groups'
  | 'rules'
  | 'applications'
  | 'alerts'
  | 'identity'
  | 'grants'
  | 'presence'
  | 'keys'
  | 'quarantine'
  | 'audit'
  | 'leases';

/** What every document has. `ttl` is in seconds. */
export interface Document {
  id: string;
  ttl?: number;
}

/** A document as read, with the etag that fences its next write. */
export type Stored<T> = T & { _etag: string; _ts: number };

/** Operations of one atomic batch: all under one partition key, at most BATCH_OPERATIONS_MAX and BATCH_BYTES_MAX. */
export type BatchOperation =
  | { kind: 'create'; document: Document }
  | { kind: 'upsert'; document: Document }
  | { kind: 'replace'; document: Document; etag: string }
  | { kind: 'delete'; id: string; etag?: string };

/** The outcome of a batch: committed whole with the etags by position, or refused whole. */
export type BatchOutcome =
  | { kind: 'committed'; etags: string[]; requestUnits: number }
  /** Somebody else wrote first (409 or 412), at the operation with this index. */
  | { kind: 'conflict'; index: number }
  /** The store refuses the content for good (400 or 413). */
  | { kind: 'refused'; index: number; status: number; reason: string };

/** A page of a query. */
export interface Page<T> {
  items: Stored<T>[];
  continuation?: string;
}

/** Operations of one transactional batch (service limit). */
export const BATCH_OPERATIONS_MAX = 100;
/** Bytes of one transactional batch: the service ends at 2 MB, headers and envelopes included. */
export const BATCH_BYTES_MAX = 1_800_000;

const partitionKeyNames = new Map(
  resources.cosmos.containers.map(({ name, partitionKey }) => [name, partitionKey.slice(1)]),
);

/** True for an error of the store that may pass: throttled, unavailable, timed out, connection cut. Its effect is unknown. */
export function isTransient(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'number') return code === 408 || code === 410 || code === 429 || code === 449 || code >= 500;
  return (
    (typeof code === 'string' && /^(E[A-Z]+|REQUEST_SEND_ERROR|PARSE_ERROR)$/.test(code)) ||
    name === 'TimeoutError' ||
    name === 'AbortError' ||
    name === 'RestError'
  );
}

/** The document alone, without what the store added. */
export function withoutSystemFields<T extends object>(stored: Stored<T>): T {
  return Object.fromEntries(Object.entries(stored).filter(([name]) => !name.startsWith('_'))) as T;
}

/** The store, over one database. */
export class Store {
  readonly #containers = new Map<ContainerName, Container>();
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Reads one item by its id and partition key; undefined when there is none. */
  async read<T extends object>(name: ContainerName, id: string, partitionKey: string): Promise<Stored<T> | undefined> {
    const { resource, statusCode } = await this.#container(name).item(id, partitionKey).read<Stored<T>>();
    return statusCode === 404 ? undefined : resource;
  }

  /** Creates an item; undefined when its id is taken. */
  create<T extends Document>(name: ContainerName, document: T): Promise<Stored<T> | undefined> {
    return unlessConflict(
      async () => (await this.#container(name).items.create<T>(document)).resource as Stored<T> | undefined,
    );
  }

  /** Replaces an item if nobody wrote it since `etag`; undefined when somebody did, or when it is gone. */
  replace<T extends Document>(name: ContainerName, document: T, etag: string): Promise<Stored<T> | undefined> {
    const options = { accessCondition: { type: 'IfMatch', condition: etag } };
    return unlessConflict(
      async () =>
        (await this.#container(name).item(document.id, partitionKeyOf(name, document)).replace(document, options))
          .resource as Stored<T> | undefined,
    );
  }

  /** Writes an item whatever is there. */
  async upsert<T extends Document>(name: ContainerName, document: T): Promise<Stored<T>> {
    const { resource } = await this.#container(name).items.upsert<T>(document);
    return resource as unknown as Stored<T>;
  }

  /** Deletes an item; false when there is none, or when it changed since `etag`. */
  async delete(name: ContainerName, id: string, partitionKey: string, etag?: string): Promise<boolean> {
    const options = etag === undefined ? {} : { accessCondition: { type: 'IfMatch', condition: etag } };
    const done = await unlessConflict(() => this.#container(name).item(id, partitionKey).delete(options));
    return done !== undefined;
  }

  /** Applies operations of one partition key all or nothing. Throws on transient trouble: then the effect is unknown. */
  async batch(name: ContainerName, partitionKey: string, operations: BatchOperation[]): Promise<BatchOutcome> {
    const response = await this.#container(name).items.batch(operations.map(toOperation), partitionKey);
    const results = response.result ?? [];
    const failed = results.findIndex(({ statusCode }) => statusCode >= 400 && statusCode !== 424);
    if (failed < 0) {
      return {
        kind: 'committed',
        etags: results.map(({ eTag }) => eTag ?? ''),
        requestUnits: response.headers ? Number(response.headers['x-ms-request-charge'] ?? 0) : 0,
      };
    }
    const status = results[failed]?.statusCode ?? 500;
    if (status === 409 || status === 412 || status === 404) return { kind: 'conflict', index: failed };
    if (status === 400 || status === 413)
      return { kind: 'refused', index: failed, status, reason: `the store answered ${status}` };
    throw Object.assign(new Error(`The store answered ${status} to a batch of ${operations.length} on ${name}.`), {
      code: status,
    });
  }

  /** One page of a query, within one partition or across all when no key is given. */
  async page<T extends object>(
    name: ContainerName,
    query: SqlQuerySpec,
    options: { partitionKey?: string; max?: number; continuation?: string } = {},
  ): Promise<Page<T>> {
    const { partitionKey, max, continuation } = options;
    const { resources: items, continuationToken } = await this.#container(name)
      .items.query<Stored<T>>(query, {
        ...(partitionKey === undefined ? {} : { partitionKey }),
        ...(max === undefined ? {} : { maxItemCount: max }),
        ...(continuation === undefined ? {} : { continuationToken: continuation }),
      })
      .fetchNext();
    return { items: items ?? [], ...(continuationToken ? { continuation: continuationToken } : {}) };
  }

  /** Every result of a query; for results that are known to be few. */
  async all<T extends object>(name: ContainerName, query: SqlQuerySpec, partitionKey?: string): Promise<Stored<T>[]> {
    const items: Stored<T>[] = [];
    const iterator = this.#container(name).items.query<Stored<T>>(
      query,
      partitionKey === undefined ? {} : { partitionKey },
    );
    while (iterator.hasMoreResults()) items.push(...((await iterator.fetchNext()).resources ?? []));
    return items;
  }

  #container(name: ContainerName): Container {
    const known = this.#containers.get(name);
    if (known) return known;
    const container = this.#database.container(name);
    this.#containers.set(name, container);
    return container;
  }
}

function toOperation(operation: BatchOperation): OperationInput {
  switch (operation.kind) {
    case 'create':
      return { operationType: BulkOperationType.Create, resourceBody: operation.document as unknown as JSONObject };
    case 'upsert':
      return { operationType: BulkOperationType.Upsert, resourceBody: operation.document as unknown as JSONObject };
    case 'replace':
      return {
        operationType: BulkOperationType.Replace,
        id: operation.document.id,
        resourceBody: operation.document as unknown as JSONObject,
        ifMatch: operation.etag,
      };
    case 'delete':
      return {
        operationType: BulkOperationType.Delete,
        id: operation.id,
        ...(operation.etag === undefined ? {} : { ifMatch: operation.etag }),
      };
  }
}

function partitionKeyOf(name: ContainerName, document: object): string {
  const value = (document as Record<string, unknown>)[partitionKeyNames.get(name) ?? 'id'];
  if (typeof value !== 'string' || value === '') throw new TypeError(`A document for ${name} lacks its partition key.`);
  return value;
}

async function unlessConflict<T>(write: () => Promise<T>): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    const code = (error as ErrorResponse | undefined)?.code;
    if (code === 404 || code === 409 || code === 412) return undefined;
    throw error;
  }
}
