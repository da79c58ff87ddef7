/** User-defined functions of a container: JavaScript that its queries call as `udf.name(…)`. */
import { badRequest, CosmosError, notFound } from '../cosmos-error.ts';
import type { DatabaseFile, SqlRow } from '../database-file.ts';
import type { JsonObject, Value } from '../json-value.ts';
import { Sandboxed } from '../sql/sandboxed-function.ts';
import type { ContainerPlace } from './container.ts';
import { containerRid, databaseRid, itemRid } from './resource-id.ts';

/** The table of all functions. */
export const FUNCTIONS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS functions (number INTEGER PRIMARY KEY AUTOINCREMENT, container INTEGER NOT NULL, id TEXT NOT NULL,
    ts INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (container, id)) STRICT;`;
/** Functions kept compiled. */
const COMPILED_MAX = 100;

const compiled = new Map<string, Sandboxed>();

export class UserFunctions {
  readonly #file: DatabaseFile;
  readonly #place: ContainerPlace;

  constructor(file: DatabaseFile, place: ContainerPlace) {
    this.#file = file;
    this.#place = place;
  }

  /** All of them, as a client sees them. */
  list(): JsonObject[] {
    return this.#file
      .all('SELECT * FROM functions WHERE container = ? ORDER BY number', this.#place.number)
      .map((row) => this.#describe(row));
  }

  /** As a client sees it. @throws 404 */
  read(id: string): JsonObject {
    return this.#describe(this.#row(id) ?? missing(id));
  }

  /** @throws 409 when the id is taken; 400 when the body is no function */
  create(id: string, body: Value, nowSeconds: number): JsonObject {
    if (this.#row(id))
      throw new CosmosError(
        409,
        `Entity with the specified id already exists in the system: the user-defined function '${id}'.`,
      );
    const values = [this.#place.number, id, nowSeconds, checkBody(body)];
    this.#file.run('INSERT INTO functions (container, id, ts, body) VALUES (?, ?, ?, ?)', ...values);
    return this.read(id);
  }

  /** @throws 404; 400 when the body is no function */
  replace(id: string, body: Value, nowSeconds: number): JsonObject {
    const { number = 0 } = this.#row(id) ?? missing(id);
    this.#file.run('UPDATE functions SET body = ?, ts = ? WHERE number = ?', checkBody(body), nowSeconds, number);
    return this.read(id);
  }

  /** @throws 404 */
  delete(id: string): void {
    const { number = 0 } = this.#row(id) ?? missing(id);
    this.#file.run('DELETE FROM functions WHERE number = ?', number);
  }

  /** Deletes all of them, with their container. */
  drop(): void {
    this.#file.run('DELETE FROM functions WHERE container = ?', this.#place.number);
  }

  /** The function, to be called. @throws 400 when there is none; the function throws 400 when it fails */
  callable(id: string): (args: Value[]) => Value {
    const row = this.#row(id);
    if (!row) throw badRequest(`'udf.${id}' is not a user-defined function of this container.`);
    const sandboxed = compile(String(row['body']));
    return (args) => sandboxed.call(`udf.${id}`, args);
  }

  #row(id: string): SqlRow | undefined {
    return this.#file.get('SELECT * FROM functions WHERE container = ? AND id = ?', this.#place.number, id);
  }

  #describe(row: SqlRow): JsonObject {
    const { databaseNumber, number } = this.#place;
    const rid = itemRid(databaseNumber, number, Number(row['number']));
    const ts = Number(row['ts']);
    return {
      id: String(row['id']),
      body: String(row['body']),
      _rid: rid,
      _self: `dbs/${databaseRid(databaseNumber)}/colls/${containerRid(databaseNumber, number)}/udfs/${rid}/`,
      _etag: `"0000${ts.toString(16).padStart(12, '0')}"`,
      _ts: ts,
    };
  }
}

function missing(id: string): never {
  throw notFound(`the user-defined function '${id}'`);
}

function checkBody(body: Value): string {
  if (typeof body !== 'string')
    throw badRequest('The body of a user-defined function must be a string with a JavaScript function.');
  compile(body);
  return body;
}

function compile(body: string): Sandboxed {
  const known = compiled.get(body);
  if (known) return known;
  const sandboxed = new Sandboxed(body);
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(body, sandboxed);
  return sandboxed;
}
