/**
 * Generic access to the store: points, conditional writes, one-partition batches, paging.
 * Domain rooms put their repositories on top; nobody else touches `@azure/cosmos`.
 * Expected refusals (not there, taken, changed meanwhile) are results, everything else throws.
 */
import {
  BulkOperationType,
  type Container,
  type CosmosDiagnostics,
  type Database,
  type FeedOptions,
  type JSONObject,
  type OperationInput,
  type OperationResponse,
  type SqlQuerySpec,
} from '@azure/cosmos';
import resources from '../../infra/resources.json' with { type: 'json' };
import { count } from '../observability.ts';

/** A container of infra/resources.json. */
export type ContainerName =
  | 'device-data'
  | 'journal'
  | 'devices'
  | 'groups'
  | 'rules'
  | 'applications'
  | 'alerts'
  | 'actions'
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
  | { kind: 'committed'; etags: string[] }
  /** Somebody else wrote first (409 or 412), at the operation with this index. */
  | { kind: 'conflict'; index: number }
  /** The content is refused for good (400 or 413, also when it is beyond BATCH_BYTES_MAX). */
  | { kind: 'refused'; index: number; status: number; reason: string };

/** Kinds of request, as metrics tell them apart. */
type Operation = 'read' | 'create' | 'replace' | 'upsert' | 'delete' | 'batch' | 'query';

/** Operations of one transactional batch (service limit). */
export const BATCH_OPERATIONS_MAX = 100;
/** Bytes of one transactional batch: the service ends at 2 MB, headers and envelopes included. */
export const BATCH_BYTES_MAX = 1_800_000;
/** Milliseconds one request may take, the SDK's own retries (10 of 1 s) included: an HTTP caller waits behind it. */
const DEADLINE_MS = 4_000;
/** Sub-status of a 404 for the container or the database, where other 404s are about the item. */
const OWNER_NOT_FOUND = 1003;

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

/** True when the store refused the content for good. */
export function isRefusal(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown };
  return code === 400 || code === 413;
}

/** The document alone, without what the store added. */
export function withoutSystemFields<T extends object>(stored: Stored<T>): T {
  return Object.fromEntries(Object.entries(stored).filter(([name]) => !name.startsWith('_'))) as T;
}

/** The store, over one database. Every method throws an error that is transient when the store does not answer in time. */
export class Store {
  readonly #containers = new Map<ContainerName, Container>();
  readonly #database: Database;
  readonly #deadlineMs: number;

  /** @param deadlineMs milliseconds one request may take; longer where no caller waits */
  constructor(database: Database, { deadlineMs = DEADLINE_MS }: { deadlineMs?: number } = {}) {
    this.#database = database;
    this.#deadlineMs = deadlineMs;
  }

  /** Reads one item by its id and partition key; undefined when there is none. */
  async read<T extends object>(name: ContainerName, id: string, partitionKey: string): Promise<Stored<T> | undefined> {
    const { resource, statusCode, substatus } = await this.#inTime('read', (options) =>
      this.#container(name).item(id, partitionKey).read<Stored<T>>(options),
    );
    // The SDK throws for every 404 but this one.
    if (statusCode === 404 && substatus === OWNER_NOT_FOUND) throw new Error(`The store has no container ${name}.`);
    return statusCode === 404 ? undefined : resource;
  }

  /** Creates an item; undefined when its id is taken. */
  create<T extends Document>(name: ContainerName, document: T): Promise<Stored<T> | undefined> {
    return unlessRefused([409], async () => {
      const { resource } = await this.#inTime('create', (options) =>
        this.#container(name).items.create<T>(document, options),
      );
      return resource as Stored<T> | undefined;
    });
  }

  /** Replaces an item if nobody wrote it since `etag`; undefined when somebody did, or when it is gone. */
  replace<T extends Document>(name: ContainerName, document: T, etag: string): Promise<Stored<T> | undefined> {
    const item = this.#container(name).item(document.id, partitionKeyOf(name, document));
    return unlessRefused([404, 412], async () => {
      const { resource } = await this.#inTime('replace', (options) =>
        item.replace(document, { ...options, ...ifMatch(etag) }),
      );
      return resource as Stored<T> | undefined;
    });
  }

  /** Writes an item whatever is there. */
  async upsert<T extends Document>(name: ContainerName, document: T): Promise<Stored<T>> {
    const { resource } = await this.#inTime('upsert', (options) =>
      this.#container(name).items.upsert<T>(document, options),
    );
    return resource as unknown as Stored<T>;
  }

  /** Deletes an item; false when there is none, or when it changed since `etag`. */
  async delete(name: ContainerName, id: string, partitionKey: string, etag?: string): Promise<boolean> {
    const item = this.#container(name).item(id, partitionKey);
    const condition = etag === undefined ? {} : ifMatch(etag);
    const done = await unlessRefused([404, 412], () =>
      this.#inTime('delete', (options) => item.delete({ ...options, ...condition })),
    );
    return done !== undefined;
  }

  /** Applies operations of one partition key all or nothing. Throws on transient trouble: then the effect is unknown. */
  async batch(name: ContainerName, partitionKey: string, operations: BatchOperation[]): Promise<BatchOutcome> {
    const inputs = operations.map(toOperation);
    const bytes = Buffer.byteLength(JSON.stringify(inputs));
    if (bytes > BATCH_BYTES_MAX) return refused(0, 413, `a batch of ${bytes} bytes, at most ${BATCH_BYTES_MAX}`);
    const { result: results = [] } = await this.#inTime('batch', (options) =>
      this.#container(name)
        .items.batch(inputs, partitionKey, options)
        .catch((error: unknown) => {
          const status = answeredStatus(error);
          if (status === 400 || status === 413) return { result: [{ statusCode: status }] as OperationResponse[] };
          throw failure(status ?? 503, `a batch on ${name} failed`, error);
        }),
    );
    const failed = results.findIndex(({ statusCode }) => statusCode >= 400 && statusCode !== 424);
    const status = results[failed]?.statusCode;
    if (status === 409 || status === 412 || status === 404) return { kind: 'conflict', index: failed };
    if (status === 400 || status === 413) return refused(failed, status, `the answer was ${status}`);
    if (status !== undefined) throw failure(status, `a batch on ${name} was answered ${status}`);
    if (results.length !== operations.length) throw failure(500, `a batch on ${name} was answered in part`);
    return { kind: 'committed', etags: results.map(({ eTag }) => eTag ?? '') };
  }

  /** The first results of a query within one partition, at least one where there are any; the service may cut a page short. */
  async some<T extends object>(
    name: ContainerName,
    query: SqlQuerySpec,
    partitionKey: string,
    max: number,
  ): Promise<Stored<T>[]> {
    for await (const items of this.#pages<T>(name, query, { partitionKey, maxItemCount: max }))
      if (items.length > 0) return items;
    return [];
  }

  /** Every result of a query, within one partition or across all when no key is given; for results that are known to be few. */
  async all<T extends object>(name: ContainerName, query: SqlQuerySpec, partitionKey?: string): Promise<Stored<T>[]> {
    const items: Stored<T>[] = [];
    for await (const page of this.#pages<T>(name, query, partitionKey === undefined ? {} : { partitionKey }))
      items.push(...page);
    return items;
  }

  async *#pages<T extends object>(name: ContainerName, query: SqlQuerySpec, options: FeedOptions) {
    const ending = new AbortController();
    const iterator = this.#container(name).items.query<Stored<T>>(query, { ...options, abortSignal: ending.signal });
    while (iterator.hasMoreResults())
      yield (await this.#inTime('query', () => iterator.fetchNext(), ending)).resources ?? [];
  }

  /** Ends a request that takes too long: aborted where the SDK listens, left alone where it sleeps between attempts. */
  async #inTime<T>(
    operation: Operation,
    request: (options: { abortSignal: AbortSignal }) => Promise<T>,
    ending = new AbortController(),
  ): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(failure(408, `no answer within ${this.#deadlineMs} ms`));
      ending.abort();
    }, this.#deadlineMs);
    try {
      const response = await Promise.race([request({ abortSignal: ending.signal }), late.promise]);
      const { requestCharge } = Object(response) as { requestCharge?: unknown };
      if (typeof requestCharge === 'number') count('sluice.store.charge', requestCharge, { operation });
      return response;
    } catch (error) {
      if ((Object(error) as { code?: unknown }).code === 429) count('sluice.store.throttled', 1, { operation });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #container(name: ContainerName): Container {
    const known = this.#containers.get(name);
    if (known) return known;
    const container = this.#database.container(name);
    this.#containers.set(name, container);
    return container;
  }
}

function ifMatch(etag: string) {
  return { accessCondition: { type: 'IfMatch', condition: etag } };
}

function refused(index: number, status: number, reason: string): BatchOutcome {
  return { kind: 'refused', index, status, reason };
}

function failure(code: number, what: string, cause?: unknown): Error {
  return Object.assign(new Error(`The store is in trouble: ${what}.`, { cause }), { code });
}

/** The SDK throws a plain Error for a batch that failed as a whole; what was answered is only in its diagnostics. */
function answeredStatus(error: unknown): number | undefined {
  const { diagnostics } = Object(error) as { diagnostics?: CosmosDiagnostics };
  return diagnostics?.clientSideRequestStatistics.gatewayStatistics.at(-1)?.statusCode;
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

/** Undefined when the write was refused with one of these statuses, each of which is about the item. */
async function unlessRefused<T>(statuses: number[], write: () => Promise<T>): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    const { code, substatus } = Object(error) as { code?: unknown; substatus?: unknown };
    if (typeof code === 'number' && statuses.includes(code) && substatus !== OWNER_NOT_FOUND) return undefined;
    throw error;
  }
}
