/** Ingest over a local Cosmos DB: any number of instances, a hub that numbers events, and what is stored afterwards. */
import { ChangeFeedStartFrom, CosmosClient } from '@azure/cosmos';
import { startCosmos, type CosmosServer } from '../../local/cosmos/cosmos.ts';
import { provision } from '../../local/provision.ts';
import { registrationId, type Device } from '../../shared/devices/devices.ts';
import { createDeviceRegistry } from '../../shared/devices/device-registry.ts';
import type { TenantId } from '../../shared/identity/ids.ts';
import { DeviceCommitter } from '../../shared/ingest/commit-device.ts';
import {
  deviceKey,
  type AlertDocument,
  type AnomalyDocument,
  type DetectorsDocument,
  type ReadingsDocument,
  type StateDocument,
  type TransitionsDocument,
} from '../../shared/ingest/device-state.ts';
import { ingestBatch, type IngestServices } from '../../shared/ingest/ingest.ts';
import type { QuarantinedEvent } from '../../shared/ingest/quarantine.ts';
import { ProcessedTime } from '../../shared/ingest/processed-time.ts';
import { Journal } from '../../shared/journal/journal.ts';
import type { JournalEntry } from '../../shared/journal/journal-entry.ts';
import { RuleBook } from '../../shared/rules/rule-book.ts';
import { ruleDefinition, type RuleDefinition } from '../../shared/rules/rule-definition.ts';
import { Store } from '../../shared/store/store.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';

export const LANE = 'direct-0';
/** Seconds that entries live in these tests. */
export const JOURNAL_SECONDS = 3600;

/** All documents of one device, by kind, in the order of `n`. */
interface StoredDevice {
  state: StateDocument | undefined;
  readings: ReadingsDocument[];
  transitions: TransitionsDocument[];
  alerts: AlertDocument[];
  anomalies: AnomalyDocument[];
  detectors: DetectorsDocument | undefined;
}

/** One instance: caches of its own, the same store. */
interface Instance {
  services: IngestServices;
  published: JournalEntry[];
  ingest(events: RawEvent[]): Promise<void>;
}

/** How to make an instance. */
interface InstanceOptions {
  store?: Store;
  rules?: readonly RuleDefinition[];
  committer?: (committer: DeviceCommitter) => DeviceCommitter;
}

/** See the top of the file. */
export interface IngestWorld {
  cosmos: CosmosServer;
  store: Store;
  client: CosmosClient;
  instance(options?: InstanceOptions): Instance;
  register(tenantId: string, deviceId: string, more?: Partial<Device>): Promise<void>;
  device(tenantId: string, deviceId: string): Promise<StoredDevice>;
  /** All entries of the lane. */
  journal(tenantId: string): Promise<JournalEntry[]>;
  /** Changed documents of device data as the change feed gives them, from the beginning. */
  feed(): Promise<object[]>;
  quarantine(lane?: string): Promise<QuarantinedEvent[]>;
  close(): Promise<void>;
}

/** The clock of the processing time; hub times of the tests lie around it. */
const NOW_MS = Date.parse('2026-11-24T10:00:00Z');

/** Starts the store. */
export async function ingestWorld(): Promise<IngestWorld> {
  const cosmos = await startCosmos({ now: () => NOW_MS });
  await provision(cosmos);
  const client = connect(cosmos);
  const database = client.database('sluice');
  const store = new Store(database);
  return {
    cosmos,
    store,
    client,
    instance: ({ store: own = store, rules = [], committer = (same: DeviceCommitter) => same } = {}) => {
      const devices = createDeviceRegistry(own, () => NOW_MS);
      const published: JournalEntry[] = [];
      const services: IngestServices = {
        store: own,
        journal: new Journal(own, JOURNAL_SECONDS),
        processed: new ProcessedTime(own),
        committer: committer(
          new DeviceCommitter(own, { readingsDays: 30, now: () => NOW_MS, pause: () => Promise.resolve() }),
        ),
        ruleBook: new RuleBook(),
        findDevice: (deviceId) => devices.find('direct', deviceId),
        readDevice: (deviceId) => devices.read('direct', deviceId),
        activeRules: () => Promise.resolve(rules),
        publish: async (entries) => {
          published.push(...entries);
        },
        now: () => NOW_MS,
      };
      return { services, published, ingest: (events) => ingestBatch(services, LANE, events) };
    },
    async register(tenantId, deviceId, more = {}) {
      const at = new Date(NOW_MS).toISOString();
      const device: Device = {
        id: registrationId('direct', deviceId),
        source: 'direct',
        deviceId,
        tenantId: tenantId as TenantId,
        name: deviceId,
        groups: [],
        enabled: true,
        createdAt: at,
        updatedAt: at,
        ...more,
      };
      await store.upsert('devices', device);
    },
    async device(tenantId, deviceId) {
      const documents = await store.all<StoredDocument>(
        'device-data',
        { query: 'SELECT * FROM c' },
        deviceKey(tenantId, deviceId),
      );
      const of = <K extends StoredDocument['kind']>(kind: K) =>
        documents.filter((document): document is Extract<StoredDocument, { kind: K }> & typeof document =>
          Object.is(document.kind, kind),
        );
      return {
        state: of('state')[0],
        readings: of('readings').toSorted((a, b) => a.n - b.n),
        transitions: of('transitions').toSorted((a, b) => a.n - b.n),
        alerts: of('alert'),
        anomalies: of('anomaly'),
        detectors: of('detectors')[0],
      };
    },
    async journal(tenantId) {
      const journal = new Journal(store, JOURNAL_SECONDS);
      const entries: JournalEntry[] = [];
      for (;;) {
        const page = await journal.read(tenantId, LANE, entries.at(-1)?.n ?? 0);
        if (page.length === 0) return entries;
        entries.push(...page);
      }
    },
    async feed() {
      const changeFeedStartFrom = ChangeFeedStartFrom.Beginning();
      const iterator = database.container('device-data').items.getChangeFeedIterator({ changeFeedStartFrom });
      const documents: object[] = [];
      for (;;) {
        const { result, count } = await iterator.readNext();
        if (count === 0) return documents;
        documents.push(...(result as object[]));
      }
    },
    quarantine: (lane) => store.all<QuarantinedEvent>('quarantine', { query: 'SELECT * FROM c' }, lane),
    async close() {
      client.dispose();
      await cosmos.close();
    },
  };
}

type StoredDocument =
  | StateDocument
  | ReadingsDocument
  | TransitionsDocument
  | AlertDocument
  | AnomalyDocument
  | DetectorsDocument;

/** A client as the product makes it. */
export function connect({ endpoint, key }: CosmosServer): CosmosClient {
  return new CosmosClient({
    endpoint,
    key,
    connectionPolicy: {
      enableEndpointDiscovery: false,
      retryOptions: { maxRetryAttemptCount: 5, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 10 },
    },
  });
}

/** A hub partition: numbers what is sent. */
export class HubPartition {
  seq: number;
  enqueuedMs: number;

  constructor({ seq = 0, enqueuedMs = NOW_MS - 3_600_000 } = {}) {
    this.seq = seq;
    this.enqueuedMs = enqueuedMs;
  }

  /** Accepts a body as the trigger will hand it over. */
  send(body: unknown, more: Partial<RawEvent> = {}): RawEvent {
    this.enqueuedMs += 1000;
    const bytes = ArrayBuffer.isView(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    return { body: bytes, properties: {}, lane: LANE, seq: this.seq++, enqueuedMs: this.enqueuedMs, ...more };
  }

  /** A reading set of a device. */
  reading(deviceId: string, readings: Record<string, unknown>, more: Record<string, unknown> = {}): RawEvent {
    return this.send({ deviceId, readings, ...more });
  }
}

/** An active rule that opens while `parameter` is above `value`. */
export function above(parameter: string, value: number, id = `rul_${parameter}`): RuleDefinition {
  return {
    ...ruleDefinition.parse({ name: id, when: { kind: 'condition', if: { param: parameter, op: 'gt', value } } }),
    id,
    version: 1,
  };
}

/** What a journal says, in short: `pump=3` for a reading of `level`, `opened` and `resolved` for transitions. */
export function brief(entries: readonly JournalEntry[]): string[] {
  return entries.flatMap(({ e }) =>
    e.map((event) => {
      switch (event.k) {
        case 'telemetry':
          return `${event.d.deviceId}=${String(event.d.readings['level'])}`;
        case 'alert':
          return `alert ${event.d.change}`;
        case 'anomaly':
          return `anomaly ${event.d.state}`;
      }
    }),
  );
}
