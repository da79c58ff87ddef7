/**
 * Ordered lanes that streams read. Each lane of a tenant has a head that never expires, `{n, to}`, and entries that do.
 * An append creates the next entries and replaces the head in one batch under its etag, so `n` has no holes, two writers
 * can never both append, and a redelivered hub batch appends only what lies beyond `to`.
 */
import { BATCH_BYTES_MAX, type BatchOperation, type Store } from '../store/store.ts';
import {
  coverUpTo,
  ENTRY_BYTES_MAX,
  isBeyond,
  type HubPosition,
  type JournalEntry,
  type JournalEvent,
} from './journal-entry.ts';

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
const READ_ENTRIES = 50;
/** Lanes whose heads an instance remembers; the etag fences, the memory only saves the read. */
const HEADS_REMEMBERED = 10_000;
/** Attempts of one append against other writers before it gives up to the trigger's retry. */
const APPEND_ATTEMPTS = 20;
/** Bytes of entries in one batch: the rest is for their envelopes and the head. */
const GROUP_BYTES_MAX = BATCH_BYTES_MAX - 20_000;

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

/** A head with the etag that fences the next append. */
interface FencedHead extends LaneHead {
  etag: string;
}

/** Entries of one batch, and where the lane ends after them. */
interface Group {
  entries: JournalEntry[];
  end: LaneHead;
}

/** The journal, over the store. */
export class Journal {
  readonly #store: Store;
  readonly #ttlSeconds: number;
  readonly #now: () => number;
  readonly #heads = new Map<string, FencedHead>();

  constructor(store: Store, ttlSeconds: number, now: () => number = Date.now) {
    this.#store = store;
    this.#ttlSeconds = ttlSeconds;
    this.#now = now;
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
    return (await this.#knownHead(laneKey(tenantId, lane)))?.to;
  }

  /**
   * Entries with `n > after`, ascending, at most `max` and perhaps fewer; none when there are none. The first may be later
   * than `after + 1`: what lies between has expired.
   */
  async read(tenantId: string, lane: string, after: number, max: number = READ_ENTRIES): Promise<JournalEntry[]> {
    const query = {
      query: "SELECT * FROM c WHERE c.kind = 'entry' AND c.n > @after ORDER BY c.n",
      parameters: [{ name: '@after', value: after }],
    };
    const entries = await this.#store.some<EntryDocument>('journal', query, laneKey(tenantId, lane), max);
    return entries.map(({ n, to, e }) => ({ tenantId, lane, n, to, e }));
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
      const head = await this.#knownHead(pk);
      const beyond = positioned.filter(({ at, events }) => events.length > 0 && isBeyond(at, head?.to));
      if (beyond.length === 0) return appended;
      // Listed before it begins, so that no lane with entries is missing in the list.
      if (!head) await this.#store.create('journal', { id: lane, pk: lanesKey(tenantId), kind: 'lane' });
      appended.push(...(await this.#commitGroups(pk, head, splitIntoEntries(tenantId, lane, head, beyond))));
    }
    throw new Error(`The lane ${lane} is contended: ${APPEND_ATTEMPTS} appends lost against other writers.`);
  }

  /**
   * Appends events that have no position in a hub, at most once by an id. The id is created in the batch of the entries,
   * so whoever appends it again, at the same time or later, finds it taken.
   * @param once an id that is unique in the lane, and the seconds for which it may come again
   * @returns the entries that were appended; none when they were before
   * @throws what the store throws, and an Error when other writers always win
   */
  async appendOnce(
    tenantId: string,
    lane: string,
    once: { id: string; ttl: number },
    events: JournalEvent[],
  ): Promise<JournalEntry[]> {
    const pk = laneKey(tenantId, lane);
    const marker = { id: `once|${once.id}`, pk, kind: 'once', ttl: once.ttl };
    for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
      const head = await this.#knownHead(pk);
      if (!head) await this.#store.create('journal', { id: lane, pk: lanesKey(tenantId), kind: 'lane' });
      const at = { seq: (head?.to.seq ?? 0) + 1, enq: Math.max(this.#now(), head?.to.enq ?? 0) };
      const groups = splitIntoEntries(tenantId, lane, head, [{ at, events }]);
      const [group] = groups;
      if (!group || groups.length > 1) throw new Error(`${events.length} events of ${once.id} are no single append.`);
      this.#heads.delete(pk);
      const next = await this.#commit(pk, head, group, { kind: 'create', document: marker });
      if (next) {
        this.#remember(pk, next);
        return group.entries;
      }
      if (await this.#store.read('journal', marker.id, pk)) return [];
    }
    throw new Error(`The lane ${lane} is contended: ${APPEND_ATTEMPTS} appends lost against other writers.`);
  }

  /** Commits group after group until another writer gets in between. */
  async #commitGroups(pk: string, first: FencedHead | undefined, groups: Group[]): Promise<JournalEntry[]> {
    const committed: JournalEntry[] = [];
    let head = first;
    for (const group of groups) {
      // Forgotten until the outcome is known: after an error or a conflict the next look must be at the store.
      this.#heads.delete(pk);
      head = await this.#commit(pk, head, group);
      if (!head) return committed;
      this.#remember(pk, head);
      committed.push(...group.entries);
    }
    return committed;
  }

  /** Commits one group; undefined when another writer was faster. */
  async #commit(
    pk: string,
    head: FencedHead | undefined,
    { entries, end }: Group,
    ...more: BatchOperation[]
  ): Promise<FencedHead | undefined> {
    const next: HeadDocument = { id: 'head', pk, kind: 'head', ...end };
    const created = entries.map((entry): BatchOperation => {
      const document: EntryDocument = { id: String(entry.n), pk, kind: 'entry', ttl: this.#ttlSeconds, ...entry };
      return { kind: 'create', document };
    });
    const operations = [...more, ...created];
    operations.push(head ? { kind: 'replace', document: next, etag: head.etag } : { kind: 'create', document: next });
    const outcome = await this.#store.batch('journal', pk, operations);
    if (outcome.kind === 'refused') throw new Error(`The journal refused an append to ${pk}: ${outcome.reason}.`);
    return outcome.kind === 'conflict' ? undefined : { ...end, etag: outcome.etags.at(-1) ?? '' };
  }

  async #knownHead(pk: string): Promise<FencedHead | undefined> {
    const known = this.#heads.get(pk);
    if (known) return known;
    const stored = await this.#store.read<HeadDocument>('journal', 'head', pk);
    if (!stored) return undefined;
    const head = { n: stored.n, to: stored.to, etag: stored._etag };
    this.#remember(pk, head);
    return head;
  }

  #remember(pk: string, head: FencedHead): void {
    if (this.#heads.size >= HEADS_REMEMBERED) this.#heads.delete(this.#heads.keys().next().value ?? '');
    this.#heads.set(pk, head);
  }
}

/**
 * Cuts events into entries of at most ENTRY_BYTES_MAX, and entries into groups that fit one batch. What one position
 * caused never falls into two groups: `to` says "covered", which must be true of all of it. Two neighbouring entries
 * together are larger than ENTRY_BYTES_MAX, so a group is full by bytes long before it is by operations.
 */
function splitIntoEntries(
  tenantId: string,
  lane: string,
  head: LaneHead | undefined,
  positioned: PositionedEvents[],
): Group[] {
  const groups: Group[] = [];
  let group: Group | undefined;
  let groupBytes = 0;
  let entry: JournalEntry | undefined;
  let entryBytes = 0;
  let n = head?.n ?? 0;
  let to = head?.to;
  for (const { at, events } of positioned) {
    to = coverUpTo(at, to);
    const sizes = events.map((event) => Buffer.byteLength(JSON.stringify(event)) + 1);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (!group || groupBytes + total > GROUP_BYTES_MAX) {
      group = { entries: [], end: { n, to } };
      groups.push(group);
      groupBytes = 0;
      entry = undefined;
    }
    for (const [index, event] of events.entries()) {
      const size = sizes[index] ?? 0;
      if (!entry || entryBytes + size > ENTRY_BYTES_MAX) {
        entry = { tenantId, lane, n: ++n, to, e: [] };
        entryBytes = 0;
        group.entries.push(entry);
      }
      entry.e.push(event);
      entry.to = to;
      entryBytes += size;
    }
    group.end = { n, to };
    groupBytes += total;
  }
  return groups;
}

function laneKey(tenantId: string, lane: string): string {
  return `${tenantId}|${lane}`;
}

function lanesKey(tenantId: string): string {
  return `${tenantId}|lanes`;
}
