/** A store whose every request passes a test's hands: to count it, hold it, break it, or change what it says. */
import type { Database, SqlQuerySpec } from '@azure/cosmos';
import {
  Store,
  type BatchOperation,
  type BatchOutcome,
  type ContainerName,
  type Document,
  type Stored,
} from '../../shared/store/store.ts';

/** One request. */
export type StoreRequest =
  | { kind: 'read'; name: ContainerName; id: string; partitionKey: string }
  | { kind: 'create' | 'replace' | 'upsert'; name: ContainerName; document: Document }
  | { kind: 'delete'; name: ContainerName; id: string; partitionKey: string }
  | { kind: 'batch'; name: ContainerName; partitionKey: string; operations: BatchOperation[] }
  | { kind: 'query'; name: ContainerName; query: SqlQuerySpec; partitionKey: string | undefined };

/** Does what it wants around a request. */
export type Intercept = <T>(request: StoreRequest, run: () => Promise<T>) => Promise<T>;

/** See the top of the file. */
export class InterceptedStore extends Store {
  readonly #intercept: Intercept;

  constructor(database: Database, intercept: Intercept) {
    super(database);
    this.#intercept = intercept;
  }

  override read<T extends object>(name: ContainerName, id: string, partitionKey: string) {
    return this.#intercept({ kind: 'read', name, id, partitionKey }, () => super.read<T>(name, id, partitionKey));
  }

  override create<T extends Document>(name: ContainerName, document: T) {
    return this.#intercept({ kind: 'create', name, document }, () => super.create(name, document));
  }

  override replace<T extends Document>(name: ContainerName, document: T, etag: string) {
    return this.#intercept({ kind: 'replace', name, document }, () => super.replace(name, document, etag));
  }

  override upsert<T extends Document>(name: ContainerName, document: T) {
    return this.#intercept({ kind: 'upsert', name, document }, () => super.upsert(name, document));
  }

  override delete(name: ContainerName, id: string, partitionKey: string, etag?: string) {
    return this.#intercept({ kind: 'delete', name, id, partitionKey }, () =>
      super.delete(name, id, partitionKey, etag),
    );
  }

  override batch(name: ContainerName, partitionKey: string, operations: BatchOperation[]): Promise<BatchOutcome> {
    return this.#intercept({ kind: 'batch', name, partitionKey, operations }, () =>
      super.batch(name, partitionKey, operations),
    );
  }

  override some<T extends object>(name: ContainerName, query: SqlQuerySpec, partitionKey: string, max: number) {
    return this.#intercept({ kind: 'query', name, query, partitionKey }, () =>
      super.some<T>(name, query, partitionKey, max),
    );
  }

  override all<T extends object>(
    name: ContainerName,
    query: SqlQuerySpec,
    partitionKey?: string,
  ): Promise<Stored<T>[]> {
    return this.#intercept({ kind: 'query', name, query, partitionKey }, () => super.all<T>(name, query, partitionKey));
  }
}
