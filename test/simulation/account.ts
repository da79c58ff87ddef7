/**
 * A simulated Cosmos DB account: etags, transactional batches, time to live, queries by the stand-in's own SQL engine,
 * and a change feed in the order of writes. It remembers every commit, so that what happened can be judged afterwards.
 * It is synchronous and knows nothing of networks: see `database.ts`.
 */
import { parseQuery } from '../../local/cosmos/sql/parse.ts';
import { runQuery } from '../../local/cosmos/sql/run-query.ts';
import type { Query } from '../../local/cosmos/sql/syntax.ts';
import type { JsonObject, Value } from '../../local/cosmos/json-value.ts';
import resources from '../../infra/resources.json' with { type: 'json' };

/** A document as the store holds it. */
export type StoredDocument = JsonObject & { id: string; _etag: string; _ts: number };

/** A text of a document; empty where it is none. */
export function textOf(value: Value): string {
  return typeof value === 'string' ? value : '';
}

/** Who writes, for those who judge what was written. */
export interface Writer {
  by: 'ingest' | 'journal' | 'sweep' | 'operator' | 'projection' | 'setup';
  /** The time up to which a sweep lets time pass, epoch milliseconds. */
  processedMs?: number;
}

/** One atomic write of documents under one partition key. */
export interface Commit {
  container: string;
  pk: string;
  atMs: number;
  by: Writer;
  documents: StoredDocument[];
}

/** One operation of a batch. */
export interface Operation {
  kind: 'create' | 'upsert' | 'replace' | 'delete';
  id: string;
  document?: JsonObject;
  ifMatch?: string;
}

/** An operation's answer: a status as the service gives it. */
export interface Answer {
  status: number;
  etag?: string;
  document?: StoredDocument;
}

interface Item {
  rid: number;
  lsn: number;
  text: string;
  document: StoredDocument;
  expiresMs: number;
}

interface Collection {
  keyName: string;
  byKey: Map<string, Map<string, Item>>;
  /** An index: what a query over all partitions asks for is a small part of a large container. */
  byKind: Map<Value, Set<Item>>;
}

/** What the account refuses for good, with 413. */
export type Refuses = (document: JsonObject) => boolean;

/** Operations of one batch (service limit). */
const OPERATIONS_MAX = 100;
/** Feed ranges of a container. */
export const FEED_RANGES = 2;

const parsed = new Map<string, Query>();

/** See the top of the file. */
export class Account {
  readonly commits: Commit[] = [];
  readonly #collections = new Map<string, Collection>();
  readonly #now: () => number;
  readonly #refuses: Refuses;
  readonly #remembers: boolean;
  #lsn = 0;
  #etags = 0;

  /** @param remembers false: `commits` stays empty, for worlds that are too large to judge commit by commit */
  constructor(now: () => number, refuses: Refuses = () => false, remembers = true) {
    this.#now = now;
    this.#refuses = refuses;
    this.#remembers = remembers;
    for (const { name, partitionKey } of resources.cosmos.containers)
      this.#collections.set(name, { keyName: partitionKey.slice(1), byKey: new Map(), byKind: new Map() });
  }

  /** The partition key of a document. */
  keyOf(container: string, document: JsonObject): string {
    const key = document[this.#collection(container).keyName];
    if (typeof key !== 'string') throw new Error(`A document for ${container} lacks its partition key.`);
    return key;
  }

  read(container: string, id: string, pk: string): StoredDocument | undefined {
    const item = this.#live(this.#collection(container).byKey.get(pk)?.get(id));
    return item && (JSON.parse(item.text) as StoredDocument);
  }

  /** Applies operations all or nothing; the answers say which one failed, the others then have 424. */
  batch(container: string, pk: string, operations: readonly Operation[], by: Writer): Answer[] {
    if (operations.length > OPERATIONS_MAX) throw new Error(`A batch of ${operations.length} operations.`);
    const items = this.#partition(container, pk);
    const undo: (() => void)[] = [];
    const answers: Answer[] = [];
    const documents: StoredDocument[] = [];
    for (const operation of operations) {
      const answer = this.#apply(container, pk, items, operation, undo);
      answers.push(answer);
      if (answer.document) documents.push(answer.document);
      if (answer.status < 400) continue;
      for (const step of undo.toReversed()) step();
      return operations.map((_, index) => (index === answers.length - 1 ? answer : { status: 424 }));
    }
    if (documents.length > 0 && this.#remembers)
      this.commits.push({ container, pk, atMs: this.#now(), by: { ...by }, documents });
    return answers;
  }

  /** One page of a query. */
  query(
    container: string,
    text: string,
    parameters: ReadonlyMap<string, Value>,
    pk: string | undefined,
    page: { continuation: string | undefined; maxRows: number },
  ): { rows: JsonObject[]; continuation?: string } {
    const query = parsed.get(text) ?? parseQuery(text);
    parsed.set(text, query);
    const { rows, continuation } = runQuery({
      query,
      parameters,
      nowMs: this.#now(),
      plan: { conditions: [], values: [], descending: false, ordered: query.orderBy.length === 0 },
      scan: (_, behind) => this.#scan(container, pk, Number(behind?.values.at(-1) ?? 0), kindOf(text)),
      ...page,
    });
    return {
      rows: rows.map((row) => JSON.parse(row) as JsonObject),
      ...(continuation === undefined ? {} : { continuation }),
    };
  }

  /** All documents of a container, or of one partition, in the order of creation. */
  all(container: string, pk?: string): StoredDocument[] {
    return [...this.#scan(container, pk, 0)].map(({ document }) => document);
  }

  /** Changed documents of one feed range behind a continuation: the latest version of each, in the order of writes. */
  changes(container: string, range: number, after: number, max: number): { lsn: number; document: StoredDocument }[] {
    const changed: Item[] = [];
    for (const [pk, items] of this.#collection(container).byKey) {
      if (rangeOf(pk) !== range) continue;
      for (const item of items.values()) if (item.lsn > after && this.#live(item)) changed.push(item);
    }
    changed.sort((a, b) => a.lsn - b.lsn);
    return changed.slice(0, max).map(({ lsn, text }) => ({ lsn, document: JSON.parse(text) as StoredDocument }));
  }

  #apply(
    container: string,
    pk: string,
    items: Map<string, Item>,
    { kind, id, document, ifMatch }: Operation,
    undo: (() => void)[],
  ): Answer {
    const known = this.#live(items.get(id));
    if (kind === 'create' && known) return { status: 409 };
    if ((kind === 'replace' || kind === 'delete') && !known) return { status: 404 };
    if (ifMatch !== undefined && known?.document._etag !== ifMatch) return { status: 412 };
    undo.push(() => this.#set(container, items, id, known));
    if (kind === 'delete' || document === undefined) {
      this.#set(container, items, id, undefined);
      return { status: 204 };
    }
    if (this.#refuses(document)) return { status: 413 };
    if (this.keyOf(container, document) !== pk || document['id'] !== id) return { status: 400 };
    const nowMs = this.#now();
    const etag = `"${++this.#etags}"`;
    const stored = { ...document, _etag: etag, _ts: Math.floor(nowMs / 1000) };
    const text = JSON.stringify(stored);
    const ttl = document['ttl'];
    const lsn = ++this.#lsn;
    const item: Item = {
      rid: known?.rid ?? lsn,
      lsn,
      text,
      // What was written, and not what the writer still holds in its hands.
      document: JSON.parse(text) as StoredDocument,
      expiresMs: typeof ttl === 'number' && ttl > 0 ? nowMs + ttl * 1000 : Infinity,
    };
    this.#set(container, items, id, item);
    return { status: known ? 200 : 201, etag, document: item.document };
  }

  /** Puts an item in its place, or takes away what is there. */
  #set(container: string, items: Map<string, Item>, id: string, item: Item | undefined): void {
    const { byKind } = this.#collection(container);
    const before = items.get(id);
    if (before) byKind.get(before.document['kind'])?.delete(before);
    if (!item) {
      items.delete(id);
      return;
    }
    items.set(id, item);
    const kind = item.document['kind'];
    const ofKind = byKind.get(kind) ?? new Set<Item>();
    byKind.set(kind, ofKind);
    ofKind.add(item);
  }

  *#scan(container: string, pk: string | undefined, fromRid: number, kind?: string): Generator<Source> {
    const { byKey, byKind } = this.#collection(container);
    const items =
      pk !== undefined
        ? [...(byKey.get(pk)?.values() ?? [])]
        : kind !== undefined
          ? [...(byKind.get(kind) ?? [])]
          : [...byKey.values()].flatMap((partition) => [...partition.values()]);
    items.sort((a, b) => a.rid - b.rid);
    for (const item of items) {
      if (item.rid < fromRid || !this.#live(item)) continue;
      yield { rid: item.rid, document: item.document, text: () => item.text };
    }
  }

  #live(item: Item | undefined): Item | undefined {
    return item && item.expiresMs > this.#now() ? item : undefined;
  }

  #partition(container: string, pk: string): Map<string, Item> {
    const { byKey } = this.#collection(container);
    const items = byKey.get(pk) ?? new Map<string, Item>();
    byKey.set(pk, items);
    return items;
  }

  #collection(name: string): Collection {
    const collection = this.#collections.get(name);
    if (!collection) throw new Error(`The account has no container ${name}.`);
    return collection;
  }
}

interface Source {
  rid: number;
  document: StoredDocument;
  text: () => string;
}

/** The kind of document that a query asks for by its first condition; as every index it only ever lets too much through. */
function kindOf(query: string): string | undefined {
  return query.includes(' OR ') ? undefined : /WHERE c\.kind = '(\w+)'/.exec(query)?.[1];
}

function rangeOf(pk: string): number {
  let sum = 0;
  for (let index = 0; index < pk.length; index++) sum += pk.charCodeAt(index);
  return sum % FEED_RANGES;
}
