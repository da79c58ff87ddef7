/** A container in use: its definition compiled, its items, and the counter that numbers its writes. */
import type { DatabaseFile } from '../database-file.ts';
import type { JsonObject, JsonValue } from '../json-value.ts';
import { ItemsTable, type IndexedColumn, type StoredItem, type TableLayout } from '../items/items-table.ts';
import { pathSegments } from '../items/partition-key.ts';
import { checkTimeToLive, type ContainerDefinition } from './container-definition.ts';
import { compilePolicy, type IndexingPolicy } from './indexing-policy.ts';
import { containerRid, databaseRid, itemRid } from './resource-id.ts';
import { UserFunctions } from './user-functions.ts';

/** Numbers taken from the file at once, so that not every write has to store the counter; a restart skips the rest. */
const LSN_RESERVE = 1000;

/** System properties: never stored with the client's, always added to an answer. */
export const SYSTEM_PROPERTIES = ['_rid', '_self', '_etag', '_attachments', '_ts'] as const;

/** How a container is numbered and where it belongs. */
export interface ContainerPlace {
  databaseId: string;
  databaseNumber: number;
  number: number;
}

export class Container {
  readonly id: string;
  readonly place: ContainerPlace;
  readonly rid: string;
  readonly self: string;
  /** Names along each path of the partition key. */
  readonly keyPaths: string[][];
  readonly items: ItemsTable;
  readonly functions: UserFunctions;
  readonly definition: ContainerDefinition;
  readonly policy: IndexingPolicy;
  /** Seconds, -1 = items live for ever unless they say otherwise, undefined = no item ever expires. */
  readonly defaultTtl: number | undefined;
  readonly #file: DatabaseFile;
  #lsn: number;
  #reserved: number;

  constructor(file: DatabaseFile, place: ContainerPlace, definition: ContainerDefinition, lsnReserved: number) {
    this.#file = file;
    this.place = place;
    this.id = definition.id;
    this.rid = containerRid(place.databaseNumber, place.number);
    this.self = `dbs/${databaseRid(place.databaseNumber)}/colls/${this.rid}/`;
    this.definition = definition;
    this.policy = compilePolicy(definition.indexingPolicy);
    this.keyPaths = definition.partitionKey.paths.map(pathSegments);
    this.defaultTtl = checkTimeToLive(definition['defaultTtl'], 'defaultTtl');
    this.items = new ItemsTable(file, place.number, tableLayout(definition, this.policy, this.keyPaths));
    this.functions = new UserFunctions(file, place);
    this.#lsn = lsnReserved;
    this.#reserved = lsnReserved;
  }

  /** The number of the last write. */
  get lsn(): number {
    return this.#lsn;
  }

  /** The number of the next write. Numbers only grow, over restarts and undone transactions too. */
  nextLsn(): number {
    if (this.#lsn >= this.#reserved) {
      const reserved = this.#lsn + LSN_RESERVE;
      this.#file.run(
        'UPDATE containers SET lsn_reserved = max(lsn_reserved, ?) WHERE number = ?',
        reserved,
        this.place.number,
      );
      this.#reserved = reserved;
    }
    return ++this.#lsn;
  }

  /** Forgets the reservation after an undone transaction: it may have been undone too. */
  forgetReservation(): void {
    this.#reserved = this.#lsn;
  }

  /** The etag of an item: changes with every write, also when the item is deleted and made again. */
  etagOf(item: Pick<StoredItem, 'lsn'>): string {
    const lsn = item.lsn.toString(16).padStart(16, '0');
    return `"${this.place.number.toString(16).padStart(8, '0')}-0000-0000-${lsn.slice(0, 4)}-${lsn.slice(4)}"`;
  }

  /** The item's `_rid`. */
  itemRid(item: Pick<StoredItem, 'rid'>): string {
    return itemRid(this.place.databaseNumber, this.place.number, item.rid);
  }

  /** System properties of an item. */
  systemProperties(item: StoredItem): Record<(typeof SYSTEM_PROPERTIES)[number], JsonValue> {
    const rid = this.itemRid(item);
    return {
      _rid: rid,
      _self: `${this.self}docs/${rid}/`,
      _etag: this.etagOf(item),
      _attachments: 'attachments/',
      _ts: item.ts,
    };
  }

  /** The item as JSON text, as a client sees it. */
  textOf(item: StoredItem, extra?: JsonObject): string {
    const system = JSON.stringify({ ...this.systemProperties(item), ...extra });
    return `${item.body.slice(0, -1)},${system.slice(1)}`;
  }
}

function tableLayout(definition: ContainerDefinition, policy: IndexingPolicy, keyPaths: string[][]): TableLayout {
  const keyPath = keyPaths.length === 1 ? keyPaths[0]?.join('/') : undefined;
  return {
    indexed: indexedColumns(policy, keyPaths),
    unique: definition.uniqueKeyPolicy.uniqueKeys.map(({ paths }) => paths.map(pathSegments)),
    keyIsId: keyPath === 'id',
    keyPath,
  };
}

/** Columns of the policy's scalar paths, but for those that every table has. */
function indexedColumns(policy: IndexingPolicy, keyPaths: string[][]): IndexedColumn[] {
  const skipped = new Set(['id', '_ts', ...keyPaths.map((segments) => segments.join('/'))]);
  const wanted = new Map(policy.scalarPaths.map((segments) => [segments.join('/'), [...segments]]));
  return [...wanted]
    .filter(([path]) => !skipped.has(path))
    .map(([path, segments]) => ({ segments, column: columnName(path) }));
}

/** A column name made of the path, so that it is the same after a restart. */
function columnName(path: string): string {
  return `t_${Buffer.from(path, 'utf8').toString('hex')}`;
}
