import { describe, expect, test } from '@jest/globals';
import { formatCursor } from '../../shared/stream/cursor.ts';
import { ndjson } from '../../shared/stream/framing.ts';
import { STREAM_BUFFER_BYTES } from '../../shared/stream/stream.ts';
import { MemorySink, streamWorld, telemetry } from '../support/stream-world.ts';

const ids = (sink: MemorySink) =>
  sink.blocks().flatMap(({ type, data }) => (type === 'message' ? [data['eventId']] : []));
const named = (sink: MemorySink, type: string) => sink.blocks().filter((block) => block.type === type);
const at = (lane: string, n: number, i = 0) => formatCursor(new Map([[lane, { n, i }]]));

describe('opening', () => {
  test('ready comes at once, with the cursor that stands for now and a reconnection time', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'before')]);
    const { sink } = await world.open();
    expect(sink.text).toMatch(/^retry: \d+\nevent: ready\n/);
    expect(sink.blocks()[0]).toMatchObject({ type: 'ready', id: at('direct-0', 1), data: { resumed: false } });
    world.say('direct-0', [telemetry('d1', 'after')]);
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['after']);
  });

  test('a cursor resumes behind the last event that was had, even inside an entry', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'a'), telemetry('d1', 'b'), telemetry('d1', 'c')]);
    world.say('direct-0', [telemetry('d2', 'd')]);
    world.say('direct-1', [telemetry('d2', 'e')]);
    const { sink, stream } = await world.open({ cursor: at('direct-0', 0, 2) });
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['c', 'd', 'e']);
    expect(stream.live).toBe(true);
    expect(sink.blocks().at(-1)?.id).toBe(
      formatCursor(
        new Map([
          ['direct-0', { n: 2, i: 0 }],
          ['direct-1', { n: 1, i: 0 }],
        ]),
      ),
    );
  });

  test('opening a second stream costs the journal nothing', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'a')]);
    const first = await world.open();
    const { reads } = world.journal;
    await world.open({ cursor: first.sink.blocks()[0]?.id ?? '' });
    await world.open();
    expect(world.journal.reads).toBe(reads);
  });

  test('streams that saw the same share one write', async () => {
    const world = streamWorld();
    const sinks = await Promise.all([world.open(), world.open(), world.open()]);
    world.say(
      'direct-0',
      Array.from({ length: 15 }, (_, index) => telemetry('d1', String(index))),
    );
    await world.timing.advance(10);
    for (const { sink } of sinks) {
      expect(sink.writes).toBe(3);
      expect(ids(sink)).toHaveLength(15);
      // The id stands on the last event only: a cut inside repeats, and skips nothing.
      expect(sink.blocks().filter(({ type, id }) => type === 'message' && id !== undefined)).toHaveLength(1);
    }
  });
});

describe('holes', () => {
  test('a cursor older than the journal is told what it missed, then goes on', async () => {
    const world = streamWorld();
    for (const id of ['1', '2', '3', '4']) world.say('direct-0', [telemetry('d1', id)]);
    world.journal.expire('acme', 'direct-0', 3);
    const { sink } = await world.open({ cursor: at('direct-0', 1) });
    await world.timing.advance(10);
    expect(named(sink, 'gap')).toMatchObject([
      { id: at('direct-0', 3), data: { reason: 'expired', from: at('direct-0', 1), to: at('direct-0', 3) } },
    ]);
    expect(ids(sink)).toEqual(['4']);
  });

  test('a lane that has expired whole is a gap as well', async () => {
    const world = streamWorld();
    for (const id of ['1', '2']) world.say('direct-0', [telemetry('d1', id)]);
    world.journal.expire('acme', 'direct-0', 2);
    const { sink, stream } = await world.open({ cursor: at('direct-0', 1) });
    await world.timing.advance(5_000);
    expect(named(sink, 'gap')).toHaveLength(1);
    expect(stream.live).toBe(true);
  });

  test('a last publish that is lost is found by the audit', async () => {
    const world = streamWorld();
    const { sink } = await world.open();
    await world.timing.advance(20_000);
    world.say('direct-0', [telemetry('d1', 'lost')], true);
    world.say('direct-7', [telemetry('d2', 'new lane, lost')], true);
    await world.timing.advance(13_000);
    expect(new Set(ids(sink))).toEqual(new Set(['lost', 'new lane, lost']));
  });

  test('a cursor ahead of the journal waits a moment, then is told that the journal began anew', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'a')]);
    const { sink } = await world.open({ cursor: at('direct-0', 500) });
    await world.timing.advance(500);
    expect(named(sink, 'gap')).toEqual([]);
    await world.timing.advance(5_000);
    expect(named(sink, 'gap')).toMatchObject([{ data: { reason: 'reset' } }]);
    expect(ids(sink)).toEqual(['a']);
  });

  test('a client that resumes while the store is down is let in, and served when the store is back', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'a')]);
    world.journal.trouble = () => Promise.reject(new Error('no store'));
    const { sink } = await world.open({ cursor: '0' });
    await world.timing.advance(16_000);
    expect(sink.blocks().map(({ type }) => type)).toEqual(['ready', 'heartbeat']);
    world.journal.trouble = () => Promise.resolve();
    await world.timing.advance(2_000);
    expect(ids(sink)).toEqual(['a']);
  });

  test('a store that fails delays a resume and does not end it', async () => {
    const world = streamWorld();
    await world.open();
    for (let index = 0; index < 200; index++)
      world.say('direct-0', [telemetry('d1', String(index), { pad: 'x'.repeat(2_000) })]);
    let failures = 5;
    world.journal.trouble = () => (failures-- > 0 ? Promise.reject(new Error('throttled')) : Promise.resolve());
    const { sink } = await world.open({ cursor: '0' });
    await world.timing.advance(20_000);
    expect(ids(sink)).toHaveLength(200);
  });
});

describe('slow readers', () => {
  test('a stalled reader costs a bounded buffer, falls back to the journal and loses nothing', async () => {
    const world = streamWorld();
    const { sink, stream } = await world.open();
    sink.stalled = true;
    for (let index = 0; index < 400; index++) {
      world.say('direct-0', [telemetry('d1', String(index), { pad: 'x'.repeat(5_000) })]);
      await world.timing.advance(1);
    }
    expect(stream.live).toBe(false);
    expect(sink.peak).toBeLessThanOrEqual(STREAM_BUFFER_BYTES);
    sink.stalled = false;
    sink.takeAll();
    await world.timing.advance(1_000);
    expect(ids(sink)).toEqual(Array.from({ length: 400 }, (_, index) => String(index)));
    expect(stream.live).toBe(true);
  });
});

describe('authority', () => {
  test('only permitted devices, and anomalies only where the application includes them', async () => {
    const world = streamWorld();
    world.policy.decision = { allowed: true, devices: new Set(['d1']), includeAnomalies: false };
    const { sink } = await world.open();
    const anomaly = { k: 'anomaly', d: { eventId: 'x', deviceId: 'd1' } } as never;
    world.say('direct-0', [telemetry('d2', 'foreign'), anomaly, telemetry('d1', 'own')]);
    await world.timing.advance(10);
    expect(sink.blocks().map(({ type }) => type)).toEqual(['ready', 'message']);
    expect(ids(sink)).toEqual(['own']);
  });

  test('an edited policy filters the open stream anew, both ways', async () => {
    const world = streamWorld();
    const { sink, stream } = await world.open();
    world.policy.decision = { allowed: true, devices: new Set(['d2', 'd3']), includeAnomalies: true };
    await world.timing.advance(1_100);
    world.say('direct-0', [telemetry('d1', 'gone'), telemetry('d2', 'kept'), telemetry('d3', 'new')]);
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['kept', 'new']);
    expect(stream.ended).toBe(false);
  });

  test('an edited policy holds for what a resuming stream still has to read', async () => {
    const world = streamWorld();
    for (let index = 0; index < 100; index++)
      world.say('direct-0', [telemetry('d1', String(index), { pad: 'x'.repeat(5_000) })]);
    const sink = new MemorySink();
    sink.stalled = true;
    await world.open({ cursor: '0', sink });
    await world.timing.advance(100);
    world.policy.decision = { allowed: true, devices: new Set(['d2']), includeAnomalies: true };
    await world.timing.advance(1_100);
    sink.stalled = false;
    sink.takeAll();
    await world.timing.advance(100);
    const seen = ids(sink).length;
    expect(seen).toBeLessThan(30);
    expect(seen).toBeGreaterThan(0);
  });

  test.each(['disabled', 'deleted', 'expired', 'revoked'])(
    '%s: the stream says so and ends within 5 s',
    async (reason) => {
      const world = streamWorld();
      const { sink } = await world.open();
      world.policy.decision = { allowed: false, reason };
      await world.timing.advance(1_500);
      expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', id: '0', data: { reason } });
      expect(sink.closed).toBe(true);
      expect(world.relay.size).toBe(0);
    },
  );

  test.each([
    ['disabled', 'application-not-allowed', 403],
    ['superseded', 'ticket-superseded', 409],
  ])('who is %s the moment a stream opens gets none: %s', async (reason, kind, status) => {
    const world = streamWorld();
    world.policy.decision = { allowed: false, reason };
    await expect(world.open()).rejects.toMatchObject({ kind, status });
  });

  test('an authority that does not answer is believed for a while, then streams end', async () => {
    const world = streamWorld();
    const { sink } = await world.open();
    Object.defineProperty(world.policy, 'decision', {
      get: () => {
        throw new Error('no store');
      },
    });
    await world.timing.advance(5_000);
    expect(sink.closed).toBe(false);
    await world.timing.advance(10_000);
    expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', data: { reason: 'authority_unavailable' } });
  });

  test("a device or group that is not the application's is refused by name", async () => {
    const world = streamWorld();
    await expect(world.open({ selection: { devices: new Set(['d1', 'd9']) } })).rejects.toMatchObject({
      status: 403,
      extensions: { errors: [{ field: 'devices', got: 'd9' }] },
    });
    await expect(world.open({ selection: { groups: new Set(['hall']) } })).rejects.toMatchObject({
      status: 403,
      extensions: { errors: [{ field: 'groups', got: 'hall' }] },
    });
    expect(world.relay.size).toBe(0);
  });

  test('a group stands for its members of the moment', async () => {
    const world = streamWorld();
    world.policy.members = new Set(['d1', 'd3']);
    const { sink } = await world.open({ selection: { groups: new Set(['hall']) } });
    world.say('direct-0', [telemetry('d1', 'in'), telemetry('d2', 'out'), telemetry('d3', 'foreign')]);
    await world.timing.advance(10);
    world.policy.members = new Set(['d2']);
    await world.timing.advance(1_100);
    world.say('direct-0', [telemetry('d1', 'left'), telemetry('d2', 'joined')]);
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['in', 'joined']);
  });
});

describe('filters and formats', () => {
  test('parameters cut the readings, and events without any of them are left out', async () => {
    const world = streamWorld();
    const { sink } = await world.open({ selection: { parameters: new Set(['t']) } });
    world.say('direct-0', [telemetry('d1', 'a', { t: 1, rh: 2 }), telemetry('d1', 'b', { rh: 3 })]);
    await world.timing.advance(10);
    expect(
      sink
        .blocks()
        .slice(1)
        .map(({ data }) => data),
    ).toMatchObject([{ eventId: 'a', readings: { t: 1 } }]);
    expect(sink.text).not.toContain('rh');
  });

  test('types choose kinds', async () => {
    const world = streamWorld();
    const { sink } = await world.open({ selection: { types: new Set(['alert']) } });
    world.say('direct-0', [telemetry('d1', 'a'), { k: 'alert', d: { eventId: 'b', deviceId: 'd1' } } as never]);
    await world.timing.advance(10);
    expect(sink.blocks().map(({ type }) => type)).toEqual(['ready', 'alert']);
  });

  test('CloudEvents carry the event inside', async () => {
    const world = streamWorld();
    const { sink } = await world.open({ selection: { format: 'cloudevents' } });
    world.say('direct-0', [telemetry('d1', 'a')]);
    await world.timing.advance(10);
    expect(sink.blocks()[1]?.data).toMatchObject({
      specversion: '1.0',
      id: 'a',
      source: '/tenants/acme/devices/d1',
      type: 'sluice.telemetry',
      time: '2026-11-24T00:00:00.000Z',
      data: { eventId: 'a', readings: { t: 1 } },
    });
  });

  test('ndjson tells the same story', async () => {
    const world = streamWorld();
    const { sink } = await world.open({ selection: { framing: ndjson } });
    world.say('direct-0', [telemetry('d1', 'a')]);
    await world.timing.advance(10);
    expect(
      sink.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { type: 'ready', cursor: '0' },
      { type: 'telemetry', cursor: at('direct-0', 1), data: { eventId: 'a' } },
    ]);
  });
});

describe('every', () => {
  const every = (everyMs: number) => ({ selection: { everyMs } });

  test('at most the newest event per device and interval; the first comes at once', async () => {
    const world = streamWorld();
    const { sink } = await world.open(every(5_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['first']);
    for (const id of ['a', 'b', 'c']) world.say('direct-0', [telemetry('d1', `d1-${id}`), telemetry('d2', `d2-${id}`)]);
    await world.timing.advance(4_000);
    expect(ids(sink)).toEqual(['first']);
    await world.timing.advance(1_100);
    expect(ids(sink)).toEqual(['first', 'd1-c', 'd2-c']);
  });

  test('the cursor never covers what is held back: who is cut off in between gets it after all', async () => {
    const world = streamWorld();
    const { sink, stream } = await world.open(every(60_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'held')]);
    await world.timing.advance(20_000);
    const [heartbeat] = named(sink, 'heartbeat');
    expect(heartbeat?.id).toBe(at('direct-0', 1));
    sink.leave();
    expect(stream.ended).toBe(true);
    const again = await world.open({ ...every(60_000), cursor: heartbeat?.id ?? '' });
    await world.timing.advance(10);
    expect(ids(again.sink)).toEqual(['held']);
  });

  const alert = (eventId: string) => ({ k: 'alert', d: { eventId, deviceId: 'd1' } }) as never;
  const said = (sink: { blocks(): { type: string; data: Record<string, unknown>; id?: string | undefined }[] }) =>
    sink.blocks().map(({ type, data, id }) => [data['eventId'] ?? type, id !== undefined]);

  test('an alert does not wait, and lets nothing go that does; its id comes with what was held back', async () => {
    const world = streamWorld();
    const { sink } = await world.open(every(20_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'held'), alert('alert-1')]);
    world.say('direct-0', [telemetry('d1', 'newer'), alert('alert-2')]);
    await world.timing.advance(16_000);
    const atOnce = [
      ['ready', true],
      ['first', true],
      ['alert-1', false],
      ['alert-2', false],
      ['heartbeat', false],
    ];
    expect(said(sink)).toEqual(atOnce);
    await world.timing.advance(5_000);
    expect(said(sink)).toEqual([...atOnce, ['newer', true]]);
    expect(sink.blocks().at(-1)?.id).toBe(at('direct-0', 3));
  });

  test('who is cut off between an alert and its id gets both after all, once', async () => {
    const world = streamWorld();
    const first = await world.open(every(60_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'held'), alert('alert')]);
    await world.timing.advance(20_000);
    const cursor = first.sink.blocks().findLast(({ id }) => id !== undefined)?.id ?? '';
    first.sink.leave();
    const again = await world.open({ ...every(60_000), cursor });
    await world.timing.advance(10);
    expect(said(again.sink).map(([what]) => what)).toEqual(['ready', 'held', 'alert']);
  });

  test('where nothing is held back, an alert has its id, and makes telemetry wait no longer', async () => {
    const world = streamWorld();
    const { sink } = await world.open(every(5_000));
    world.say('direct-0', [alert('alert')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    expect(said(sink)).toEqual([
      ['ready', true],
      ['alert', true],
      ['first', true],
    ]);
  });

  test('an end lets go of what is held back, and its id covers the alerts before', async () => {
    const world = streamWorld();
    const { sink } = await world.open(every(60_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'held'), alert('alert')]);
    await world.timing.advance(10);
    world.relay.close();
    expect(said(sink).slice(2)).toEqual([
      ['alert', false],
      ['held', true],
      ['close', true],
    ]);
    expect(sink.blocks().at(-1)?.id).toBe(at('direct-0', 2));
  });

  test('resuming gives the newest per device, not the whole past', async () => {
    const world = streamWorld();
    for (let index = 0; index < 300; index++) world.say('direct-0', [telemetry(`d${1 + (index % 2)}`, String(index))]);
    const { sink, stream } = await world.open({ ...every(1_000), cursor: '0' });
    await world.timing.advance(10);
    expect(ids(sink)).toEqual(['298', '299']);
    expect(stream.live).toBe(true);
  });

  test('who joins others of the same interval gets nothing of what was held back for them', async () => {
    const world = streamWorld();
    const first = await world.open(every(60_000));
    world.say('direct-0', [telemetry('d1', 'a')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'b')]);
    await world.timing.advance(10);
    const second = await world.open({ ...every(60_000), cursor: at('direct-0', 1) });
    const third = await world.open(every(60_000));
    await world.timing.advance(61_000);
    expect(ids(first.sink)).toEqual(['a', 'b']);
    expect(ids(second.sink)).toEqual(['b']);
    expect(ids(third.sink)).toEqual([]);
  });

  test('a reader that is too slow for a write that was held back gets it from the journal', async () => {
    const world = streamWorld();
    const large = { pad: 'x'.repeat(150_000) };
    const { sink, stream } = await world.open(every(1_000));
    world.say('direct-0', [telemetry('d1', 'a', large)]);
    await world.timing.advance(10);
    sink.stalled = true;
    world.say('direct-0', [telemetry('d1', 'b', large)]);
    await world.timing.advance(2_000);
    world.say('direct-0', [telemetry('d1', 'c', large)]);
    await world.timing.advance(10);
    // Held back for a while before the write that does not fit any more.
    world.say('direct-0', [telemetry('d2', 'd', large)]);
    await world.timing.advance(10);
    world.say('direct-1', [telemetry('d3', 'foreign')]);
    await world.timing.advance(2_000);
    expect(stream.live).toBe(false);
    sink.stalled = false;
    sink.takeAll();
    await world.timing.advance(100);
    expect(new Set(ids(sink))).toEqual(new Set(['a', 'b', 'c', 'd']));
    expect(ids(sink)).toHaveLength(4);
  });

  test('a reader that is cut off while its resume holds something back gets it after all', async () => {
    const world = streamWorld();
    world.say('direct-0', [telemetry('d1', 'a')]);
    world.say('direct-1', [telemetry('d2', 'b')]);
    const { promise: store, resolve: answer } = Promise.withResolvers<void>();
    let reads = 0;
    world.journal.trouble = () => (++reads > 4 ? store : Promise.resolve());
    const { sink } = await world.open({ ...every(1_000), cursor: '0' });
    await world.timing.advance(16_000);
    const cursor = sink.blocks().at(-1)?.id ?? '';
    expect(ids(sink)).toEqual([]);
    sink.leave();
    answer();
    const again = await world.open({ ...every(1_000), cursor });
    await world.timing.advance(1_000);
    expect(new Set([...ids(sink), ...ids(again.sink)])).toEqual(new Set(['a', 'b']));
  });

  test('closing gives what was held back before the goodbye', async () => {
    const world = streamWorld();
    const { sink } = await world.open(every(60_000));
    world.say('direct-0', [telemetry('d1', 'first')]);
    await world.timing.advance(10);
    world.say('direct-0', [telemetry('d1', 'held')]);
    world.relay.close();
    expect(ids(sink)).toEqual(['first', 'held']);
    expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', id: at('direct-0', 2) });
  });
});

describe('snapshot', () => {
  test('the last values come first, of permitted devices and chosen parameters only, then what is newer', async () => {
    const world = streamWorld();
    const ts = '2026-11-24T00:00:00.000Z';
    world.policy.latest = ['d1', 'd2', 'd3'].map((deviceId) => ({ deviceId, ts, readings: { t: 1, rh: 2 } }));
    world.say('direct-0', [telemetry('d1', 'old')]);
    const opening = world.open({ snapshot: true, selection: { parameters: new Set(['t']) } });
    const { sink } = await opening;
    world.say('direct-0', [telemetry('d1', 'new')]);
    await world.timing.advance(10);
    expect(sink.blocks().map(({ type, data }) => data['eventId'] ?? data['deviceId'] ?? type)).toEqual([
      'ready',
      'd1',
      'd2',
      'new',
    ]);
    expect(named(sink, 'snapshot')[0]?.data).toEqual({ deviceId: 'd1', ts, readings: { t: 1 } });
  });

  test('too many devices are refused with what to do', async () => {
    const world = streamWorld();
    const devices = new Set(Array.from({ length: 1_001 }, (_, index) => `d${index}`));
    world.policy.decision = { allowed: true, devices, includeAnomalies: true };
    await expect(world.open({ snapshot: true })).rejects.toMatchObject({
      status: 400,
      extensions: { errors: [{ field: 'snapshot' }] },
    });
    await world.open({ snapshot: true, selection: { devices: new Set(['d1']) } });
  });
});

describe('time', () => {
  test('a quiet stream has a heartbeat every 15 s, with the cursor of what was filtered out meanwhile', async () => {
    const world = streamWorld();
    const { sink } = await world.open();
    world.say('direct-0', [telemetry('d3', 'foreign')]);
    await world.timing.advance(31_000);
    expect(named(sink, 'heartbeat')).toHaveLength(2);
    expect(named(sink, 'heartbeat')[0]?.id).toBe(at('direct-0', 1));
  });

  test('a token announces its end 60 s ahead with the cursor, and closes the stream at it', async () => {
    const world = streamWorld();
    const expiresAtMs = world.timing.now() + 90_000;
    const { sink } = await world.open({ caller: { expiresAtMs } });
    await world.timing.advance(29_000);
    expect(named(sink, 'token_expiring')).toHaveLength(0);
    await world.timing.advance(2_000);
    expect(named(sink, 'token_expiring')).toMatchObject([
      { id: '0', data: { expiresAt: new Date(expiresAtMs).toISOString(), cursor: '0' } },
    ]);
    await world.timing.advance(58_000);
    expect(sink.closed).toBe(false);
    await world.timing.advance(1_500);
    expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', data: { reason: 'token_expired' } });
    expect(named(sink, 'token_expiring')).toHaveLength(1);
  });

  test('streams end by themselves before the platform does it, at different moments', async () => {
    const world = streamWorld(3, { lifeMs: 100_000 });
    const opened = await Promise.all(Array.from({ length: 20 }, () => world.open()));
    await world.timing.advance(79_000);
    expect(world.relay.size).toBe(20);
    await world.timing.advance(11_000);
    expect(world.relay.size).toBeGreaterThan(0);
    expect(world.relay.size).toBeLessThan(20);
    await world.timing.advance(11_000);
    expect(world.relay.size).toBe(0);
    for (const { sink } of opened)
      expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', data: { reason: 'rotate' } });
  });

  test('shutting down says goodbye to everyone, with what was at hand, and lets nobody in', async () => {
    const world = streamWorld();
    const { sink } = await world.open();
    world.say('direct-0', [telemetry('d1', 'last')]);
    world.relay.close();
    expect(ids(sink)).toEqual(['last']);
    expect(sink.blocks().at(-1)).toMatchObject({ type: 'close', id: at('direct-0', 1), data: { reason: 'shutdown' } });
    await expect(world.open()).rejects.toMatchObject({ status: 503, kind: 'shutting-down' });
    expect(world.live.listening).toEqual([]);
  });
});

describe('caps', () => {
  test('an application, a tenant and the instance have their limits, and slots come back', async () => {
    const world = streamWorld(1, { streams: 4, streamsPerTenant: 3, streamsPerApplication: 2 });
    const first = await world.open();
    await world.open();
    await expect(world.open()).rejects.toMatchObject({
      status: 429,
      headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    });
    await world.open({ caller: { applicationId: 'other' } });
    await expect(world.open({ caller: { applicationId: 'third' } })).rejects.toMatchObject({ status: 429 });
    await world.open({ caller: { tenantId: 'beta', applicationId: 'theirs' } });
    await expect(world.open({ caller: { tenantId: 'gamma', applicationId: 'more' } })).rejects.toMatchObject({
      status: 503,
      kind: 'instance-full',
    });
    first.sink.leave();
    await world.open();
  });

  test('a reconnect loop is slowed down, and the others are not', async () => {
    const world = streamWorld();
    let refusal: unknown;
    let opened = 0;
    while (refusal === undefined && opened < 1_000) {
      await world.open().then(
        ({ sink }) => sink.leave(),
        (error: unknown) => (refusal = error),
      );
      opened += 1;
    }
    expect(refusal).toMatchObject({ status: 429, kind: 'opening-too-often', headers: { 'retry-after': '1' } });
    expect(opened).toBe(51);
    await world.open({ caller: { applicationId: 'other' } });
    await world.timing.advance(1_000);
    await world.open();
  });

  test('an opening that fails gives its slot back', async () => {
    const world = streamWorld(1, { streamsPerApplication: 1 });
    world.journal.trouble = () => Promise.reject(new Error('no store'));
    await expect(world.open()).rejects.toThrow('no store');
    world.journal.trouble = () => Promise.resolve();
    await world.open();
  });

  test('a tenant is listened to while it has streams, and a little longer', async () => {
    const world = streamWorld();
    const { sink } = await world.open();
    expect(world.live.listening).toEqual(['acme']);
    sink.leave();
    await world.timing.advance(29_000);
    expect(world.live.listening).toEqual(['acme']);
    await world.timing.advance(2_000);
    expect(world.live.listening).toEqual([]);
  });
});
