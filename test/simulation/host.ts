/**
 * One life of a host: the product's ingest, projection and sweep, wired as `functions/` wires them, with caches of their
 * own. When the life ends, nothing of it goes on; only what it had sent to the store may still arrive there.
 */
import type { Device } from '../../shared/devices/devices.ts';
import { registrationId } from '../../shared/devices/devices.ts';
import type { TenantId } from '../../shared/identity/ids.ts';
import { DeviceCommitter } from '../../shared/ingest/commit-device.ts';
import { createAlertDesk, type AlertDesk } from '../../shared/ingest/commit-handling.ts';
import { ingestBatch, type IngestServices } from '../../shared/ingest/ingest.ts';
import { ProcessedTime, type PartitionEnd } from '../../shared/ingest/processed-time.ts';
import { project, type ProjectionServices } from '../../shared/ingest/project.ts';
import { sweep } from '../../shared/ingest/sweep.ts';
import { Journal } from '../../shared/journal/journal.ts';
import type { JournalEntry } from '../../shared/journal/journal-entry.ts';
import { RuleBook } from '../../shared/rules/rule-book.ts';
import type { RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { Store } from '../../shared/store/store.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';
import type { Account, Writer } from './account.ts';
import { connect, type Network } from './database.ts';
import type { SimulatedDevice } from './scenario.ts';

/** A life: whoever asks for something after its end gets no answer. */
export interface Life {
  name: string;
  ended: boolean;
}

/** What a host stands in. */
export interface Surroundings {
  account: Account;
  network: Network;
  devices: readonly SimulatedDevice[];
  rules: readonly RuleDefinition[];
  journalSeconds: number;
  now(): number;
  sleep(ms: number): Promise<void>;
  /** What was handed to live streams. */
  published(entries: JournalEntry[]): void;
  partitionEnds(): Promise<PartitionEnd[]>;
}

/** Seconds that readings and transitions are kept. */
const KEPT_DAYS = 30;
const KEPT_SECONDS = KEPT_DAYS * 86_400;
/** The simulated network alone says what comes in time: real time must not. */
const DEADLINE_MS = 2 ** 31 - 1;

/** Compiled rules depend on nothing but rules and device: all hosts of all seeds may share them. */
const ruleBook = new RuleBook();

/** See the top of the file. */
export class Host {
  readonly #around: Surroundings;
  readonly #ingest: IngestServices;
  readonly #projection: ProjectionServices;

  constructor(around: Surroundings) {
    this.#around = around;
    const { devices, rules, journalSeconds } = around;
    const now = () => around.now();
    const store = this.#store({ by: 'ingest' });
    const journal = new Journal(this.#store({ by: 'journal' }), journalSeconds, now);
    const find = (deviceId: string) => Promise.resolve(registrationOf(devices, deviceId));
    this.#ingest = {
      store,
      journal,
      processed: new ProcessedTime(store),
      committer: new DeviceCommitter(store, { readingsDays: KEPT_DAYS, now, pause: (ms) => around.sleep(ms) }),
      ruleBook,
      findDevice: find,
      readDevice: find,
      activeRules: () => Promise.resolve(rules),
      publish: (entries) => Promise.resolve(around.published(entries)),
      now,
    };
    const told = this.#store({ by: 'projection' });
    this.#projection = {
      store: told,
      journal,
      publish: (entries) => this.#ingest.publish(entries),
      notify: async (tenantId, event) => {
        await told.create('actions', { id: event.eventId, tenantId, deviceId: event.deviceId });
      },
    };
  }

  /** One invocation of the Event Hubs trigger. */
  ingest(lane: string, events: RawEvent[]): Promise<void> {
    return ingestBatch(this.#ingest, lane, events);
  }

  /** One invocation of the change-feed trigger. */
  project(documents: unknown[]): Promise<void> {
    return project(this.#projection, documents);
  }

  /** One invocation of the timer trigger. */
  async sweep(): Promise<void> {
    const writer: Writer = { by: 'sweep' };
    const store = this.#store(writer);
    const { devices } = this.#around;
    await sweep({
      ...this.#ingest,
      store,
      processed: new NotedProcessedTime(store, writer),
      desk: this.#desk(store),
      partitionEnds: () => this.#around.partitionEnds(),
      listDevices: (tenantId, after = '') =>
        Promise.resolve(
          devices
            .filter((device) => device.tenantId === String(tenantId) && device.deviceId > after)
            .flatMap(({ deviceId }) => registrationOf(devices, deviceId) ?? []),
        ),
      transitionsTtl: KEPT_SECONDS,
    });
  }

  /** The desk at which people handle alerts. */
  operator(): AlertDesk {
    return this.#desk(this.#store({ by: 'operator' }));
  }

  #desk(store: Store): AlertDesk {
    return createAlertDesk(store, KEPT_SECONDS, () => this.#around.now());
  }

  #store(writer: Writer): Store {
    return new Store(connect(this.#around.account, this.#around.network, writer), { deadlineMs: DEADLINE_MS });
  }
}

/** Notes with the writer up to when its sweep lets time pass. */
class NotedProcessedTime extends ProcessedTime {
  readonly #writer: Writer;

  constructor(store: Store, writer: Writer) {
    super(store);
    this.#writer = writer;
  }

  override async upTo(ends: readonly PartitionEnd[], askedMs: number): Promise<number> {
    const processedMs = await super.upTo(ends, askedMs);
    this.#writer.processedMs = processedMs;
    return processedMs;
  }
}

function registrationOf(devices: readonly SimulatedDevice[], deviceId: string): Device | undefined {
  const device = devices.find((each) => each.deviceId === deviceId);
  return (
    device && {
      id: registrationId('direct', deviceId),
      source: 'direct',
      deviceId,
      tenantId: device.tenantId as TenantId,
      name: deviceId,
      groups: [],
      enabled: true,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    }
  );
}
