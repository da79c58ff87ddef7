import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CosmosClient } from '@azure/cosmos';
import { startCosmos, type CosmosServer } from '../../local/cosmos/cosmos.ts';
import { provision } from '../../local/provision.ts';
import { Journal, type PositionedEvents } from '../../shared/journal/journal.ts';
import { ENTRY_BYTES_MAX, type JournalEntry } from '../../shared/journal/journal-entry.ts';
import { Store, type BatchOperation } from '../../shared/store/store.ts';
import { connect } from '../support/ingest-world.ts';
import { InterceptedStore } from '../support/intercepted-store.ts';

const LANE = 'direct-0';
const TTL_SECONDS = 60;
const START_MS = Date.parse('2026-11-24T10:00:00Z');

let cosmos: CosmosServer;
let client: CosmosClient;
let store: Store;
let nowMs = START_MS;
let tenants = 0;

beforeAll(async () => {
  cosmos = await startCosmos({ now: () => nowMs });
  await provision(cosmos);
  client = connect(cosmos);
  store = new Store(client.database('sluice'));
});
afterAll(async () => {
  client.dispose();
  await cosmos.close();
});

function newJournal(over = store): Journal {
  return new Journal(over, TTL_SECONDS);
}

function newTenant(): string {
  return `t${++tenants}`;
}

/** What one reading at a position caused: itself, and so many bytes of text. */
function reading(
  seq: number,
  { enq = START_MS + seq * 1000, i, bytes = 0, count = 1 }: Options = {},
): PositionedEvents {
  const events = Array.from({ length: count }, (_, index) => ({
    k: 'telemetry' as const,
    d: {
      eventId: `${LANE}:${seq}${i === undefined ? '' : `.${i}`}${count === 1 ? '' : `/${index}`}`,
      deviceId: 'pump',
      ts: new Date(enq).toISOString(),
      receivedTs: new Date(enq).toISOString(),
      readings: { text: 'x'.repeat(bytes) },
    },
  }));
  return { at: { seq, enq, ...(i === undefined ? {} : { i }) }, events };
}

interface Options {
  enq?: number;
  i?: number;
  bytes?: number;
  count?: number;
}

function readings(from: number, to: number): PositionedEvents[] {
  return Array.from({ length: to - from + 1 }, (_, index) => reading(from + index));
}

async function everything(tenantId: string, journal = newJournal()): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (;;) {
    const page = await journal.read(tenantId, LANE, entries.at(-1)?.n ?? 0);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

function ids(entries: readonly JournalEntry[]): string[] {
  return entries.flatMap(({ e }) => e.map(({ d }) => d.eventId.replace(`${LANE}:`, '')));
}

function numbers(entries: readonly JournalEntry[]): number[] {
  return entries.map(({ n }) => n);
}

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

describe('appending', () => {
  test('numbers entries from 1 without holes and stores what it returns', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    const appended = [
      ...(await journal.append(tenant, LANE, readings(0, 2))),
      ...(await journal.append(tenant, LANE, readings(3, 3))),
      ...(await journal.append(tenant, LANE, readings(4, 9))),
    ];
    expect(numbers(appended)).toEqual([1, 2, 3]);
    expect(await everything(tenant)).toEqual(appended);
    expect(await journal.head(tenant, LANE)).toEqual({ n: 3, to: { seq: 9, enq: START_MS + 9000 } });
  });

  test('a redelivery that is cut differently appends only what lies beyond', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, readings(0, 4));
    expect(await journal.append(tenant, LANE, readings(0, 4))).toEqual([]);
    expect(await newJournal().append(tenant, LANE, readings(2, 3))).toEqual([]);
    expect(ids(await newJournal().append(tenant, LANE, readings(3, 6)))).toEqual(['5', '6']);
    // The first instance still remembers the old head.
    expect(ids(await journal.append(tenant, LANE, readings(4, 8)))).toEqual(['7', '8']);
    expect(ids(await everything(tenant))).toEqual(upTo(9).map((n) => String(n - 1)));
  });

  test('what was covered in the middle of an array goes on in the middle', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, [reading(7, { i: 0 }), reading(7, { i: 1 })]);
    const all = [reading(7, { i: 0 }), reading(7, { i: 1 }), reading(7, { i: 2 }), reading(7)];
    expect(ids(await journal.append(tenant, LANE, all))).toEqual(['7.2', '7']);
    expect(await journal.append(tenant, LANE, all)).toEqual([]);
  });

  test('a position that caused nothing is no entry', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    expect(await journal.append(tenant, LANE, [{ at: { seq: 1, enq: START_MS }, events: [] }])).toEqual([]);
    expect(await journal.append(tenant, LANE, [])).toEqual([]);
    expect(await journal.head(tenant, LANE)).toBeUndefined();
  });

  test('a hub that was made anew numbers from 0 again and is journaled', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, readings(0, 500));
    const anew = [reading(0, { enq: START_MS + 9_000_000 }), reading(1, { enq: START_MS + 9_001_000 })];
    expect(ids(await journal.append(tenant, LANE, anew))).toEqual(['0', '1']);
    expect(await journal.append(tenant, LANE, anew)).toEqual([]);
  });

  test('a broker whose clock steps back neither hides nor repeats an event', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    const batch = [
      reading(1, { enq: START_MS + 5000 }),
      reading(2, { enq: START_MS }),
      reading(3, { enq: START_MS + 1 }),
    ];
    expect(ids(await journal.append(tenant, LANE, batch))).toEqual(['1', '2', '3']);
    expect(await newJournal().append(tenant, LANE, batch)).toEqual([]);
    expect(ids(await newJournal().append(tenant, LANE, [...batch, reading(4, { enq: START_MS + 2 })]))).toEqual(['4']);
  });

  test('several writers at once: every event once, in order, no holes', async () => {
    const tenant = newTenant();
    const writers = [newJournal(), newJournal(), newJournal()];
    for (let from = 0; from < 30; from += 5) {
      await Promise.all(
        writers.map((journal, index) => journal.append(tenant, LANE, readings(from, from + 4 + index))),
      );
    }
    const entries = await everything(tenant);
    expect(numbers(entries)).toEqual(upTo(entries.length));
    expect(ids(entries)).toEqual(upTo(32).map((n) => String(n - 1)));
  });
});

describe('sizes', () => {
  test('entries end at 256 KB, and an event larger than that stands alone', async () => {
    const tenant = newTenant();
    const batch = [100, 100, 100, 300, 10, 10].map((kib, seq) => reading(seq, { bytes: kib * 1024 }));
    const entries = await newJournal().append(tenant, LANE, batch);
    expect(entries.map(({ e }) => e.length)).toEqual([2, 1, 1, 2]);
    const shared = entries.filter(({ e }) => e.length > 1).map(({ e }) => JSON.stringify(e).length);
    expect(Math.max(...shared)).toBeLessThan(ENTRY_BYTES_MAX + 1024);
    expect(entries.map(({ to }) => to.seq)).toEqual([1, 2, 3, 5]);
    expect(await everything(tenant)).toEqual(entries);
  });

  test('more than a batch holds goes in several, none of which cuts a position', async () => {
    const tenant = newTenant();
    const groups: BatchOperation[][] = [];
    const recording = new InterceptedStore(client.database('sluice'), (request, run) => {
      if (request.kind === 'batch') groups.push(request.operations);
      return run();
    });
    // 30 positions of 3 events of 60 KB: 5.4 MB.
    const batch = upTo(30).map((seq) => reading(seq, { bytes: 60 * 1024, count: 3 }));
    const entries = await newJournal(recording).append(tenant, LANE, batch);
    expect(groups.length).toBeGreaterThanOrEqual(3);
    for (const group of groups) expect(JSON.stringify(group).length).toBeLessThan(1_800_000);
    const entryAt = (group: BatchOperation[], index: number) => {
      const operation = group.at(index);
      return operation && 'document' in operation ? (operation.document as unknown as JournalEntry) : undefined;
    };
    const ends = groups.map((group) => entryAt(group, -1)?.to.seq);
    const lastOf = groups.map((group) => entryAt(group, -2)?.e.at(-1)?.d.eventId);
    expect(lastOf).toEqual(ends.map((seq) => `${LANE}:${seq}/2`));
    expect(numbers(entries)).toEqual(upTo(entries.length));
    expect(ids(await everything(tenant))).toEqual(ids(entries));
    expect(ids(entries)).toHaveLength(90);
  });

  test('a writer that is overtaken between two batches goes on behind the other', async () => {
    const tenant = newTenant();
    const batch = upTo(30).map((seq) => reading(seq, { bytes: 60 * 1024, count: 3 }));
    let batches = 0;
    const overtaken = new InterceptedStore(client.database('sluice'), async (request, run) => {
      if (request.kind === 'batch' && ++batches === 2) await newJournal().append(tenant, LANE, batch.slice(0, 20));
      return run();
    });
    const appended = await newJournal(overtaken).append(tenant, LANE, batch);
    const entries = await everything(tenant);
    expect(numbers(entries)).toEqual(upTo(entries.length));
    expect(ids(entries)).toEqual(ids(await oneWriter(batch)));
    // What it says it appended is what is stored, so that what it publishes is what others will read.
    for (const entry of appended) expect(entries[entry.n - 1]).toEqual(entry);
    expect(appended.length).toBeLessThan(entries.length);
  });

  async function oneWriter(batch: PositionedEvents[]): Promise<JournalEntry[]> {
    return newJournal().append(newTenant(), LANE, batch);
  }
});

describe('trouble', () => {
  test('a write that was applied although its answer was lost is not repeated', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, readings(0, 1));
    cosmos.faults.add({ kind: 'cut-after', operation: 'batch', container: 'journal' });
    await expect(journal.append(tenant, LANE, readings(2, 3))).rejects.toMatchObject({ code: 503 });
    expect(await journal.append(tenant, LANE, readings(2, 3))).toEqual([]);
    expect(ids(await journal.append(tenant, LANE, readings(2, 4)))).toEqual(['4']);
    expect(ids(await everything(tenant))).toEqual(['0', '1', '2', '3', '4']);
  });

  test('a write that was not applied is repeated whole', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, readings(0, 1));
    cosmos.faults.add({ kind: 'unavailable', operation: 'batch', container: 'journal' });
    await expect(journal.append(tenant, LANE, readings(2, 3))).rejects.toMatchObject({ code: 503 });
    expect(ids(await journal.append(tenant, LANE, readings(2, 3)))).toEqual(['2', '3']);
    expect(numbers(await everything(tenant))).toEqual([1, 2]);
  });

  test('a lane is listed from the moment it may have entries', async () => {
    const tenant = newTenant();
    cosmos.faults.add({ kind: 'unavailable', operation: 'batch', container: 'journal' });
    await expect(newJournal().append(tenant, LANE, readings(0, 0))).rejects.toMatchObject({ code: 503 });
    expect(await newJournal().lanes(tenant)).toEqual([LANE]);
    await newJournal().append(tenant, LANE, readings(0, 0));
    await newJournal().append(tenant, 'direct-1', readings(0, 0));
    expect((await newJournal().lanes(tenant)).toSorted()).toEqual([LANE, 'direct-1']);
    expect(await newJournal().lanes(newTenant())).toEqual([]);
  });
});

describe('reading', () => {
  test('pages go on where the last one ended, however the store cuts them', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    // 40 entries of 200 KB: the service ends a page at 4 MB.
    const batch = upTo(40).map((seq) => reading(seq, { bytes: 200 * 1024 }));
    await journal.append(tenant, LANE, batch);
    const pages: number[][] = [];
    for (let after = 0; after < 40; after = pages.at(-1)?.at(-1) ?? 40) {
      const page = await journal.read(tenant, LANE, after);
      expect(page.length).toBeGreaterThan(0);
      pages.push(numbers(page));
    }
    expect(pages.flat()).toEqual(upTo(40));
    expect(numbers(await journal.read(tenant, LANE, 7, 3))).toEqual([8, 9, 10]);
    expect(await journal.read(tenant, LANE, 40)).toEqual([]);
    expect(await journal.read(newTenant(), LANE, 0)).toEqual([]);
  });

  test('entries expire, the end of the lane does not', async () => {
    const tenant = newTenant();
    const journal = newJournal();
    await journal.append(tenant, LANE, readings(0, 1));
    nowMs += (TTL_SECONDS - 10) * 1000;
    await journal.append(tenant, LANE, readings(2, 3));
    nowMs += 20_000;
    expect(numbers(await journal.read(tenant, LANE, 0))).toEqual([2]);
    nowMs += TTL_SECONDS * 1000;
    expect(await journal.read(tenant, LANE, 0)).toEqual([]);
    expect(await newJournal().head(tenant, LANE)).toMatchObject({ n: 2, to: { seq: 3 } });
    expect(await newJournal().lanes(tenant)).toEqual([LANE]);
    expect(numbers(await newJournal().append(tenant, LANE, readings(2, 5)))).toEqual([3]);
  });
});
