/**
 * The SQLite file under the stand-in: the only place that knows `node:sqlite`, whose API is not stable yet.
 * One process owns the file; a transaction is atomic, and survives the death of the process once `transaction` returned.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { CosmosError } from './cosmos-error.ts';

export type SqlValue = SQLInputValue;
export type SqlRow = Record<string, SQLOutputValue>;

/** Statements kept prepared; beyond it the oldest goes. Query texts vary, so that the cache needs an end. */
const STATEMENTS_MAX = 500;
/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_CONSTRAINT = 19;
/** SQLite's own default for `max_page_count`: no limit of ours. */
const PAGES_UNLIMITED = 4294967294;
/** KiB of page cache; beyond it SQLite reads from the operating system's cache. */
const CACHE_KIB = 32 * 1024;

function resultCode(error: unknown): number | undefined {
  if (!Error.isError(error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** True when a write was refused by a unique index. */
export function isUniqueViolation(error: unknown): boolean {
  return resultCode(error) === SQLITE_CONSTRAINT;
}

/** Turns trouble of SQLite (a full disk, a damaged page, an I/O error) into 503, so that callers retry and nothing crashes. */
export function asUnavailable(error: unknown): CosmosError | undefined {
  if (resultCode(error) === undefined || !Error.isError(error)) return undefined;
  return new CosmosError(
    503,
    `The database file of the local Cosmos DB refused the operation: ${error.message}. Nothing was written.`,
  );
}

/** A SQLite database, in a file or in memory. */
export class DatabaseFile {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  /** Why SQLite undid the transaction that is running, by itself. */
  #undoneBy: unknown;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Opens the file and takes it for this process alone; creates its folder when needed.
   * @param path absent = in memory
   * @throws Error with a sentence that says what is wrong: locked by another process, no database, not writable
   */
  static open(path: string | undefined): DatabaseFile {
    let database: DatabaseSync | undefined;
    try {
      if (path !== undefined) mkdirSync(dirname(path), { recursive: true });
      database = new DatabaseSync(path ?? ':memory:', { timeout: 0 });
      // Exclusive mode must come before WAL: then SQLite needs no shared memory file and nobody else can open it.
      database.exec(
        `PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-${CACHE_KIB};` +
          ' BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT) STRICT; COMMIT',
      );
      return new DatabaseFile(database);
    } catch (error) {
      database?.close();
      const reason = Error.isError(error) ? error.message : String(error);
      if (resultCode(error) === SQLITE_BUSY)
        throw new Error(`${path} is in use by another process. Stop it, or choose another data folder.`, {
          cause: error,
        });
      throw new Error(`Cannot open the database file ${path}: ${reason}.`, { cause: error });
    }
  }

  /** Runs a statement that returns no rows; answers how many rows changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** The first row, if any. */
  get(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.#prepare(sql).get(...values);
  }

  /** All rows. */
  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.#prepare(sql).all(...values);
  }

  /** Rows one by one; the same statement must not be started again before the end. */
  iterate(sql: string, ...values: SqlValue[]): IterableIterator<SqlRow> {
    return this.#prepare(sql).iterate(...values);
  }

  /** Runs schema statements. */
  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /**
   * Runs `work` all or nothing: a throw undoes what it wrote. Nests: an inner one is undone alone.
   * @throws what the work throws; within one that SQLite has undone by itself, why it did: nothing may be written then
   */
  transaction<T>(work: () => T): T {
    const nested = this.#depth > 0;
    const savepoint = `s${this.#depth}`;
    // A savepoint outside a transaction would be one of its own, and what it wrote would stay.
    if (nested && !this.#database.isTransaction) throw this.#undoneBy;
    this.#database.exec(nested ? `SAVEPOINT ${savepoint}` : 'BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = work();
      this.#database.exec(nested ? `RELEASE ${savepoint}` : 'COMMIT');
      return result;
    } catch (error) {
      // SQLite undoes the whole transaction by itself on some errors (a full disk): then there is nothing to undo.
      if (!this.#database.isTransaction) this.#undoneBy = error;
      else this.#database.exec(nested ? `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}` : 'ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** True within a transaction, unless SQLite undid it by itself. */
  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Lets the file grow no further, as on a full disk, until called with false. */
  setFull(full: boolean): void {
    const pages = Number(this.#database.prepare('PRAGMA page_count').get()?.['page_count'] ?? 0);
    this.#database.exec(`PRAGMA max_page_count=${full ? pages : PAGES_UNLIMITED}`);
  }

  /** Closes the file; a second time is without effect. */
  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    if (this.#statements.size >= STATEMENTS_MAX) {
      const oldest = this.#statements.keys().next().value;
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
