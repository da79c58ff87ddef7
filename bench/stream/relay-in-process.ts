/** Our relay over a journal in a file, without Azure services: what is measured is the way from an entry to the sockets. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { JournalEntry, JournalEvent } from '../../shared/journal/journal-entry.ts';
import type { StreamCaller } from '../../shared/stream/authority-watch.ts';
import { sse } from '../../shared/stream/framing.ts';
import type { JournalSource } from '../../shared/stream/journal-reader.ts';
import { Relay, type LiveEntries } from '../../shared/stream/relay.ts';
import type { Sink } from '../../shared/stream/sink.ts';
import { systemTiming } from '../../shared/stream/timing.ts';
import { DEVICE } from './events.ts';

const TENANT = 'bench';
const LANE = 'direct-0';
const MANY = 1_000_000;

/** Entries in a file: in memory they would be counted as the relay's. */
class FileJournal implements JournalSource {
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'));
  readonly #file = openSync(path.join(this.#folder, 'journal'), 'w+');
  readonly #ends: number[] = [0];

  append(e: JournalEvent[]): JournalEntry {
    const n = this.#ends.length;
    const entry: JournalEntry = { tenantId: TENANT, lane: LANE, n, to: { seq: n, enq: 0 }, e };
    const from = this.#ends.at(-1) ?? 0;
    this.#ends.push(from + writeSync(this.#file, JSON.stringify(entry), from));
    return entry;
  }

  lanes(): Promise<string[]> {
    return Promise.resolve([LANE]);
  }

  head() {
    const n = this.#ends.length - 1;
    return Promise.resolve({ n, to: { seq: n, enq: 0 } });
  }

  read(_tenantId: string, _lane: string, after: number, max = 50): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (let n = after + 1; n < this.#ends.length && entries.length < max; n++) {
      const [from = 0, to = 0] = [this.#ends[n - 1], this.#ends[n]];
      const bytes = Buffer.alloc(to - from);
      readSync(this.#file, bytes, 0, bytes.length, from);
      entries.push(JSON.parse(bytes.toString()) as JournalEntry);
    }
    return Promise.resolve(entries);
  }

  close(): void {
    closeSync(this.#file);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The relay, a mouth, and a way to open a stream. */
export function relayInProcess() {
  const journal = new FileJournal();
  let take: (entries: JournalEntry[]) => void = () => undefined;
  const live: LiveEntries = {
    listen: () => () => undefined,
    onEntries: (callback) => void (take = callback),
    onGap: () => undefined,
  };
  const relay = new Relay<StreamCaller>({
    journal,
    live,
    authority: () => Promise.resolve({ allowed: true, devices: new Set([DEVICE]), includeAnomalies: false }),
    members: () => Promise.resolve(new Set<string>()),
    latest: () => Promise.resolve([]),
    timing: systemTiming,
    limits: {
      streams: MANY,
      streamsPerTenant: MANY,
      streamsPerApplication: MANY,
      lifeMs: 3_600_000,
      retentionMs: MANY,
    },
  });
  const caller = { tenantId: TENANT, applicationId: 'a', tokenId: 't', expiresAtMs: Date.now() + 7_200_000 };
  return {
    publish: (events: JournalEvent[]) => take([journal.append(events)]),
    open: (sink: Sink) =>
      relay.open({
        caller,
        selection: { framing: sse, format: 'plain', types: new Set(['telemetry']) },
        from: () => Promise.resolve(undefined),
        resumed: false,
        snapshot: false,
        sink,
      }),
    close: () => journal.close(),
  };
}
