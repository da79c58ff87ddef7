/** The databases and containers of the account, kept in the file and in memory. */
import { CosmosError, notFound, ownerNotFound } from '../cosmos-error.ts';
import type { DatabaseFile } from '../database-file.ts';
import { property, type JsonObject } from '../json-value.ts';
import type { ContainerDefinition } from './container-definition.ts';
import { Container } from './container.ts';
import { databaseRid } from './resource-id.ts';
import { FUNCTIONS_SCHEMA } from './user-functions.ts';

/** A database and its containers. */
export interface Database {
  number: number;
  id: string;
  /** Epoch seconds of creation. */
  ts: number;
  containers: Map<string, Container>;
}

/** Throughput of a database or container as the client provisioned it: the `content` of its offer. */
export interface Offer {
  number: number;
  /** `_self` of the resource it belongs to. */
  resource: string;
  resourceRid: string;
  content: JsonObject;
}

/** Epoch seconds of the write that made or changed each definition. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS databases (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, ts INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS containers (number INTEGER PRIMARY KEY AUTOINCREMENT, database INTEGER NOT NULL, id TEXT NOT NULL,
    ts INTEGER NOT NULL, definition TEXT NOT NULL, lsn_reserved INTEGER NOT NULL, UNIQUE (database, id)) STRICT;
  CREATE TABLE IF NOT EXISTS offers (number INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, resource_rid TEXT NOT NULL,
    content TEXT NOT NULL) STRICT;
  ${FUNCTIONS_SCHEMA}`;
/** The layout of the file; a file of another one is refused. */
const FORMAT = '1';

export class Account {
  readonly databases = new Map<string, Database>();
  readonly #file: DatabaseFile;
  readonly #timestamps = new WeakMap<Container, number>();

  /** Reads what the file holds. @throws Error when the file was written by a version with another layout */
  constructor(file: DatabaseFile) {
    this.#file = file;
    file.exec(SCHEMA);
    file.run('INSERT OR IGNORE INTO settings VALUES (?, ?)', 'format', FORMAT);
    const format = file.get('SELECT value FROM settings WHERE name = ?', 'format')?.['value'];
    if (format !== FORMAT)
      throw new Error(
        `it has format ${String(format)}; this version reads format ${FORMAT}. Start with an empty data folder.`,
      );
    const byNumber = new Map<number, Database>();
    for (const row of file.all('SELECT number, id, ts FROM databases ORDER BY number')) {
      const database = {
        number: Number(row['number']),
        id: String(row['id']),
        ts: Number(row['ts']),
        containers: new Map<string, Container>(),
      };
      this.databases.set(database.id, database);
      byNumber.set(database.number, database);
    }
    for (const row of file.all('SELECT * FROM containers ORDER BY number')) {
      const database = byNumber.get(Number(row['database']));
      if (!database) continue;
      const definition = JSON.parse(String(row['definition'])) as ContainerDefinition;
      const place = { databaseId: database.id, databaseNumber: database.number, number: Number(row['number']) };
      this.#remember(database, new Container(file, place, definition, Number(row['lsn_reserved'])), Number(row['ts']));
    }
  }

  /** By id, or by `_rid`. @param as whether the request is about it, or about something that it owns @throws 404 */
  database(id: string, as: 'itself' | 'owner' = 'owner'): Database {
    const database =
      this.databases.get(id) ?? [...this.databases.values()].find(({ number }) => databaseRid(number) === id);
    if (!database) throw as === 'itself' ? notFound(`the database '${id}'`) : ownerNotFound(`the database '${id}'`);
    return database;
  }

  /**
   * By id, or by `_rid`.
   * @throws 404 with sub-status 1003, also when the request is about the container itself: the SDKs read it before they
   * use it, and tell a missing container from a missing item by the sub-status
   */
  container(databaseId: string, id: string): Container {
    const { containers } = this.database(databaseId);
    const container = containers.get(id) ?? [...containers.values()].find(({ rid }) => rid === id);
    if (!container) throw ownerNotFound(`the container '${id}' of database '${databaseId}'`);
    return container;
  }

  /** Every container of every database. */
  *containers(): Generator<Container> {
    for (const { containers } of this.databases.values()) yield* containers.values();
  }

  /** @throws 409 when the id is taken */
  createDatabase(id: string, nowSeconds: number, throughput: JsonObject | undefined): Database {
    if (this.databases.has(id))
      throw new CosmosError(409, `Entity with the specified id already exists in the system: the database '${id}'.`);
    const number = this.#file.transaction(() => {
      const row = this.#file.get('INSERT INTO databases (id, ts) VALUES (?, ?) RETURNING number', id, nowSeconds);
      const created = Number(row?.['number']);
      const rid = databaseRid(created);
      if (throughput) this.#createOffer(`dbs/${rid}/`, rid, throughput);
      return created;
    });
    const database = { number, id, ts: nowSeconds, containers: new Map<string, Container>() };
    this.databases.set(id, database);
    return database;
  }

  /** Deletes a database with its containers and their items. @throws 404 */
  deleteDatabase(id: string): void {
    const database = this.database(id, 'itself');
    this.#file.transaction(() => {
      for (const container of database.containers.values()) this.#deleteRows(container);
      this.#file.run('DELETE FROM databases WHERE number = ?', database.number);
      this.#file.run('DELETE FROM offers WHERE resource_rid = ?', databaseRid(database.number));
    });
    this.databases.delete(database.id);
  }

  /** @throws 409 when the id is taken, 404 when the database is not there */
  createContainer(
    databaseId: string,
    definition: ContainerDefinition,
    nowSeconds: number,
    throughput: JsonObject | undefined,
  ): Container {
    const database = this.database(databaseId);
    const { id } = definition;
    if (database.containers.has(id))
      throw new CosmosError(409, `Entity with the specified id already exists in the system: the container '${id}'.`);
    const container = this.#file.transaction(() => {
      const row = this.#file.get(
        'INSERT INTO containers (database, id, ts, definition, lsn_reserved) VALUES (?, ?, ?, ?, 0) RETURNING number',
        database.number,
        id,
        nowSeconds,
        JSON.stringify(definition),
      );
      const place = { databaseId: database.id, databaseNumber: database.number, number: Number(row?.['number']) };
      const created = new Container(this.#file, place, definition, 0);
      created.items.create();
      if (throughput) this.#createOffer(created.self, created.rid, throughput);
      return created;
    });
    this.#remember(database, container, nowSeconds);
    return container;
  }

  /**
   * Replaces a container's definition.
   * @returns the container under the new one
   * @throws 400 when it changes what cannot change
   */
  replaceContainer(container: Container, definition: ContainerDefinition, nowSeconds: number): Container {
    for (const fixed of ['id', 'partitionKey', 'uniqueKeyPolicy'] as const)
      if (JSON.stringify(definition[fixed]) !== JSON.stringify(container.definition[fixed]))
        throw new CosmosError(400, `The ${fixed} of a container cannot be changed.`);
    const replaced = new Container(this.#file, container.place, definition, container.lsn);
    this.#file.transaction(() => {
      this.#file.run(
        'UPDATE containers SET definition = ?, ts = ? WHERE number = ?',
        JSON.stringify(definition),
        nowSeconds,
        container.place.number,
      );
      container.items.reindex(replaced.items.layout.indexed);
      container.items.applyDefaultTtl(replaced.defaultTtl);
    });
    this.#remember(this.database(container.place.databaseId), replaced, nowSeconds);
    return replaced;
  }

  /** Deletes a container with its items. @throws 404 */
  deleteContainer(databaseId: string, id: string): void {
    const container = this.container(databaseId, id);
    this.#file.transaction(() => this.#deleteRows(container));
    this.database(databaseId).containers.delete(container.id);
  }

  /** Changes provisioned throughput. */
  replaceOffer(number: number, content: JsonObject): void {
    this.#file.run('UPDATE offers SET content = ? WHERE number = ?', JSON.stringify(content), number);
  }

  /** RU/s that the offer of a container, or of its database, provisions; undefined when neither has one. */
  provisioned(of: { database?: string; container?: string }): number | undefined {
    const database = this.databases.get(of.database ?? '');
    const container = database?.containers.get(of.container ?? '');
    if (!database || !container) return undefined;
    const offers = this.offers();
    const { content } =
      offers.find(({ resourceRid }) => resourceRid === container.rid) ??
      offers.find(({ resourceRid }) => resourceRid === databaseRid(database.number)) ??
      {};
    const throughput =
      property(content?.['offerAutopilotSettings'], 'maxThroughput') ?? property(content, 'offerThroughput');
    return typeof throughput === 'number' ? throughput : undefined;
  }

  offers(): Offer[] {
    return this.#file.all('SELECT * FROM offers ORDER BY number').map((row) => ({
      number: Number(row['number']),
      resource: String(row['resource']),
      resourceRid: String(row['resource_rid']),
      content: JSON.parse(String(row['content'])) as JsonObject,
    }));
  }

  /** A database as a client sees it. */
  describeDatabase({ id, number, ts }: Database): JsonObject {
    const rid = databaseRid(number);
    return { id, _rid: rid, _self: `dbs/${rid}/`, _etag: etag(ts), _colls: 'colls/', _users: 'users/', _ts: ts };
  }

  /** A container as a client sees it. */
  describeContainer(container: Container): JsonObject {
    const ts = this.#timestamps.get(container) ?? 0;
    return {
      ...container.definition,
      _rid: container.rid,
      _ts: ts,
      _self: container.self,
      _etag: etag(ts),
      _docs: 'docs/',
      _sprocs: 'sprocs/',
      _triggers: 'triggers/',
      _udfs: 'udfs/',
      _conflicts: 'conflicts/',
    };
  }

  #createOffer(resource: string, resourceRid: string, content: JsonObject): void {
    this.#file.run(
      'INSERT INTO offers (resource, resource_rid, content) VALUES (?, ?, ?)',
      resource,
      resourceRid,
      JSON.stringify(content),
    );
  }

  #remember(database: Database, container: Container, ts: number): void {
    database.containers.set(container.id, container);
    this.#timestamps.set(container, ts);
  }

  #deleteRows(container: Container): void {
    container.items.drop();
    container.functions.drop();
    this.#file.run('DELETE FROM containers WHERE number = ?', container.place.number);
    this.#file.run('DELETE FROM offers WHERE resource_rid = ?', container.rid);
  }
}

function etag(ts: number): string {
  return `"0000${ts.toString(16).padStart(12, '0')}"`;
}
