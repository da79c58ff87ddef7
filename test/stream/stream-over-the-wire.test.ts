/** Streams of the product over real sockets: local Cosmos DB, local Web PubSub, the host's forward hop, real clients. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Services } from '../../functions/services.ts';
import { startWebPubSub, type WebPubSubServer } from '../../local/web-pubsub/web-pubsub.ts';
import type { JournalEvent } from '../../shared/journal/journal-entry.ts';
import { createLivePublisher, type LivePublisher } from '../../shared/journal/live-bus.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { parseBlocks, telemetry, type Block } from '../support/stream-world.ts';
import { readStream } from '../support/tracking-reader.ts';
import { until } from '../support/until.ts';

const TENANT = 'default';
const PATH = '/v1/stream/telemetry';
let bus: WebPubSubServer;
let product: Living;
let ingest: Services;
let publisher: LivePublisher;
let sequence = 0;

/** What ingest does with the events of one hub batch, once they are committed. */
async function say(lane: string, events: JournalEvent[], lost = false): Promise<void> {
  const positioned = events.map((event) => ({ at: { seq: sequence++, enq: Date.now() }, events: [event] }));
  const entries = await ingest.journal.append(TENANT, lane, positioned);
  if (!lost) await publisher.publish(entries);
}

/** A stream read with bare HTTP. */
async function open(
  application: TestApplication | undefined,
  query = '',
  headers: Record<string, string> = {},
): Promise<{ response: IncomingMessage; blocks(): Block[]; leave(): void; ended: Promise<unknown> }> {
  const bearer = application && { authorization: `Bearer ${await product.accessToken(application)}` };
  const request = httpRequest(`${product.url}${PATH}${query}`, { headers: { ...bearer, ...headers } });
  request.on('error', () => undefined);
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  response.on('data', (chunk: Buffer) => (text += chunk.toString()));
  response.on('error', () => undefined);
  const ended = new Promise((resolve) => response.once('close', resolve));
  await until(() => text.includes('\n\n'));
  return { response, blocks: () => parseBlocks(text), leave: () => request.destroy(), ended };
}

beforeAll(async () => {
  bus = await startWebPubSub({ port: 0 });
  product = await living(async () => {
    process.env['WEBPUBSUB_CONNECTION_STRING'] = bus.connectionString;
    await import('../../functions/oauth.ts');
    await import('../../functions/devices.ts');
    await import('../../functions/external-applications.ts');
    await import('../../functions/stream-telemetry.ts');
    await import('../../functions/pull-telemetry.ts');
  });
  ingest = await product.instance();
  const { services } = await import('../../functions/services.ts');
  publisher = createLivePublisher(await (await services()).webPubSub());
  for (const deviceId of ['d1', 'd2', 'd3']) {
    await product.manage('POST', '/v1/devices', { deviceId, name: deviceId });
  }
}, 60_000);

afterAll(async () => {
  await bus?.close();
}, 30_000);

const TOO_MANY = Array.from({ length: 501 }, (_, index) => index).join();

describe('a stream on the wire', () => {
  test('says ready at once, then delivers what the application may see, under the headers that proxies respect', async () => {
    const application = await product.application({ devices: ['d1'] });
    const stream = await open(application);
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    expect(stream.blocks()[0]?.type).toBe('ready');
    await say('direct-0', [telemetry('d1', 'wire-1'), telemetry('d2', 'wire-2')]);
    await until(() => stream.blocks().length > 1);
    expect(
      stream
        .blocks()
        .slice(1)
        .map(({ data }) => data['eventId']),
    ).toEqual(['wire-1']);
    stream.leave();
  });

  test('an EventSource whose connections are cut all the time misses nothing and has nothing twice', async () => {
    const application = await product.application({ devices: ['d1', 'd2', 'd3'] });
    const proxy = await startCuttingProxy(product.url);
    const token = await product.accessToken(application);
    const readers = Array.from({ length: 3 }, () => readStream(`${proxy.url}${PATH}`, () => Promise.resolve(token)));
    await until(() => readers.every(({ taken }) => taken.some(({ type }) => type === 'ready')));
    const total = 600;
    for (let from = 0; from < total; from += 10) {
      const events = Array.from({ length: 10 }, (_, index) => telemetry(`d${1 + (index % 3)}`, `cut-${from + index}`));
      await say(`direct-${(from / 10) % 3}`, events, from % 90 === 0);
      if (from % 150 === 0) bus.faults.cut();
      if (from % 200 === 100) {
        const before = readers.map((reader) => reader.connections());
        proxy.cut();
        // Half of what follows is said while nobody is connected, the other half to those who come back.
        if (from > 200)
          await until(() => readers.every((reader, index) => reader.connections() > (before[index] ?? 0)));
      }
    }
    const received = (reader: (typeof readers)[number]) =>
      reader.taken.flatMap(({ type, data }) => (type === 'message' ? [String(data['eventId'])] : []));
    await until(() => readers.every((reader) => received(reader).length >= total), 30_000);
    for (const reader of readers) {
      expect(new Set(received(reader)).size).toBe(total);
      expect(received(reader)).toHaveLength(total);
      expect(reader.connections()).toBeGreaterThan(2);
      expect(reader.taken.filter(({ type }) => type === 'gap')).toEqual([]);
      reader.close();
    }
    await proxy.close();
  }, 90_000);

  test('disabling the application closes its streams within 5 s, and says why', async () => {
    const application = await product.application({ devices: ['d1'] });
    const stream = await open(application);
    const { status } = await product.manage('POST', `/v1/external-applications/${application.id}/disable`);
    expect(status).toBe(200);
    const disabledAt = Date.now();
    await stream.ended;
    expect(Date.now() - disabledAt).toBeLessThan(5_000);
    expect(stream.blocks().at(-1)).toMatchObject({
      type: 'close',
      data: { reason: expect.stringMatching(/disabled|revoked/) },
    });
  });

  test('an edited application sees its new devices on the open stream, and its old ones no more', async () => {
    const application = await product.application({ devices: ['d1'] });
    const stream = await open(application);
    await product.manage('PATCH', `/v1/external-applications/${application.id}`, { devices: ['d2'] });
    let round = 0;
    await until(async () => {
      await say('direct-1', [telemetry('d1', `old-${round}`), telemetry('d2', `new-${round}`)]);
      round += 1;
      return stream.blocks().some(({ data }) => String(data['eventId']).startsWith('new-'));
    });
    const from = stream.blocks().findIndex(({ data }) => String(data['eventId']).startsWith('new-'));
    await say('direct-1', [telemetry('d1', 'old-last'), telemetry('d2', 'new-last')]);
    await until(() => stream.blocks().some(({ data }) => data['eventId'] === 'new-last'));
    const after = stream.blocks().slice(from);
    expect(after.filter(({ data }) => String(data['eventId']).startsWith('old-'))).toEqual([]);
    stream.leave();
  });

  const refusals: { query: string; headers?: Record<string, string>; status: number; kind: string }[] = [
    { query: '?cursor=%00', status: 400, kind: 'bad-cursor' },
    { query: '', headers: { 'last-event-id': 'abc' }, status: 400, kind: 'bad-cursor' },
    { query: '?devices=d1,d3', status: 403, kind: 'not-permitted' },
    { query: '?since=2999-01-01T00:00:00Z', status: 400, kind: 'invalid-query' },
    { query: '?types=secrets', status: 400, kind: 'invalid-query' },
    { query: '?colour=red', status: 400, kind: 'unknown-query-key' },
    { query: `?devices=${TOO_MANY}`, status: 400, kind: 'invalid-query' },
    { query: '', headers: { accept: 'text/html' }, status: 406, kind: 'not-acceptable' },
    { query: '?Headers={"authorization":"Bearer x"}', status: 400, kind: 'reserved-query-key' },
  ];
  test.each(refusals)(
    '$kind: a request that asks for it is refused clearly',
    async ({ query, headers = {}, status, kind }) => {
      const application = await product.application({ devices: ['d1'] });
      const token = await product.accessToken(application);
      const answer = await product.call('GET', `${PATH}${query}`, { token, headers });
      expect([answer.status, answer.body?.type]).toEqual([status, `urn:sluice:problem:${kind}`]);
    },
  );

  test('a refused list shows what was sent', async () => {
    const token = await product.accessToken(await product.application({ devices: ['d1'] }));
    const { body } = await product.call('GET', `${PATH}?devices=d1,,d3`, { token });
    expect(body.errors).toEqual([
      { field: 'devices', rule: expect.stringContaining('ids of devices'), got: '"d1,,d3"' },
    ]);
  });

  test('the same events can be pulled in pages, and a stream goes on from where pulling ended', async () => {
    const application = await product.application({ devices: ['d3'] });
    const token = await product.accessToken(application);
    await say(
      'direct-5',
      Array.from({ length: 25 }, (_, index) => telemetry(`d${1 + (index % 3)}`, `pull-${index}`)),
    );
    const wanted = Array.from({ length: 25 }, (_, index) => index).flatMap((index) =>
      index % 3 === 2 ? [`pull-${index}`] : [],
    );
    const pulled: string[] = [];
    let cursor = '';
    for (let more = true; more;) {
      const { status, body } = await product.call('GET', `/v1/telemetry?limit=3${cursor}`, { token });
      expect(status).toBe(200);
      expect(body.items.length).toBeLessThanOrEqual(3);
      for (const { type, data } of body.items) if (type === 'telemetry') pulled.push(data.eventId);
      cursor = `&cursor=${body.cursor}`;
      more = body.more;
    }
    expect(pulled.filter((id) => id.startsWith('pull-'))).toEqual(wanted);
    expect(new Set(pulled).size).toBe(pulled.length);
    const stream = await open(application, `?${cursor}`);
    await say('direct-5', [telemetry('d3', 'after')]);
    await until(() => stream.blocks().length > 1);
    expect(stream.blocks().map(({ type, data }) => data['eventId'] ?? type)).toEqual(['ready', 'after']);
    stream.leave();
  });

  test('snapshot=latest gives the last values that ingest keeps, then goes on live', async () => {
    const application = await product.application({ devices: ['d1', 'd2'] });
    const state = { id: 'state', pk: `${TENANT}|d1`, kind: 'state', tenantId: TENANT, deviceId: 'd1' };
    const last = { t: [Date.UTC(2026, 10, 24), 21.5], door: [Date.UTC(2026, 10, 23), 'open'] };
    await ingest.store.upsert('device-data', { ...state, last } as never);
    const stream = await open(application, '?snapshot=latest&every=1s');
    await say('direct-4', [telemetry('d2', 'after-snapshot')]);
    await until(() => stream.blocks().length > 2);
    expect(stream.blocks().map(({ type, data }) => data['eventId'] ?? type)).toEqual([
      'ready',
      'snapshot',
      'after-snapshot',
    ]);
    expect(stream.blocks()[1]?.data).toEqual({
      deviceId: 'd1',
      ts: '2026-11-24T00:00:00.000Z',
      readings: { t: 21.5, door: 'open' },
    });
    stream.leave();
  });

  test('since begins in the past', async () => {
    const application = await product.application({ devices: ['d1'] });
    await say('direct-6', [telemetry('d1', 'past-1')]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const between = new Date().toISOString();
    await say('direct-6', [telemetry('d1', 'past-2')]);
    const stream = await open(application, `?since=${between}`);
    await until(() => stream.blocks().length > 1);
    expect(stream.blocks().map(({ type, data }) => data['eventId'] ?? type)).toEqual(['ready', 'past-2']);
    stream.leave();
  });

  test('a browser opens a stream with a ticket, and its newest connection ends the one before', async () => {
    const application = await product.application({ devices: ['d1'] });
    const token = await product.accessToken(application);
    const { status, body } = await product.call('POST', '/v1/stream/tickets', { token });
    expect(status).toBe(201);
    const first = await open(undefined, `?ticket=${body.ticket}`);
    expect(first.blocks()[0]?.type).toBe('ready');
    const second = await open(undefined, `?ticket=${body.ticket}`, { 'last-event-id': first.blocks()[0]?.id ?? '' });
    await first.ended;
    expect(first.blocks().at(-1)).toMatchObject({ type: 'close', data: { reason: 'superseded' } });
    await say('direct-0', [telemetry('d1', 'by-ticket')]);
    await until(() => second.blocks().some(({ data }) => data['eventId'] === 'by-ticket'));
    second.leave();
    const forged = await product.call('GET', `${PATH}?ticket=slct_${'A'.repeat(43)}`);
    expect([forged.status, forged.body.type]).toEqual([401, 'urn:sluice:problem:invalid-ticket']);
  });

  test('without a token there is no stream', async () => {
    expect((await product.call('GET', PATH)).status).toBe(401);
  });

  test('when the host stops, every stream is told so in under 3 s', async () => {
    const application = await product.application({ devices: ['d1'] });
    const streams = await Promise.all([open(application), open(application)]);
    const stopping = performance.now();
    const stopped = product.close();
    await Promise.all(streams.map(({ ended }) => ended));
    expect(performance.now() - stopping).toBeLessThan(3_000);
    for (const stream of streams)
      expect(stream.blocks().at(-1)).toMatchObject({ type: 'close', data: { reason: 'shutdown' } });
    await stopped;
  });
});
