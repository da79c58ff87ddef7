/**
 * Ordered lanes that streams read. Each lane of a tenant has a head that never expires, `{n, to}`, and entries that do.
 * An append creates the next entries and replaces the head in one batch under its etag, so `n` has no holes, two writers
 * can never both append, and a redelivered hub batch appends only what lies beyond `to`.
 */
import { BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, type BatchOperation, type Store, type Stored } from '../store/store.ts';
import { ENTRY_BYTES_MAX, isBeyond, type HubPosition, type JournalEntry, type JournalEvent } from './journal-entry.ts';

/** What one reading set of a hub event caused, in order. */
export interface PositionedEvents {
  at: HubPosition;
  events: JournalEvent[];
}

/** Where a lane ends. */
export interface LaneHead {
  n: number;
  to: HubPosition;
}

/** Entries one read returns when the caller does not say. */
export const READ_ENTRIES = 50;
/** Lanes whose heads an instance remembers; the etag fences, the memory only saves the read. */
const HEADS_REMEMBERED = 10_000;
/** Attempts of one append against other writers before it gives up to the trigger's retry. */
const APPEND_ATTEMPTS = 20;

interface HeadDocument extends LaneHead {
  id: 'head';
  pk: string;
  kind: 'head';
}

interface EntryDocument extends JournalEntry {
  id: string;
  pk: string;
  kind: 'entry';
  ttl: number;
}

/** The journal, over the store. */
export class Journal {
  readonly #store: Store;
  readonly #ttlSeconds: number;
  readonly #heads = new Map<string, Stored<HeadDocument>>();

  constructor(store: Store, ttlSeconds: number) {
    this.#store = store;
    this.#ttlSeconds = ttlSeconds;
  }

  /** The lanes that a tenant has, in no order. */
  async lanes(tenantId: string): Promise<string[]> {
    const query = { query: 'SELECT c.id FROM c' };
    return (await this.#store.all<{ id: string }>('journal', query, lanesKey(tenantId))).map(({ id }) => id);
  }

  /** Where a lane ends; undefined while it has no entry. */
  async head(tenantId: string, lane: string): Promise<LaneHead | undefined> {
    const head = await this.#store.read<HeadDocument>('journal', 'head', laneKey(tenantId, lane));
    return head && { n: head.n, to: head.to };
  }

  /** The last position that a lane covers, as this instance knows it; it may be behind, never ahead. */
  async covered(tenantId: string, lane: string): Promise<HubPosition | undefined> {
    return (await this.#headDocument(laneKey(tenantId, lane)))?.to;
  }

  /**
   * Entries with `n > after`, ascending, at most `max`. The first may be later than `after + 1`: what lies between has
   * expired.
   */
  async read(tenantId: string, lane: string, after: number, max: number = READ_ENTRIES): Promise<JournalEntry[]> {
    const query = {
      query: "SELECT * FROM c WHERE c.kind = 'entry' AND c.n > @after ORDER BY c.n",
      parameters: [{ name: '@after', value: after }],
    };
    const { items } = await this.#store.page<EntryDocument>('journal', query, {
      partitionKey: laneKey(tenantId, lane),
      max,
    });
    return items.map(({ n, to, e }) => ({ tenantId, lane, n, to, e }));
  }

  /**
   * Appends what lies beyond the lane's last covered position.
   * @param positioned what the reading sets of one hub batch caused, in order
   * @returns the entries that were appended, for publishing; none when all was covered already
   * @throws what the store throws, and an Error when other writers always win
   */
  async append(tenantId: string, lane: string, positioned: PositionedEvents[]): Promise<JournalEntry[]> {
    const pk = laneKey(tenantId, lane);
    const appended: JournalEntry[] = [];
    for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
      const head = await this.#headDocument(pk);
      const beyond = positioned.filter(({ at, events }) => events.length > 0 && isBeyond(at, head?.to));
      if (beyond.length === 0) return appended;
      if (!head) await this.#store.create('journal', { id: lane, pk: lanesKey(tenantId), kind: 'lane' });
      appended.push(...(await this.#commitGroups(pk, head, splitIntoEntries(tenantId, lane, head?.n ?? 0, beyond))));
    }
    throw new Error(`The lane ${lane} is contended: ${APPEND_ATTEMPTS} appends lost against other writers.`);
  }

  /** Commits group after group until another writer gets in between. */
  async #commitGroups(
    pk: string,
    first: Stored<HeadDocument> | undefined,
    groups: JournalEntry[][],
  ): Promise<JournalEntry[]> {
    const committed: JournalEntry[] = [];
    let head = first;
    for (const entries of groups) {
      const last = entries.at(-1);
      if (!last) continue;
      const next: HeadDocument = { id: 'head', pk, kind: 'head', n: last.n, to: last.to };
      const operations: BatchOperation[] = entries.map((entry) => {
        const document: EntryDocument = { id: String(entry.n), pk, kind: 'entry', ttl: this.#ttlSeconds, ...entry };
        return { kind: 'create', document };
      });
      operations.push(
        head ? { kind: 'replace', document: next, etag: head._etag } : { kind: 'create', document: next },
      );
      const outcome = await this.#commit(pk, operations);
      if (outcome.kind === 'refused') throw new Error(`The journal refused an append: ${outcome.reason}.`);
      if (outcome.kind === 'conflict') {
        this.#heads.delete(pk);
        return committed;
      }
      head = { ...next, _etag: outcome.etags.at(-1) ?? '', _ts: 0 };
      this.#remember(pk, head);
      committed.push(...entries);
    }
    return committed;
  }

  async #commit(pk: string, operations: BatchOperation[]) {
    try {
      return await this.#store.batch('journal', pk, operations);
    } catch (error) {
      // The effect is unknown: the next look at the head must come from the store.
      this.#heads.delete(pk);
      throw error;
    }
  }

  async #headDocument(pk: string): Promise<Stored<HeadDocument> | undefined> {
    const known = this.#heads.get(pk);
    if (known) return known;
    const head = await this.#store.read<HeadDocument>('journal', 'head', pk);
    if (head) this.#remember(pk, head);
    return head;
  }

  #remember(pk: string, head: Stored<HeadDocument>): void {
    if (this.#heads.size >= HEADS_REMEMBERED) this.#heads.delete(this.#heads.keys().next().value ?? '');
    this.#heads.set(pk, head);
  }
}

/**
 * Cuts events into entries of at most ENTRY_BYTES_MAX, and entries into groups that fit one batch. What one position
 * caused never falls into two groups: `to` says "covered", which must be true of all of it.
 */
function splitIntoEntries(tenantId: string, lane: string, n: number, positioned: PositionedEvents[]): JournalEntry[][] {
  const groups: JournalEntry[][] = [];
  let group: JournalEntry[] = [];
  let groupBytes = 0;
  let entry: JournalEntry | undefined;
  let entryBytes = 0;
  for (const { at, events } of positioned) {
    const sizes = events.map((event) => Buffer.byteLength(JSON.stringify(event)) + 1);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const full =
      groupBytes + total > BATCH_BYTES_MAX ||
      group.length + Math.ceil(total / ENTRY_BYTES_MAX) + 2 > BATCH_OPERATIONS_MAX;
    if (full && group.length > 0) {
      groups.push(group);
      group = [];
      groupBytes = 0;
      entry = undefined;
    }
    for (const [index, event] of events.entries()) {
      const size = sizes[index] ?? 0;
      if (!entry || entryBytes + size > ENTRY_BYTES_MAX) {
        n += 1;
        entry = { tenantId, lane, n, to: at, e: [] };
        entryBytes = 0;
        group.push(entry);
      }
      entry.e.push(event);
      entry.to = at;
      entryBytes += size;
    }
    groupBytes += total;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

function laneKey(tenantId: string, lane: string): string {
  return `${tenantId}|${lane}`;
}

function lanesKey(tenantId: string): string {
  return `${tenantId}|lanes`;
}
