/**
 * The items of one container as a table of SQLite. `rid` is the order of creation (and of streaming), `lsn` the order of
 * writes (and of the change feed); `pk` is the key's text, `t…` index entries of included scalar paths, `u…` unique keys.
 */
import { isUniqueViolation, type DatabaseFile, type SqlRow, type SqlValue } from '../database-file.ts';
import type { JsonObject } from '../json-value.ts';
import { indexTerm } from './index-term.ts';
import { valueAt } from './partition-key.ts';

/** An item as stored: the client's own properties in `body`, the system's beside it. */
export interface StoredItem {
  rid: number;
  pk: string;
  id: string;
  epk: string;
  lsn: number;
  /** Epoch seconds of the last write. */
  ts: number;
  /** Epoch seconds at which it is gone; null = never. */
  expires: number | null;
  /** The item's own ttl, kept for a change of the container's default. */
  ttl: number | null;
  body: string;
}

/** A path with an index of its own. */
export interface IndexedColumn {
  segments: string[];
  column: string;
}

/** What the table needs to know of its container. */
export interface TableLayout {
  indexed: IndexedColumn[];
  /** Paths of each unique key. */
  unique: string[][][];
  /** True when `/id` is the whole partition key: then every partition holds one item and indexes span partitions. */
  keyIsId: boolean;
  /** The one path of the partition key, as `a/b`; undefined for a hierarchical key. */
  keyPath: string | undefined;
}

/** An item with this id, or with these unique values, is there already. */
export class DuplicateItem extends Error {
  override readonly name = 'DuplicateItem';
}

const COLUMNS = ['rid', 'pk', 'id', 'epk', 'lsn', 'ts', 'expires', 'ttl', 'body'] as const;

export class ItemsTable {
  readonly name: string;
  readonly layout: TableLayout;
  readonly #file: DatabaseFile;

  constructor(file: DatabaseFile, number: number, layout: TableLayout) {
    this.#file = file;
    this.name = `items_${number}`;
    this.layout = layout;
  }

  /** Creates table and indexes. */
  create(): void {
    const { indexed, unique, keyIsId } = this.layout;
    const extra = [...indexed.map(({ column }) => `, ${column} BLOB`), ...unique.map((_, index) => `, u${index} TEXT`)];
    this.#file.exec(
      `CREATE TABLE ${this.name} (rid INTEGER PRIMARY KEY, pk TEXT NOT NULL, id TEXT NOT NULL, epk TEXT NOT NULL,
        lsn INTEGER NOT NULL, ts INTEGER NOT NULL, expires INTEGER, ttl INTEGER, body TEXT NOT NULL ${extra.join('')}) STRICT;
       CREATE UNIQUE INDEX ${this.name}_id ON ${this.name} (pk, id);
       CREATE INDEX ${this.name}_lsn ON ${this.name} (lsn);
       CREATE INDEX ${this.name}_expires ON ${this.name} (expires) WHERE expires IS NOT NULL;
       ${keyIsId ? '' : `CREATE INDEX ${this.name}_pk ON ${this.name} (pk);`}
       ${unique.map((_, index) => `CREATE UNIQUE INDEX ${this.name}_u${index} ON ${this.name} (pk, u${index});`).join('\n')}`,
    );
    for (const column of indexed) this.#createIndex(column);
  }

  /** Drops the table and everything in it. */
  drop(): void {
    this.#file.exec(`DROP TABLE ${this.name}`);
  }

  /** Gives the table the indexes of another policy: what is new is filled from the items, what is gone is dropped. */
  reindex(indexed: IndexedColumn[]): void {
    const before = new Set(this.layout.indexed.map(({ column }) => column));
    const after = new Set(indexed.map(({ column }) => column));
    for (const column of before)
      if (!after.has(column))
        this.#file.exec(`DROP INDEX ${this.name}_${column}; ALTER TABLE ${this.name} DROP COLUMN ${column}`);
    const added = indexed.filter(({ column }) => !before.has(column));
    for (const { column } of added) this.#file.exec(`ALTER TABLE ${this.name} ADD COLUMN ${column} BLOB`);
    if (added.length > 0) {
      const set = added.map(({ column }) => `${column} = ?`).join(', ');
      for (const { rid, body } of this.#file.all(`SELECT rid, body FROM ${this.name}`)) {
        const document = JSON.parse(String(body)) as JsonObject;
        const terms = added.map(({ segments }) => indexTerm(valueAt(document, segments)));
        this.#file.run(`UPDATE ${this.name} SET ${set} WHERE rid = ?`, ...terms, Number(rid));
      }
    }
    for (const column of added) this.#createIndex(column);
  }

  /** The item with this id in this partition, unless it has expired. */
  find(pk: string, id: string, nowSeconds: number): StoredItem | undefined {
    const row = this.#file.get(
      `SELECT ${COLUMNS.join(', ')} FROM ${this.name} WHERE pk = ? AND id = ? AND (expires IS NULL OR expires > ?)`,
      pk,
      id,
      nowSeconds,
    );
    return row && toItem(row);
  }

  /**
   * Adds an item.
   * @throws DuplicateItem when its id or a unique key is taken by an item that has not expired
   */
  insert(item: StoredItem, document: JsonObject, nowSeconds: number): void {
    const names = [...COLUMNS, ...this.#extraColumns()];
    const sql = `INSERT INTO ${this.name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
    this.#unlessTaken(item.pk, nowSeconds, () => this.#file.run(sql, ...this.#values(item, document)));
  }

  /**
   * Writes an item over the one with the same `rid`.
   * @throws DuplicateItem when a unique key is taken by another one
   */
  update(item: StoredItem, document: JsonObject, nowSeconds: number): void {
    const names = [...COLUMNS, ...this.#extraColumns()];
    const sql = `UPDATE ${this.name} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE rid = ?`;
    this.#unlessTaken(item.pk, nowSeconds, () => this.#file.run(sql, ...this.#values(item, document), item.rid));
  }

  remove(rid: number): void {
    this.#file.run(`DELETE FROM ${this.name} WHERE rid = ?`, rid);
  }

  /** Deletes every item of a partition; answers how many. */
  removePartition(pk: string): number {
    return this.#file.run(`DELETE FROM ${this.name} WHERE pk = ?`, pk);
  }

  /** Deletes what has expired; answers how many. */
  sweep(nowSeconds: number): number {
    return this.#file.run(`DELETE FROM ${this.name} WHERE expires <= ?`, nowSeconds);
  }

  /** Sets when items expire, after the container's default has changed. */
  applyDefaultTtl(defaultTtl: number | undefined): void {
    const expires =
      defaultTtl === undefined
        ? 'NULL'
        : `CASE WHEN coalesce(ttl, ${defaultTtl}) = -1 THEN NULL ELSE ts + coalesce(ttl, ${defaultTtl}) END`;
    this.#file.run(`UPDATE ${this.name} SET expires = ${expires}`);
  }

  /** Rows that satisfy conditions, in an order; see the query's scan for how they are made. */
  *scan(where: string, orderBy: string, values: SqlValue[]): Generator<StoredItem> {
    const sql = `SELECT ${COLUMNS.join(', ')} FROM ${this.name} WHERE ${where} ORDER BY ${orderBy}`;
    for (const row of this.#file.iterate(sql, ...values)) yield toItem(row);
  }

  /** A figure over all items, for quotas and feeds. */
  figure(expression: 'count(*)' | 'max(lsn)' | 'sum(length(body))'): number {
    return Number(this.#file.get(`SELECT ${expression} AS figure FROM ${this.name}`)?.['figure'] ?? 0);
  }

  #createIndex({ column }: IndexedColumn): void {
    const on = this.layout.keyIsId ? column : `pk, ${column}`;
    this.#file.exec(`CREATE INDEX ${this.name}_${column} ON ${this.name} (${on})`);
  }

  #extraColumns(): string[] {
    return [...this.layout.indexed.map(({ column }) => column), ...this.layout.unique.map((_, index) => `u${index}`)];
  }

  #values(item: StoredItem, document: JsonObject): SqlValue[] {
    return [
      ...COLUMNS.map((name) => item[name]),
      ...this.layout.indexed.map(({ segments }) => indexTerm(valueAt(document, segments))),
      // What is not there counts as null for a unique key.
      ...this.layout.unique.map((paths) =>
        JSON.stringify(paths.map((segments) => valueAt(document, segments) ?? null)),
      ),
    ];
  }

  #unlessTaken(pk: string, nowSeconds: number, write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // What has expired but was not swept yet is in nobody's way.
      if (this.#file.run(`DELETE FROM ${this.name} WHERE pk = ? AND expires <= ?`, pk, nowSeconds) === 0)
        throw new DuplicateItem();
      this.#unlessTaken(pk, nowSeconds, write);
    }
  }
}

function toItem(row: SqlRow): StoredItem {
  return row as unknown as StoredItem;
}
