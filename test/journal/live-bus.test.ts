import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { AzureKeyCredential, WebPubSubServiceClient } from '@azure/web-pubsub';
import type { JournalEntry, JournalEvent } from '../../shared/journal/journal-entry.ts';
import {
  createLivePublisher,
  createLiveSubscriber,
  groupOf,
  LIVE_GROUPS,
  type LiveSubscriber,
} from '../../shared/journal/live-bus.ts';
import { readLiveMessage } from '../../shared/journal/live-message.ts';
import { startWebPubSubKit, until, type WebPubSubKit } from '../support/web-pubsub.ts';

let kit: WebPubSubKit;
const subscribers: LiveSubscriber[] = [];

beforeEach(async () => {
  kit = await startWebPubSubKit();
});
afterEach(async () => {
  await Promise.all(subscribers.splice(0).map((subscriber) => subscriber.close()));
  await kit.close();
});

const roles = ['webpubsub.joinLeaveGroup'];
const quick = { retryMs: 5, leaveDelayMs: 20, random: () => 0.5 };

function subscriber(): LiveSubscriber {
  const made = createLiveSubscriber(async () => kit.makeClient({ roles, client: { autoReconnect: false } }), quick);
  subscribers.push(made);
  return made;
}

/** A subscriber that listens to tenants, has joined, and writes down what it hears. */
async function listening(...tenantIds: string[]) {
  const live = subscriber();
  const heard: JournalEntry[] = [];
  const gaps: string[][] = [];
  live.onEntries((entries) => heard.push(...entries));
  live.onGap((tenants) => gaps.push(tenants));
  const releases = tenantIds.map((tenantId) => live.listen(tenantId));
  const groups = new Set(tenantIds.map((tenantId) => groupOf(tenantId)));
  await until(() => gaps.length >= groups.size, 'the groups are joined');
  gaps.length = 0;
  return { live, heard, gaps, releases };
}

function entry(tenantId: string, n: number, events = 1, size = 0): JournalEntry {
  const e: JournalEvent[] = Array.from({ length: events }, (_, i) => ({
    k: 'telemetry',
    d: {
      eventId: `direct-0:${n}.${i}`,
      deviceId: 'device-1',
      ts: '2026-11-24T12:00:00.000Z',
      receivedTs: '2026-11-24T12:00:00.100Z',
      readings: { temperature: 20.5, note: 'x'.repeat(size) },
    },
  }));
  return { tenantId, lane: 'direct-0', n, to: { seq: n, enq: 1 }, e };
}

describe('groups', () => {
  test('a tenant keeps its group for ever: other versions of the product must find it', () => {
    // 32-bit FNV-1a of '' is 0x811c9dc5, of 'a' 0xe40c292c, of 'foobar' 0xbf9cf968.
    expect(groupOf('', 2 ** 32)).toBe(`t.${0x811c9dc5}`);
    expect(groupOf('a', 2 ** 32)).toBe(`t.${0xe40c292c}`);
    expect(groupOf('foobar', 2 ** 32)).toBe(`t.${0xbf9cf968}`);
    expect(groupOf('foobar')).toBe(`t.${0xbf9cf968 % LIVE_GROUPS}`);
  });

  test('tenants spread over all groups', () => {
    const sizes = new Map<string, number>();
    for (let i = 0; i < 8000; i++) sizes.set(groupOf(`tenant-${i}`), (sizes.get(groupOf(`tenant-${i}`)) ?? 0) + 1);
    expect(sizes.size).toBe(LIVE_GROUPS);
    expect(Math.min(...sizes.values())).toBeGreaterThan(800);
  });
});

describe('publishing and hearing', () => {
  test('entries arrive as they were, in order, small and compressed', async () => {
    const { heard } = await listening('acme');
    const publisher = createLivePublisher(kit.service);
    const sent = [entry('acme', 1), entry('acme', 2, 7), entry('acme', 3, 8), entry('acme', 4, 500)];
    for (const one of sent) await publisher.publish([one]);
    await until(() => heard.length === 4, 'all four have arrived');
    expect(heard).toEqual(sent);
  });

  test('eight events and more go compressed, fewer do not', async () => {
    const client = await kit.connect({ roles });
    await client.client.joinGroup(groupOf('acme'));
    const publisher = createLivePublisher(kit.service);
    await publisher.publish([entry('acme', 1, 7)]);
    await publisher.publish([entry('acme', 2, 100)]);
    await until(() => client.received.length === 2, 'both have arrived');
    expect(client.received[0]).toEqual([entry('acme', 1, 7)]);
    expect(Object.keys(client.received[1] as object)).toEqual(['z']);
    const plain = JSON.stringify([entry('acme', 2, 100)]).length;
    expect(JSON.stringify(client.received[1]).length).toBeLessThan(plain / 3);
  });

  test('a batch costs one message per group, whatever its tenants and entries', async () => {
    const client = await kit.connect({ roles });
    for (let i = 0; i < LIVE_GROUPS; i++) await client.client.joinGroup(`t.${i}`);
    const tenants = Array.from({ length: 40 }, (_, i) => `tenant-${i}`);
    await createLivePublisher(kit.service).publish(tenants.flatMap((id) => [entry(id, 1), entry(id, 2)]));
    const groups = new Set(tenants.map((id) => groupOf(id))).size;
    await until(() => client.received.length >= groups, 'every group has its message');
    expect(client.received).toHaveLength(groups);
  });

  test('what is published while a message is under way shares the next one, in order, and each waits for its own', async () => {
    const client = await kit.connect({ roles });
    await client.client.joinGroup(groupOf('acme'));
    const publisher = createLivePublisher(kit.service);
    const first = publisher.publish([entry('acme', 1)]);
    await Promise.resolve();
    const later: Promise<void>[] = [];
    for (let n = 2; n <= 5; n++) later.push(publisher.publish([entry('acme', n)]));
    await first;
    expect(await Promise.race([Promise.all(later).then(() => 'published'), Promise.resolve('waiting')])).toBe(
      'waiting',
    );
    await Promise.all(later);
    await until(() => client.received.length === 2, 'both messages have arrived');
    expect(client.received).toEqual([[1], [2, 3, 4, 5]].map((ns) => ns.map((n) => entry('acme', n))));
  });

  test('small batches of several partitions share messages: a group has at most one every 10 ms', async () => {
    const client = await kit.connect({ roles });
    await client.client.joinGroup(groupOf('acme'));
    const publisher = createLivePublisher(kit.service);
    const began = performance.now();
    const partition = async (lane: string) => {
      for (let n = 1; n <= 10; n++) await publisher.publish([{ ...entry('acme', n), lane }]);
    };
    await Promise.all(['direct-0', 'direct-1', 'direct-2', 'direct-3'].map(partition));
    const tens = (performance.now() - began) / 10;
    const entries = () => client.received.flatMap((message) => readLiveMessage(message).entries);
    await until(() => entries().length === 40, 'all have arrived');
    // Timers may be a millisecond early.
    expect(client.received.length).toBeLessThanOrEqual(tens * 1.2 + 2);
    const lanes = Map.groupBy(entries(), ({ lane }) => lane);
    for (const lane of lanes.values()) expect(lane.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('a batch above the frame limit is split and arrives whole', async () => {
    const { heard } = await listening('acme');
    const sent = Array.from({ length: 12 }, (_, i) => entry('acme', i + 1, 1, 240 * 1024));
    await createLivePublisher(kit.service).publish(sent);
    await until(() => heard.length === 12, 'all have arrived');
    expect(heard.map(({ n }) => n)).toEqual(sent.map(({ n }) => n));
  });

  test('a tenant that nobody listens to is not handed over, although it shares the group', async () => {
    const [one, other] = sameGroup();
    const { heard } = await listening(one);
    const publisher = createLivePublisher(kit.service);
    await publisher.publish([entry(other, 1), entry(one, 1)]);
    await publisher.publish([entry(one, 2)]);
    await until(() => heard.length === 2, 'both entries have arrived');
    expect(heard.map(({ tenantId }) => tenantId)).toEqual([one, one]);
  });

  test('nothing to publish is no message', async () => {
    kit.server.faults.set({ rejectNext: 1 });
    await createLivePublisher(kit.service).publish([]);
    expect(kit.server.faults.counts.rejected).toBe(0);
  });
});

describe('a bus in trouble', () => {
  test('a throttled and an unavailable service are tried again', async () => {
    const { heard } = await listening('acme');
    const publisher = createLivePublisher(kit.service, { retryMs: 1 });
    kit.server.faults.set({ rejectNext: 2, rejectStatus: 503 });
    await publisher.publish([entry('acme', 1)]);
    kit.server.faults.set({ rejectNext: 1, rejectStatus: 429 });
    await publisher.publish([entry('acme', 2)]);
    await until(() => heard.length === 2, 'both have arrived');
    expect(kit.server.faults.counts.rejected).toBe(3);
  });

  test('a publish that fails for good resolves, and the bus is left alone for a while', async () => {
    let now = 1_000_000;
    const publisher = createLivePublisher(kit.service, { retryMs: 1, now: () => now });
    kit.server.faults.set({ rejectNext: 1000, rejectStatus: 503 });
    await publisher.publish([entry('acme', 1)]);
    expect(kit.server.faults.counts.rejected).toBe(3);
    await publisher.publish([entry('acme', 2)]);
    expect(kit.server.faults.counts.rejected).toBe(3);
    now += 2_000;
    await publisher.publish([entry('acme', 3)]);
    expect(kit.server.faults.counts.rejected).toBe(6);
  });

  test('a refusal that will not pass is not tried again, and does not stop what comes after', async () => {
    const { endpoint, connectionString } = kit.server;
    const credential = new AzureKeyCredential('anotherKey');
    const service = new WebPubSubServiceClient(endpoint, credential, 'sluice', { allowInsecureConnection: true });
    const { heard } = await listening('acme');
    const publisher = createLivePublisher(service, { now: () => 0 });
    await publisher.publish([entry('acme', 1)]);
    credential.update(/AccessKey=([^;]+)/.exec(connectionString)?.[1] ?? '');
    await publisher.publish([entry('acme', 2)]);
    await until(() => heard.length === 1, 'the second is heard');
    expect(heard[0]?.n).toBe(2);
  });

  test('a publish to a dead address resolves', async () => {
    const port = await freePort();
    const nobody = new WebPubSubServiceClient(`Endpoint=http://127.0.0.1:${port};AccessKey=k;`, 'sluice', {
      allowInsecureConnection: true,
      retryOptions: { maxRetries: 0 },
    });
    await expect(createLivePublisher(nobody, { retryMs: 1 }).publish([entry('acme', 1)])).resolves.toBeUndefined();
  });

  test('cut sockets lose nothing and announce no gap', async () => {
    const { heard, gaps } = await listening('acme');
    const publisher = createLivePublisher(kit.service);
    for (let n = 1; n <= 300; n++) {
      await publisher.publish([entry('acme', n)]);
      if (n % 100 === 50) kit.server.faults.cut();
    }
    await until(() => heard.length >= 300, 'all have arrived');
    expect(heard.map(({ n }) => n)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(kit.server.faults.counts.cut).toBeGreaterThan(0);
    expect(gaps).toEqual([]);
  });

  test('a lost session is a gap for every tenant, once it hears again', async () => {
    const { live, heard, gaps } = await listening('acme', 'globex');
    kit.server.faults.set({ refuseRecovery: true });
    kit.server.faults.cut();
    await until(() => new Set(gaps.flat()).size === 2, 'both tenants have their gap');
    await createLivePublisher(kit.service).publish([entry('acme', 1), entry('globex', 1)]);
    await until(() => heard.length === 2, 'the new session hears');
    expect(live.state).toBe('live');
    expect(kit.server.faults.counts.recoveriesRefused).toBeGreaterThan(0);
  });

  test('a session that the service closes is a gap as well', async () => {
    const { gaps } = await listening('acme');
    await kit.service.closeAllConnections({ reason: 'maintenance' });
    await until(() => gaps.length > 0, 'the tenant has its gap');
    expect(gaps).toEqual([['acme']]);
  });

  test('a subscriber outlives a service that is away, and starts although it never was there', async () => {
    const { port } = kit.server;
    await kit.server.close();
    const live = subscriber();
    const gaps: string[][] = [];
    const heard: JournalEntry[] = [];
    live.onGap((tenants) => gaps.push(tenants));
    live.onEntries((entries) => heard.push(...entries));
    live.listen('acme');
    await until(() => live.state === 'down', 'the subscriber says that it is down');
    kit = await startWebPubSubKit({ port });
    await until(() => gaps.length === 1, 'the group is joined');
    expect(live.state).toBe('live');
    await createLivePublisher(kit.service).publish([entry('acme', 1)]);
    await until(() => heard.length === 1, 'the entry has arrived');
  });

  test('a permission that is missing is asked for again until it is there', async () => {
    const live = createLiveSubscriber(async () => kit.makeClient({ client: { autoReconnect: false } }), quick);
    subscribers.push(live);
    const gaps: string[][] = [];
    live.onGap((tenants) => gaps.push(tenants));
    live.listen('acme');
    await until(() => live.state === 'live', 'it is connected');
    expect(await kit.service.groupExists(groupOf('acme'))).toBe(false);
    for (const connectionId of await connections()) await kit.service.grantPermission(connectionId, 'joinLeaveGroup');
    await until(() => gaps.length > 0, 'the group is joined');
  });

  test('messages of another shape are dropped, and what is right beside them is not', async () => {
    const { heard } = await listening('acme');
    const good = entry('acme', 7);
    const wrong: unknown[] = [
      null,
      1,
      'text',
      {},
      { z: 5 },
      { z: 'not deflate' },
      { z: deflateRawSync('{"not":"a list"}').toString('base64') },
      { z: deflateRawSync(JSON.stringify([good]) + ' '.repeat(64 * 1024 * 1024)).toString('base64') },
      [null, 3, [], {}],
      [{ ...good, n: 0 }],
      [{ ...good, n: 1.5 }],
      [{ ...good, tenantId: '' }],
      [{ ...good, lane: 4 }],
      [{ ...good, to: null }],
      [{ ...good, to: { seq: 1 } }],
      [{ ...good, e: {} }],
      [{ ...good, e: [{ k: 'other', d: {} }] }],
      [{ ...good, e: [{ k: 'telemetry' }] }],
      [good, { ...good, n: '8' }],
    ];
    for (const data of wrong) {
      // The SDK's type leaves out null and numbers, which JSON allows.
      await kit.service.group(groupOf('acme')).sendToAll(data as object);
    }
    await kit.service.group(groupOf('acme')).sendToAll('plain', { contentType: 'text/plain' });
    await kit.service.group(groupOf('acme')).sendToAll(new Uint8Array([1, 2, 3]).buffer);
    await kit.service.group(groupOf('acme')).sendToAll([entry('acme', 9)]);
    await until(() => heard.some(({ n }) => n === 9), 'the last one has arrived');
    expect(heard).toEqual([good, entry('acme', 9)]);
  });
});

describe('groups of a subscriber', () => {
  test('nothing is connected before the first listener', async () => {
    const live = subscriber();
    expect(live.state).toBe('idle');
    live.onEntries(() => {});
    expect(live.state).toBe('idle');
    await live.close();
    expect(live.state).toBe('closed');
  });

  test('one connection serves all tenants, and a group is joined once', async () => {
    const [one, other] = sameGroup();
    const { gaps } = await listening(one, other, 'third');
    expect(gaps).toEqual([]);
    await kit.service.addConnectionsToGroups(['everybody'], 'true');
    const members: string[] = [];
    for await (const { connectionId } of await kit.service.group('everybody').listConnections())
      members.push(connectionId);
    expect(members).toHaveLength(1);
  });

  test('a group is left a while after its last listener, and not before', async () => {
    const [one, other] = sameGroup();
    const { live, heard, releases } = await listening(one, other);
    releases[0]?.();
    releases[0]?.();
    await createLivePublisher(kit.service).publish([entry(one, 1), entry(other, 1)]);
    await until(() => heard.length === 1, 'the other is still heard');
    expect(heard[0]?.tenantId).toBe(other);
    releases[1]?.();
    await until(async () => !(await kit.service.groupExists(groupOf(one))), 'the group is left');
    const joined = Promise.withResolvers<string[]>();
    live.onGap(joined.resolve);
    live.listen(one);
    expect(await joined.promise).toEqual([one]);
  });

  test('taking a listener back twice does not take another one back', async () => {
    const { heard, live } = await listening('acme');
    const release = live.listen('acme');
    release();
    release();
    await createLivePublisher(kit.service).publish([entry('acme', 1)]);
    await until(() => heard.length === 1, 'the first listener still hears');
    expect(live.state).toBe('live');
  });

  test('a listener that comes back in time keeps the group', async () => {
    const elsewhere =
      Array.from({ length: 100 }, (_, i) => `tenant-${i}`).find((id) => groupOf(id) !== groupOf('acme')) ?? '';
    const { live, heard, gaps, releases } = await listening('acme', elsewhere);
    releases[0]?.();
    live.listen('acme');
    releases[1]?.();
    // Its wait began later, so the other one would have been over by now.
    await until(async () => !(await kit.service.groupExists(groupOf(elsewhere))), 'the other group is left');
    await createLivePublisher(kit.service).publish([entry('acme', 1)]);
    await until(() => heard.length === 1, 'the entry has arrived');
    expect(gaps).toEqual([]);
  });

  test('after close nothing is heard, and listening is harmless', async () => {
    const { live, heard } = await listening('acme');
    await live.close();
    live.listen('acme')();
    await until(async () => !(await kit.service.groupExists(groupOf('acme'))), 'the session has ended');
    await createLivePublisher(kit.service).publish([entry('acme', 1)]);
    expect(heard).toEqual([]);
  });

  test('a close while it connects ends the client that comes up late', async () => {
    const live = subscriber();
    live.listen('acme');
    await live.close();
    await until(async () => (await connections()).length === 0, 'nobody is there');
    expect(live.state).toBe('closed');
  });
});

/** The ids of everybody who is connected. */
async function connections(): Promise<string[]> {
  await kit.service.addConnectionsToGroups(['everybody'], 'true');
  const ids: string[] = [];
  for await (const { connectionId } of await kit.service.group('everybody').listConnections()) ids.push(connectionId);
  return ids;
}

/** Two tenants that share a group. */
function sameGroup(): [string, string] {
  for (let i = 0; ; i++) if (groupOf(`tenant-${i}`) === groupOf('acme')) return ['acme', `tenant-${i}`];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
