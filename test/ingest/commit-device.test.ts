import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { DeviceDetectors } from '../../shared/anomalies/device-detectors.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';
import { BATCH_BYTES_MAX, type BatchOperation } from '../../shared/store/store.ts';
import { above, brief, HubPartition, ingestWorld, type IngestWorld } from '../support/ingest-world.ts';
import { InterceptedStore, type StoreRequest } from '../support/intercepted-store.ts';
import { noise, seeded } from '../support/signals.ts';

let world: IngestWorld;
let tenants = 0;
/** Fresh names for each test. */
let tenant: string;
let pump: string;
let hub: HubPartition;

beforeAll(async () => {
  world = await ingestWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenants += 1;
  tenant = `t${tenants}`;
  pump = `pump-${tenants}`;
  hub = new HubPartition({ seq: tenants * 1000 });
  await world.register(tenant, pump);
});
afterEach(() => world.cosmos.faults.clear());

function levels(...values: number[]): RawEvent[] {
  return values.map((level) => hub.reading(pump, { level }));
}

async function storedLevels(): Promise<unknown[]> {
  return (await world.device(tenant, pump)).readings.flatMap(({ e }) => e.map(({ v }) => v['level']));
}

const isCommit = (request: StoreRequest): request is StoreRequest & { kind: 'batch' } =>
  request.kind === 'batch' && request.name === 'device-data';

describe('against other writers', () => {
  test('of two that fold the same, one wins, and the other finds everything applied', async () => {
    const batch = levels(1, 101, 2);
    const rules = [above('level', 100)];
    const both = Promise.withResolvers<void>();
    let arrived = 0;
    // Both have folded before either commits.
    const store = () =>
      new InterceptedStore(world.client.database('sluice'), async (request, run) => {
        if (isCommit(request) && ++arrived === 2) both.resolve();
        if (isCommit(request)) await both.promise;
        return run();
      });
    const writers = [world.instance({ store: store(), rules }), world.instance({ store: store(), rules })];
    await Promise.all(writers.map((writer) => writer.ingest(batch)));
    expect(await storedLevels()).toEqual([1, 101, 2]);
    const { transitions, alerts } = await world.device(tenant, pump);
    expect(transitions.flatMap(({ e }) => e.map(({ d }) => ('change' in d ? d.change : d.state)))).toEqual([
      'opened',
      'resolved',
    ]);
    expect(alerts).toHaveLength(1);
    expect(brief(await world.journal(tenant))).toHaveLength(5);
    expect(writers.flatMap(({ published }) => brief(published))).toHaveLength(5);
  });

  test('what an instance remembers is found to be old by its etag', async () => {
    const [first, second] = [world.instance(), world.instance()];
    await first.ingest(levels(1));
    await second.ingest(levels(2));
    await first.ingest(levels(3));
    await second.ingest(levels(4, 5));
    expect(await storedLevels()).toEqual([1, 2, 3, 4, 5]);
    expect((await world.device(tenant, pump)).state?.n).toBe(5);
  });

  test('a device that another writer holds for ever makes ingest throw instead of going round', async () => {
    let commits = 0;
    const store = new InterceptedStore(world.client.database('sluice'), (request, run) => {
      if (!isCommit(request)) return run();
      commits++;
      return Promise.resolve({ kind: 'conflict', index: 0 }) as ReturnType<typeof run>;
    });
    await expect(world.instance({ store }).ingest(levels(1))).rejects.toThrow(`The device ${pump} is contended.`);
    expect(commits).toBe(8);
  });
});

describe('when the store is in trouble', () => {
  test.each(['cut-after', 'cut-before', 'unavailable', 'throttle'] as const)(
    '%s: the commit is repeated where it was not applied, and recognised where it was',
    async (kind) => {
      const instance = world.instance({ rules: [above('level', 100)] });
      await instance.ingest(levels(1));
      world.cosmos.faults.add({ kind, operation: 'batch', container: 'device-data' });
      await instance.ingest(levels(101, 2));
      expect(await storedLevels()).toEqual([1, 101, 2]);
      const expected = ['=1', '=101', 'alert opened', '=2', 'alert resolved'];
      expect(brief(await world.journal(tenant)).map((line) => line.replace(pump, ''))).toEqual(expected);
      expect((await world.device(tenant, pump)).transitions).toHaveLength(1);
    },
  );

  test('trouble that lasts is thrown, and the next delivery goes on', async () => {
    const instance = world.instance();
    const batch = levels(1, 2);
    world.cosmos.faults.add({ kind: 'unavailable', operation: 'batch', container: 'device-data', count: -1 });
    await expect(instance.ingest(batch)).rejects.toMatchObject({ code: 503 });
    world.cosmos.faults.clear();
    await instance.ingest(batch);
    expect(await storedLevels()).toEqual([1, 2]);
  });
});

describe('what the store refuses for good', () => {
  /** Refuses every commit that holds this level. */
  function picky(level: number, how: 'result' | 'whole') {
    const sizes: number[] = [];
    const store = new InterceptedStore(world.client.database('sluice'), async (request, run) => {
      if (!isCommit(request)) return run();
      const chunk = request.operations.find((operation) => idOf(operation).startsWith('readings|'));
      const sets = chunk && 'document' in chunk ? (chunk.document as unknown as { e: { v: object }[] }).e : [];
      if (!sets.some(({ v }) => Object.values(v)[0] === level)) return run();
      sizes.push(sets.length);
      if (how === 'result')
        return { kind: 'refused', index: 1, status: 413, reason: 'a test' } as Awaited<ReturnType<typeof run>>;
      // What the service itself refuses: a key that is not the batch's.
      for (const operation of request.operations)
        if ('document' in operation) Object.assign(operation.document, { pk: 'another' });
      return run();
    });
    return { sizes, instance: world.instance({ store, rules: [above('level', 100)] }) };
  }

  test.each(['result', 'whole'] as const)('is halved down to one set, which goes aside alone (%s)', async (how) => {
    const { sizes, instance } = picky(666, how);
    const batch = levels(1, 2, 3, 4, 5, 666, 6, 7, 101);
    await instance.ingest(batch);
    expect(await storedLevels()).toEqual([1, 2, 3, 4, 5, 6, 7, 101]);
    expect(sizes[0]).toBe(9);
    expect(sizes.at(-1)).toBe(1);
    const kept = (await world.quarantine()).filter(({ deviceId }) => deviceId === pump);
    expect(kept).toMatchObject([{ reason: 'too-large', seq: batch[5]?.seq, tenantId: tenant }]);
    expect(brief(await world.journal(tenant)).map((line) => line.replace(pump, ''))).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7, 101].map((level) => `=${level}`),
      'alert opened',
    ]);
  });

  test('is aside before anything later is applied, so that a crash in between loses nothing', async () => {
    const { instance } = picky(666, 'result');
    world.cosmos.faults.add({ kind: 'unavailable', operation: 'create', container: 'quarantine' });
    const batch = levels(1, 666, 2);
    await expect(instance.ingest(batch)).rejects.toMatchObject({ code: 503 });
    expect(await storedLevels()).toEqual([1]);
    await instance.ingest(batch);
    expect(await storedLevels()).toEqual([1, 2]);
    expect((await world.quarantine()).filter(({ deviceId }) => deviceId === pump)).toHaveLength(1);
  });

  test('a batch that the service refuses as a whole is found although the SDK hides the status', async () => {
    const operations: BatchOperation[] = Array.from({ length: 3 }, (_, index) => ({
      kind: 'create',
      document: { id: String(index), pk: tenant, text: 'x'.repeat(700_000) } as { id: string },
    }));
    const bytes = jest.spyOn(Buffer, 'byteLength').mockReturnValueOnce(1);
    const outcome = await world.store.batch('device-data', tenant, operations);
    bytes.mockRestore();
    expect(outcome).toMatchObject({ kind: 'refused', status: 413 });
    expect(await world.store.batch('device-data', tenant, operations)).toMatchObject({ kind: 'refused', status: 413 });
  });
});

describe('sizes', () => {
  /** Records the bytes and the operations of every commit. */
  function measured(rules = [above('level', 100)]) {
    const commits: { bytes: number; operations: number; state: boolean }[] = [];
    const store = new InterceptedStore(world.client.database('sluice'), (request, run) => {
      if (isCommit(request)) {
        commits.push({
          bytes: JSON.stringify(request.operations).length,
          operations: request.operations.length,
          state: request.operations.some((operation) => idOf(operation) === 'state'),
        });
      }
      return run();
    });
    return { commits, instance: world.instance({ store, rules }) };
  }

  test('the largest events a device may send are committed in slices that fit', async () => {
    const { commits, instance } = measured();
    const set = (number: number) => ({
      deviceId: pump,
      readings: Object.fromEntries(
        Array.from({ length: 60 }, (_, index) => [`p${index}`, '\u0001'.repeat(100) + number]),
      ),
    });
    // About 250 KB of JSON each, of which control characters make the most.
    const batch = Array.from({ length: 16 }, (_, event) =>
      hub.send([set(event * 3), set(event * 3 + 1), set(event * 3 + 2)]),
    );
    await instance.ingest(batch);
    expect((await world.device(tenant, pump)).state?.n).toBe(48);
    expect(commits.length).toBeGreaterThan(1);
    for (const { bytes } of commits) expect(bytes).toBeLessThan(BATCH_BYTES_MAX);
    const entries = await world.journal(tenant);
    expect(entries.flatMap(({ e }) => e)).toHaveLength(48);
  });

  test('a reading that opens 300 alerts at once, and one that resolves them', async () => {
    const rules = Array.from({ length: 300 }, (_, index) => above('level', 100 + index, `rul_${index}`));
    const { commits, instance } = measured(rules);
    await instance.ingest(levels(1, 1000));
    const opened = await world.device(tenant, pump);
    expect(opened.alerts).toHaveLength(300);
    expect(new Set(opened.alerts.map(({ condition }) => condition))).toEqual(new Set(['active']));
    expect(opened.transitions.flatMap(({ e }) => e)).toHaveLength(300);
    for (const { operations } of commits) expect(operations).toBeLessThanOrEqual(100);
    // The state comes last: what was written ahead of it is written again when it fails.
    expect(commits.at(-1)?.state).toBe(true);
    await instance.ingest(levels(2));
    const resolved = await world.device(tenant, pump);
    expect(new Set(resolved.alerts.map(({ condition }) => condition))).toEqual(new Set(['resolved']));
    expect(resolved.alerts).toHaveLength(300);
    expect(brief(await world.journal(tenant))).toHaveLength(603);
  });

  test('dying after what was written ahead: the retry makes it whole', async () => {
    const rules = Array.from({ length: 300 }, (_, index) => above('level', 100 + index, `rul_${index}`));
    const batch = levels(1000);
    const store = new InterceptedStore(world.client.database('sluice'), async (request, run) => {
      if (isCommit(request) && request.operations.some((operation) => idOf(operation) === 'state'))
        throw new Error('dead');
      return run();
    });
    await expect(world.instance({ store, rules }).ingest(batch)).rejects.toThrow('dead');
    expect((await world.device(tenant, pump)).state).toBeUndefined();
    await world.instance({ rules }).ingest(batch);
    const { alerts, transitions, state } = await world.device(tenant, pump);
    expect(alerts).toHaveLength(300);
    expect(transitions.flatMap(({ e }) => e)).toHaveLength(300);
    expect(state?.n).toBe(1);
  });
});

describe('what is stored', () => {
  test('an alert from its opening to its end, with the evidence', async () => {
    const instance = world.instance({ rules: [above('level', 100)] });
    await instance.ingest(levels(50, 120));
    const id = `rul_level~${pump}~1`;
    const opened = await world.device(tenant, pump);
    expect(opened.alerts).toMatchObject([
      { id: `alert|${id}`, alertId: id, condition: 'active', parameter: 'level', value: 120, threshold: 100 },
    ]);
    expect(opened.alerts[0]).not.toHaveProperty('ttl');
    await world.instance({ rules: [above('level', 100)] }).ingest(levels(60));
    const [alert] = (await world.device(tenant, pump)).alerts;
    expect(alert).toMatchObject({ condition: 'resolved', reason: 'condition', ttl: 90 * 86_400 });
    expect(alert?.history.map(({ what }) => what)).toEqual(['opened', 'resolved']);
  });

  test('detectors are saved every 50 sets, an instance that comes after goes on as if it had seen all, and anomalies open once', async () => {
    const random = seeded(7);
    const values = Array.from({ length: 430 }, (_, index) => (index === 400 ? 90 : 20 + noise(random)));
    const events = values.map((level) => hub.reading(pump, { level }));
    // The oracle: one instance that never forgets.
    const oracleId = `oracle-${tenants}`;
    await world.register(`oracle-${tenant}`, oracleId);
    const oracleHub = new HubPartition({ seq: hub.seq + 10_000, enqueuedMs: (events[0]?.enqueuedMs ?? 0) - 1000 });
    await world.instance().ingest(values.map((level) => oracleHub.reading(oracleId, { level })));

    let cut = 0;
    for (const size of [1, 30, 18, 1, 1, 49, 100, 7, 193, 3, 27]) {
      await world.instance().ingest(events.slice(cut, cut + size));
      cut += size;
      const { state, detectors } = await world.device(tenant, pump);
      expect((state?.n ?? 0) - (detectors?.n ?? 0)).toBeLessThan(50);
      expect(state?.saved).toBe(detectors?.n ?? 0);
    }
    expect(cut).toBe(430);
    const own = await world.device(tenant, pump);
    const oracle = await world.device(`oracle-${tenant}`, oracleId);
    const anomalyOf = ({ anomalies }: typeof own) =>
      anomalies.map(({ parameter, score, value, expected, lower, upper }) => ({
        parameter,
        score,
        value,
        expected,
        lower,
        upper,
      }));
    expect(own.anomalies.length).toBeGreaterThanOrEqual(1);
    expect(anomalyOf(own)).toEqual(anomalyOf(oracle));
    expect(own.anomalies.map(({ value }) => value)).toContain(90);
    expect(own.anomalies.map(({ anomalyId }) => anomalyId)).toContain(`level~${pump}~1`);
    expect(brief(await world.journal(tenant)).filter((line) => line === 'anomaly opened')).toHaveLength(
      own.anomalies.length,
    );
    // Saved and taught from the readings after it, the memory is the same to the last bit.
    const rebuilt = DeviceDetectors.restore(own.detectors?.detectors);
    for (const { n, e } of own.readings) {
      for (const [index, { t, v }] of e.entries())
        if (n - e.length + 1 + index > (own.detectors?.n ?? 0)) rebuilt.learn({ ts: t, readings: v });
    }
    const whole = DeviceDetectors.restore();
    for (const { t, v } of own.readings.flatMap(({ e }) => e)) whole.learn({ ts: t, readings: v });
    expect(rebuilt.state()).toEqual(whole.state());
  });

  test('a saved detector that cannot be read costs its memory and nothing else', async () => {
    const instance = world.instance();
    await instance.ingest(levels(...Array.from({ length: 60 }, (_, index) => 20 + (index % 3))));
    const { detectors } = await world.device(tenant, pump);
    if (!detectors) throw new Error('No detectors were saved.');
    const damaged = { ...detectors, detectors: { level: { version: -1 } } };
    await world.store.upsert('device-data', damaged);
    await world.instance().ingest(levels(21));
    expect((await world.device(tenant, pump)).state?.n).toBe(61);
  });
});

function idOf(operation: BatchOperation): string {
  return 'document' in operation ? operation.document.id : operation.id;
}
