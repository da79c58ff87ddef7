import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { gunzipSync } from 'node:zlib';
import { ingestBatch } from '../../shared/ingest/ingest.ts';
import type { RawEvent } from '../../shared/telemetry/decoded.ts';
import { above, brief, HubPartition, ingestWorld, LANE, type IngestWorld } from '../support/ingest-world.ts';
import { InterceptedStore, type StoreRequest } from '../support/intercepted-store.ts';

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

/** The journal with every device called by its kind. */
async function journal(): Promise<string[]> {
  return brief(await world.journal(tenant)).map((line) => line.replace(`-${tenants}`, ''));
}

function levels(...values: number[]): RawEvent[] {
  return values.map((level) => hub.reading(pump, { level }));
}

/** An instance that dies at the first request that `where` names: that one and all after it never come back. */
function mortal(where: (request: StoreRequest) => boolean, applied = false) {
  let dead = false;
  const store = new InterceptedStore(world.client.database('sluice'), async (request, run) => {
    if (dead) throw new Error('dead');
    if (!where(request)) return run();
    if (applied) await run();
    dead = true;
    throw new Error('dead');
  });
  return world.instance({ store, rules: [above('level', 100)] });
}

const toJournal = (request: StoreRequest) => request.kind === 'batch' && request.name === 'journal';

describe('what is accepted', () => {
  test('is stored with the device, journaled in the order of the hub and published as journaled', async () => {
    const fan = `fan-${tenants}`;
    await world.register(tenant, fan);
    const instance = world.instance({ rules: [above('level', 100)] });
    await instance.ingest([
      hub.reading(pump, { level: 1 }),
      hub.reading(fan, { level: 2 }),
      hub.reading(pump, { level: 101 }),
      hub.send([
        { deviceId: fan, readings: { level: 3 } },
        { deviceId: fan, readings: { level: 4 } },
      ]),
      hub.reading(pump, { level: 5 }),
    ]);
    const expected = ['pump=1', 'fan=2', 'pump=101', 'alert opened', 'fan=3', 'fan=4', 'pump=5', 'alert resolved'];
    expect(await journal()).toEqual(expected);
    expect(instance.published).toEqual(await world.journal(tenant));
    const { state, readings, transitions, alerts } = await world.device(tenant, pump);
    expect(state).toMatchObject({ n: 3, pos: { [LANE]: { seq: hub.seq - 1 } } });
    expect(readings.flatMap(({ e }) => e.map(({ v }) => v['level']))).toEqual([1, 101, 5]);
    expect(transitions.flatMap(({ e }) => e.map(({ d }) => ('change' in d ? d.change : d.state)))).toEqual([
      'opened',
      'resolved',
    ]);
    expect(alerts).toMatchObject([{ condition: 'resolved', deviceId: pump, tenantId: tenant }]);
  });

  test('of two tenants goes into two lanes', async () => {
    const other = `other-${tenants}`;
    await world.register(other, `fan-${tenants}`);
    await world.instance().ingest([hub.reading(pump, { level: 1 }), hub.reading(`fan-${tenants}`, { level: 2 })]);
    expect(await journal()).toEqual(['pump=1']);
    expect(brief(await world.journal(other))).toEqual([`fan-${tenants}=2`]);
  });

  test('a redelivery changes nothing, cut as before or differently, by the same instance or another', async () => {
    const batch = levels(1, 101, 2, 102, 3);
    const rules = [above('level', 100)];
    const instance = world.instance({ rules });
    await instance.ingest(batch.slice(0, 3));
    await instance.ingest(batch.slice(0, 3));
    await world.instance({ rules }).ingest(batch.slice(1, 4));
    await instance.ingest(batch);
    await world.instance({ rules }).ingest(batch.slice(4));
    expect(await journal()).toEqual([
      'pump=1',
      'pump=101',
      'alert opened',
      'pump=2',
      'alert resolved',
      'pump=102',
      'alert opened',
      'pump=3',
      'alert resolved',
    ]);
    expect((await world.device(tenant, pump)).state?.n).toBe(5);
  });

  test('a message that the device sends twice counts once, however far apart and wherever it is processed', async () => {
    const sent = (level: number, messageId: string) => hub.reading(pump, { level }, { messageId });
    const batch = [sent(1, 'a'), sent(2, 'b'), sent(1, 'a'), sent(3, 'c')];
    await world.instance().ingest(batch);
    await world.instance().ingest([sent(2, 'b'), sent(4, 'd')]);
    await world.instance().ingest(batch);
    expect(await journal()).toEqual(['pump=1', 'pump=2', 'pump=3', 'pump=4']);
  });

  test('a device that sends to several partitions at once loses nothing', async () => {
    const instance = world.instance();
    const lanes = ['direct-0', 'direct-1', 'direct-2', 'direct-3'];
    await Promise.all(
      lanes.map((lane) =>
        ingestBatch(
          instance.services,
          lane,
          levels(1, 2, 3).map((raw) => ({ ...raw, lane })),
        ),
      ),
    );
    const { state, readings } = await world.device(tenant, pump);
    expect(state?.n).toBe(12);
    expect(readings.flatMap(({ e }) => e)).toHaveLength(12);
    expect(Object.keys(state?.pos ?? {}).toSorted()).toEqual(lanes);
  });
});

describe('quarantine', () => {
  test('takes what is malformed, unknown, foreign or disabled, each with its reason, and the rest goes on', async () => {
    await world.register(tenant, `off-${tenants}`, { enabled: false });
    const bad = [
      hub.send('{"deviceId": '),
      hub.reading(pump, { level: null }),
      hub.reading(`nobody-${tenants}`, { level: 1 }),
      hub.reading(pump, { level: 1 }, { tenantId: 'somebody-else' }),
      hub.reading(`off-${tenants}`, { level: 1 }),
      hub.reading(pump, { text: 'x'.repeat(300 * 1024) }),
    ];
    const first = hub.reading(pump, { level: 1 });
    await world.instance().ingest([first, ...bad, hub.reading(pump, { level: 2 })]);
    expect(await journal()).toEqual(['pump=1', 'pump=2']);
    const kept = (await inQuarantine(bad)).map(({ reason, deviceId, tenantId }) => ({ reason, deviceId, tenantId }));
    expect(kept).toEqual([
      { reason: 'malformed-json' },
      { reason: 'invalid-event' },
      { reason: 'unknown-device', deviceId: `nobody-${tenants}` },
      { reason: 'foreign-tenant', deviceId: pump, tenantId: tenant },
      { reason: 'device-disabled', deviceId: `off-${tenants}`, tenantId: tenant },
      { reason: 'too-large' },
    ]);
  });

  test('a redelivery keeps one', async () => {
    const bad = [hub.send('no json')];
    await world.instance().ingest(bad);
    await world.instance().ingest(bad);
    expect(await inQuarantine(bad)).toHaveLength(1);
  });

  test('what was registered or enabled a moment ago is accepted although it was refused before', async () => {
    const late = `late-${tenants}`;
    const instance = world.instance();
    await world.register(tenant, pump, { enabled: false });
    const refused = [hub.reading(late, { level: 1 }), hub.reading(pump, { level: 1 })];
    await instance.ingest(refused);
    expect(await inQuarantine(refused)).toHaveLength(2);
    await world.register(tenant, late);
    await world.register(tenant, pump);
    await instance.ingest([hub.reading(late, { level: 2 }), hub.reading(pump, { level: 3 })]);
    expect(await journal()).toEqual(['late=2', 'pump=3']);
  });

  test.each<[string, Buffer]>([
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0xc3, 0x28, 0x80])],
    ['a byte order mark', Buffer.from('\ufeffnot json')],
    ['nothing', Buffer.alloc(0)],
    ['a text of 1 MB', Buffer.alloc(1_000_000, 'abc')],
    ['control characters, which grow sixfold in JSON', Buffer.alloc(400_000, 1)],
    ['quotes and backslashes', Buffer.alloc(299_999, '"\\')],
    ['1 MB that does not compress', noise(1_040_000)],
    ['a little that does not compress', noise(250_000)],
  ])('keeps %s whole', async (_, body) => {
    const sent = [hub.send(body, { properties: { source: 'test' }, partitionKey: 'key' })];
    await world.instance().ingest(sent);
    const [kept] = await inQuarantine(sent);
    const bytes = Buffer.from(kept?.body ?? '', kept?.bodyEncoding === 'utf8' ? 'utf8' : 'base64');
    const whole = kept?.bodyEncoding === 'gzip-base64' ? gunzipSync(bytes) : bytes;
    expect(whole.equals(body)).toBe(true);
    expect(kept).toMatchObject({ bodyBytes: body.length, properties: { source: 'test' }, partitionKey: 'key' });
  });

  test('properties of 900 KB are packed, and what fits in no form is still on record', async () => {
    const large = { text: 'y'.repeat(300_000), control: '\u0001'.repeat(300_000), bytes: [...noise(100_000)] };
    const hopeless = { text: noise(3_000_000).toString('base64') };
    const sent = [hub.send('no json', { properties: large }), hub.send('no json', { properties: hopeless })];
    await world.instance().ingest([...sent, hub.reading(pump, { level: 1 })]);
    const [packed, omitted] = await inQuarantine(sent);
    expect(JSON.parse(gunzipSync(Buffer.from(packed?.properties as string, 'base64')).toString())).toEqual(large);
    expect(packed?.body).toBe('no json');
    expect(omitted).toMatchObject({ bodyEncoding: 'omitted', bodyBytes: 7, reason: 'malformed-json' });
    expect(await journal()).toEqual(['pump=1']);
  });

  test('a store that is away makes ingest throw, and nothing is lost', async () => {
    const instance = world.instance();
    const bad = hub.send('no json');
    world.cosmos.faults.add({ kind: 'unavailable', container: 'quarantine' });
    await expect(instance.ingest([bad, ...levels(1)])).rejects.toMatchObject({ code: 503 });
    await instance.ingest([bad, hub.reading(pump, { level: 2 })]);
    expect(await inQuarantine([bad])).toHaveLength(1);
  });

  async function inQuarantine(events: RawEvent[]) {
    const kept = await world.quarantine();
    return events.flatMap(({ seq, enqueuedMs }) => kept.filter(({ id }) => id === `${seq}-${enqueuedMs}`));
  }

  function noise(length: number): Buffer {
    let state = 12345;
    return Buffer.from(
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return state >>> 16;
      }),
    );
  }
});

describe('a writer that died', () => {
  const values = [1, 101, 2, 102, 3];
  const whole = [
    'pump=1',
    'pump=101',
    'alert opened',
    'pump=2',
    'alert resolved',
    'pump=102',
    'alert opened',
    'pump=3',
    'alert resolved',
  ];

  test('before the journal: the next delivery journals what it had applied, transitions after their cause', async () => {
    const batch = levels(...values);
    await expect(mortal(toJournal).ingest(batch)).rejects.toThrow('dead');
    expect(await journal()).toEqual([]);
    const next = world.instance({ rules: [above('level', 100)] });
    await next.ingest(batch);
    expect(await journal()).toEqual(whole);
    expect(brief(next.published)).toHaveLength(whole.length);
  });

  test('before the journal: deliveries that are cut differently, with new events, in the order of the hub', async () => {
    const batch = levels(...values);
    const fan = `fan-${tenants}`;
    await world.register(tenant, fan);
    const mixed = [...batch.slice(0, 2), hub.reading(fan, { level: 50 }), ...batch.slice(2)].map((raw, index) => ({
      ...raw,
      seq: 1_000_000 + index,
      enqueuedMs: (batch[0]?.enqueuedMs ?? 0) + index,
    }));
    await expect(mortal(toJournal).ingest(mixed.slice(0, 4))).rejects.toThrow('dead');
    const rules = [above('level', 100)];
    await world.instance({ rules }).ingest(mixed.slice(0, 1));
    await world.instance({ rules }).ingest(mixed.slice(0, 3));
    await world.instance({ rules }).ingest(mixed.slice(1));
    expect(await journal()).toEqual([...whole.slice(0, 3), 'fan=50', ...whole.slice(3)]);
  });

  test('after some devices and before others: each is applied once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `d${index}-${tenants}`);
    for (const id of ids) await world.register(tenant, id);
    const batch = ids.map((id) => hub.reading(id, { level: 1 }));
    let batches = 0;
    const dying = mortal((request) => request.kind === 'batch' && request.name === 'device-data' && ++batches > 7);
    await expect(dying.ingest(batch)).rejects.toThrow('dead');
    await world.instance().ingest(batch);
    expect(await journal()).toEqual(ids.map((id) => `${id.replace(`-${tenants}`, '')}=1`));
    for (const id of ids) expect((await world.device(tenant, id)).state?.n).toBe(1);
  });

  test('after the journal and before publishing: the next delivery adds nothing', async () => {
    const batch = levels(...values);
    const dying = mortal(toJournal, true);
    await expect(dying.ingest(batch)).rejects.toThrow('dead');
    expect(dying.published).toEqual([]);
    const next = world.instance({ rules: [above('level', 100)] });
    await next.ingest(batch);
    expect(await journal()).toEqual(whole);
  });

  test('what was skipped as a repeat stays skipped when the rest is recovered', async () => {
    const sent = (level: number, messageId: string) => hub.reading(pump, { level }, { messageId });
    const batch = [sent(1, 'a'), sent(1, 'a'), sent(2, 'b')];
    await expect(mortal(toJournal).ingest(batch)).rejects.toThrow('dead');
    await world.instance().ingest(batch);
    expect(await journal()).toEqual(['pump=1', 'pump=2']);
  });

  test('on a hub that was made anew, nothing of the old hub is journaled again', async () => {
    const rules = [above('level', 100)];
    const old = new HubPartition({ seq: 0, enqueuedMs: hub.enqueuedMs - 7_200_000 });
    await world.instance({ rules }).ingest([101, 1, 102, 2].map((level) => old.reading(pump, { level })));
    const anew = new HubPartition({ seq: 0, enqueuedMs: hub.enqueuedMs });
    const batch = [3, 103, 4].map((level) => anew.reading(pump, { level }));
    await expect(mortal(toJournal).ingest(batch)).rejects.toThrow('dead');
    await world.instance({ rules }).ingest(batch);
    const lines = await journal();
    expect(lines.slice(lines.indexOf('pump=3'))).toEqual([
      'pump=3',
      'pump=103',
      'alert opened',
      'pump=4',
      'alert resolved',
    ]);
    expect(lines.filter((line) => line === 'alert opened')).toHaveLength(3);
  });
});
