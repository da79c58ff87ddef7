/** `GET /v1/telemetry`: the journal in pages, for whoever polls; the same filters and the same cursor as the stream. */
import type { HttpResponseInit } from '@azure/functions';
import type { Call } from '../http/endpoint.ts';
import type { JournalEntry } from '../journal/journal-entry.ts';
import type { StreamCaller } from './authority-watch.ts';
import { formatCursor, LANE_START, type LanePosition } from './cursor.ts';
import { ndjson, type EventType } from './framing.ts';
import { PAGE_ENTRIES, type JournalSource } from './journal-reader.ts';
import type { Relay } from './relay.ts';
import { beginningOf, selectionOf, type PullQuery } from './stream-request.ts';
import type { View } from './view.ts';

/** Pages of the journal that one answer may read: a narrow filter must not scan a day of a busy tenant in one request. */
const PAGES_MAX = 40;
/** Characters of events after which an answer ends. */
const ANSWER_CHARS = 1024 * 1024;

/** One event of an answer. */
interface Item {
  type: EventType;
  data: object;
}

/**
 * Answers with the next events after the cursor, or after `since`, or from the oldest that is kept:
 * `{items: [{type, data}], cursor, more}`. `more` false means that this was all for now; ask again with the cursor.
 * @throws Problem 400, 403
 */
export async function pullTelemetry<Caller extends StreamCaller>(
  relay: Relay<Caller>,
  { query, caller }: Call<unknown, PullQuery, undefined, Caller>,
  nowMs: number,
): Promise<HttpResponseInit> {
  const beginning = beginningOf(query, undefined, nowMs);
  const view = await relay.view(caller, selectionOf(query, ndjson));
  const from = await beginning.find(relay.journal, caller.tenantId);
  const pull = new Pull(relay.journal, caller.tenantId, view, query.limit);
  return { jsonBody: await pull.run(new Map(from ?? [])) };
}

/** Reads lanes side by side, the oldest entry first, as far as one answer goes. */
class Pull {
  readonly #journal: JournalSource;
  readonly #tenantId: string;
  readonly #view: View;
  readonly #limit: number;
  readonly #items: Item[] = [];
  /** Entries that were read and not yet taken, by lane. */
  readonly #ahead = new Map<string, JournalEntry[]>();
  #position = new Map<string, LanePosition>();
  #pages = 0;
  #chars = 0;

  constructor(journal: JournalSource, tenantId: string, view: View, limit: number) {
    this.#journal = journal;
    this.#tenantId = tenantId;
    this.#view = view;
    this.#limit = limit;
  }

  async run(from: Map<string, LanePosition>): Promise<{ items: Item[]; cursor: string; more: boolean }> {
    this.#position = from;
    const open = new Set(await this.#journal.lanes(this.#tenantId));
    while (open.size > 0 && !this.#full) {
      await Promise.all([...open].map((lane) => this.#readAhead(lane)));
      for (const lane of open) if (this.#ahead.get(lane)?.length === 0) open.delete(lane);
      this.#takeOldestFirst(open);
    }
    return { items: this.#items, cursor: formatCursor(this.#position), more: open.size > 0 };
  }

  get #full(): boolean {
    return this.#items.length >= this.#limit || this.#chars >= ANSWER_CHARS || this.#pages >= PAGES_MAX;
  }

  async #readAhead(lane: string): Promise<void> {
    if ((this.#ahead.get(lane)?.length ?? 0) > 0) return;
    this.#pages += 1;
    const { n } = this.#position.get(lane) ?? LANE_START;
    this.#ahead.set(lane, await this.#journal.read(this.#tenantId, lane, n, PAGE_ENTRIES));
  }

  /** Takes entries until a lane has to be read again or the answer is full. */
  #takeOldestFirst(open: ReadonlySet<string>): void {
    while (this.#items.length < this.#limit && this.#chars < ANSWER_CHARS) {
      let oldest: JournalEntry | undefined;
      for (const lane of open) {
        const [next] = this.#ahead.get(lane) ?? [];
        if (next === undefined) return;
        if (oldest === undefined || next.to.enq < oldest.to.enq) oldest = next;
      }
      if (oldest === undefined) return;
      if (this.#take(oldest)) this.#ahead.get(oldest.lane)?.shift();
    }
  }

  /** Takes the events of an entry; false when the answer was full before its end. */
  #take({ lane, n, e }: JournalEntry): boolean {
    const place = this.#position.get(lane) ?? LANE_START;
    if (n > place.n + 1) this.#skipTo(lane, n - 1);
    for (let index = n === place.n + 1 ? place.i : 0; index < e.length; index++) {
      if (this.#items.length >= this.#limit) {
        this.#position.set(lane, { n: n - 1, i: index });
        return false;
      }
      const event = e[index];
      if (event === undefined || !this.#view.wants(event.k) || !this.#view.sees(event.d.deviceId)) continue;
      const data = this.#view.lens.payload(event, this.#tenantId);
      if (data !== undefined) this.#add({ type: event.k, data });
    }
    this.#position.set(lane, { n, i: 0 });
    return true;
  }

  /** What lies between has expired. From the very beginning that is no gap: nobody had a place there. */
  #skipTo(lane: string, n: number): void {
    const known = this.#position.get(lane);
    const from = formatCursor(this.#position);
    this.#position.set(lane, { n, i: 0 });
    if (known !== undefined)
      this.#add({ type: 'gap', data: { reason: 'expired', from, to: formatCursor(this.#position) } });
  }

  #add(item: Item): void {
    this.#items.push(item);
    this.#chars += JSON.stringify(item.data).length;
  }
}
