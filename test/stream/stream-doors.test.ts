/** Other ways in than a server with a token, and what is done about them while they are open, over real sockets. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { WebPubSubClient } from '@azure/web-pubsub-client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Services } from '../../functions/services.ts';
import type { JournalEvent } from '../../shared/journal/journal-entry.ts';
import { groupOf } from '../../shared/journal/live-bus.ts';
import { readLiveMessage } from '../../shared/journal/live-message.ts';
import type { Living, TestApplication } from '../support/living.ts';
import { parseBlocks, telemetry, type Block } from '../support/stream-world.ts';
import { streaming, type Streaming } from '../support/streaming.ts';
import { until } from '../support/until.ts';

const TENANT = 'default';
const PATH = '/v1/stream/telemetry';
const PAGE = 'https://app.example';
let surroundings: Streaming;
let product: Living;
/** The instance that the host runs. */
let instance: Services;
const say = (lane: string, events: JournalEvent[]) => surroundings.say(lane, events);
let rounds = 0;

/** A stream read with bare HTTP. */
async function open(
  application: TestApplication,
  query = '',
  headers: Record<string, string> = {},
): Promise<{ response: IncomingMessage; blocks(): Block[]; leave(): void; ended: Promise<unknown> }> {
  const authorization = `Bearer ${await product.accessToken(application)}`;
  const request = httpRequest(`${product.url}${PATH}${query}`, { headers: { authorization, ...headers } });
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

/** A client of Web PubSub's own protocol, and the data of the messages it has got. */
async function connectDirect(url: string) {
  const client = new WebPubSubClient(
    { getClientAccessUrl: async () => url },
    { autoReconnect: false, messageRetryOptions: { maxRetries: 0 } },
  );
  const got: { type: string; [key: string]: unknown }[] = [];
  const stopped = new Promise<void>((resolve) => client.on('stopped', () => resolve()));
  client.on('group-message', ({ message }) => got.push(message.data as (typeof got)[number]));
  await client.start();
  const items = () =>
    got.flatMap(({ entries }) => (entries as { items: { data: { eventId: string } }[] }[] | undefined) ?? []);
  const eventIds = () => items().flatMap((entry) => entry.items.map(({ data }) => data.eventId));
  return { client, got, stopped, eventIds };
}

beforeAll(async () => {
  // An application's burst is half of it: small, so that a loop of openings meets its end on a slow machine as well.
  process.env['STREAMS_PER_INSTANCE'] = '100';
  surroundings = await streaming(['d1', 'd2']);
  ({ product, instance } = surroundings);
}, 60_000);

afterAll(async () => {
  await surroundings?.close();
}, 30_000);

describe('authority by push', () => {
  test.each([
    ['disable', (id: string) => product.manage('POST', `/v1/external-applications/${id}/disable`)],
    ['delete', (id: string) => product.manage('DELETE', `/v1/external-applications/${id}`)],
  ])('%s ends open streams within a second', async (_, act) => {
    const application = await product.application({ devices: ['d1'] });
    const reading = await open(application);
    // The push needs the instance in the control group; without it the look every second would do, a little later.
    await until(async () => (await instance.webPubSub()).groupExists('ctl'));
    await act(application.id);
    const doneAt = performance.now();
    await reading.ended;
    expect(performance.now() - doneAt).toBeLessThan(1_000);
    expect(reading.blocks().at(-1)?.type).toBe('close');
  });
});

describe('web pages of other origins', () => {
  const preflight = (path: string, origin: string, method = 'GET') =>
    product.call('OPTIONS', path, { headers: { origin, 'access-control-request-method': method } });

  test('a page may read what its application gets, and no other page may', async () => {
    const ours = await product.application({ devices: ['d1'], allowedOrigins: [PAGE] });
    const other = await product.application({ devices: ['d1'], allowedOrigins: ['https://other.example'] });
    const reading = await open(ours, '', { origin: PAGE });
    expect(reading.response.headers).toMatchObject({ 'access-control-allow-origin': PAGE, vary: 'origin' });
    expect(reading.response.headers).not.toHaveProperty('access-control-allow-credentials');
    expect(reading.response.headers['access-control-expose-headers']).toContain('x-request-id');
    reading.leave();
    const foreign = await open(other, '', { origin: PAGE });
    expect(foreign.response.headers).not.toHaveProperty('access-control-allow-origin');
    foreign.leave();
    const token = await product.accessToken(ours);
    for (const [method, path] of [
      ['POST', '/v1/stream/tickets'],
      ['GET', '/v1/telemetry'],
      ['GET', '/v1/telemetry?colour=red'],
    ] as const) {
      const answer = await product.call(method, path, { token, headers: { origin: PAGE } });
      expect([path, answer.headers.get('access-control-allow-origin')]).toEqual([path, PAGE]);
    }
  });

  test('a preflight is answered for origins that an application names', async () => {
    await product.application({ devices: ['d1'], allowedOrigins: ['https://preflight.example'] });
    const allowed = await preflight(PATH, 'https://preflight.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://preflight.example');
    expect(allowed.headers.get('access-control-allow-headers')).toMatch(/authorization.*last-event-id/);
    const unknown = await preflight(PATH, 'https://unknown.example');
    expect([unknown.status, unknown.headers.get('access-control-allow-origin')]).toEqual([204, null]);
    const nobody = await preflight('/v1/external-applications', 'https://preflight.example', 'POST');
    expect(nobody.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('a refusal can be read by a page whose origin is known: it has to know what to do', async () => {
    await product.application({ devices: ['d1'], allowedOrigins: ['https://refused.example'] });
    const { status, headers } = await product.call('GET', PATH, { headers: { origin: 'https://refused.example' } });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([401, 'https://refused.example']);
  });

  test.each(['*', 'https://app.example/', 'http://app.example', 'https://*.example', 'app.example', 'null'])(
    '%s is no origin that could be allowed',
    async (origin) => {
      const { status, body } = await product.manage('POST', '/v1/external-applications', {
        name: `Origin ${origin}`,
        expiresAt: '2099-12-31',
        allowedOrigins: [origin],
      });
      expect([status, body.errors[0].field]).toEqual([400, 'allowedOrigins.0']);
    },
  );
});

describe('lastEventId in the URL', () => {
  test('resumes like the header, and the header wins', async () => {
    const application = await product.application({ devices: ['d1'] });
    const first = await open(application);
    const begin = first.blocks()[0]?.id ?? '';
    first.leave();
    await say('direct-0', [telemetry('d1', 'alias-1')]);
    const second = await open(application, `?lastEventId=${begin}&since=1m`);
    await until(() => second.blocks().some(({ data }) => data['eventId'] === 'alias-1'));
    expect(second.blocks()[0]?.data['resumed']).toBe(true);
    const end = second.blocks().find(({ data }) => data['eventId'] === 'alias-1')?.id ?? '';
    second.leave();
    const third = await open(application, `?lastEventId=${begin}`, { 'last-event-id': end });
    await say('direct-0', [telemetry('d1', 'alias-2')]);
    await until(() => third.blocks().some(({ data }) => data['eventId'] === 'alias-2'));
    expect(third.blocks().map(({ data }) => data['eventId'])).not.toContain('alias-1');
    third.leave();
    const empty = await open(application, '?lastEventId=');
    expect(empty.blocks()[0]?.data['resumed']).toBe(false);
    empty.leave();
  });
});

describe('demand', () => {
  test('nothing is published for a tenant without listeners, and streams find all of it all the same', async () => {
    const quiet = await product.instance();
    expect(await quiet.presence.hasListener('nobody-listens')).toBe(false);
    const application = await product.application({ devices: ['d1'] });
    const reading = await open(application);
    await until(() => quiet.presence.hasListener(TENANT));
    reading.leave();
  });

  test('an unheard tenant gets no Web PubSub message, and a heard one does', async () => {
    const publishing = await surroundings.another();
    const append = (eventId: string) =>
      instance.journal.append('unheard', 'direct-0', [
        { at: { seq: rounds++, enq: Date.now() }, events: [telemetry('d1', eventId)] },
      ]);
    const service = await instance.webPubSub();
    const { url } = await service.getClientAccessToken({ groups: [groupOf('unheard')] });
    const { client, got } = await connectDirect(url);
    const heard = () => got.flatMap((message) => readLiveMessage(message).entries.map(({ n }) => n));
    await publishing.ingest.publish(await append('nobody-hears'));
    await publishing.presence.announce('unheard');
    await until(() => publishing.presence.hasListener('unheard'));
    await publishing.ingest.publish(await append('somebody-hears'));
    // Messages of a group come in order: had the first been published, it would be here before the second.
    await until(() => heard().length > 0);
    expect(heard()).toEqual([2]);
    client.stop();
  });
});

describe('direct connections to Web PubSub', () => {
  const negotiate = async (application: TestApplication) =>
    product.call('POST', '/v1/stream/negotiate', { token: await product.accessToken(application) });

  test('an application that may see the whole tenant gets a URL, and its events in the order of their lanes', async () => {
    const { status, body } = await negotiate(await product.application({ devices: ['d1', 'd2'] }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ protocol: 'json.webpubsub.azure.v1', cursor: expect.any(String) });
    const direct = await connectDirect(body.url);
    await until(async () => {
      await say('direct-9', [telemetry('d1', `direct-${rounds}`), telemetry('d2', `direct-${rounds++}b`)]);
      return direct.eventIds().length >= 6;
    });
    const numbers = direct.eventIds().map((id) => parseInt(id.slice(7), 10));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    direct.client.stop();
  });

  test('who sees a part of the tenant is refused', async () => {
    const { status, body } = await negotiate(await product.application({ devices: ['d1'] }));
    expect([status, body.type]).toEqual([403, 'urn:sluice:problem:not-whole-tenant']);
  });

  test('it can neither join another group nor send into its own', async () => {
    const { body } = await negotiate(await product.application({ devices: ['d1', 'd2'] }));
    const { client } = await connectDirect(body.url);
    const FAILED = /Failed to/;
    await expect(client.joinGroup('t.0')).rejects.toThrow(FAILED);
    await expect(client.joinGroup('ctl')).rejects.toThrow(FAILED);
    await expect(client.sendToGroup('ctl', { changed: 'x' }, 'json')).rejects.toThrow(FAILED);
    client.stop();
  }, 60_000);

  test('what it may see is cut at once when its application is edited, and ends when it is disabled', async () => {
    const application = await product.application({ devices: ['d1', 'd2'] });
    const { body } = await negotiate(application);
    const direct = await connectDirect(body.url);
    await until(async () => {
      await say('direct-8', [telemetry('d2', `cut-before-${rounds++}`)]);
      return direct.eventIds().length > 0;
    });
    await product.manage('PATCH', `/v1/external-applications/${application.id}`, { devices: ['d1'] });
    await say('direct-8', [telemetry('d2', 'cut-hidden'), telemetry('d1', 'cut-seen')]);
    await until(() => direct.eventIds().includes('cut-seen'));
    expect(direct.eventIds()).not.toContain('cut-hidden');
    await product.manage('POST', `/v1/external-applications/${application.id}/disable`);
    const doneAt = performance.now();
    await direct.stopped;
    expect(performance.now() - doneAt).toBeLessThan(1_000);
    expect(direct.got.at(-1)).toEqual({ type: 'close', reason: expect.stringMatching(/disabled|revoked/) });
  });

  test('once its token has ended it gets nothing, is told so and is cut off', async () => {
    const { body } = await negotiate(await product.application({ devices: ['d1', 'd2'] }));
    const direct = await connectDirect(body.url);
    await until(async () => {
      await say('direct-7', [telemetry('d1', `in-time-${rounds++}`)]);
      return direct.eventIds().length > 0;
    });
    const anHourLater = await surroundings.another(() => Date.parse(body.expiresAt) + 1_000);
    const at = { seq: rounds++ + 1_000, enq: Date.now() };
    const entries = await instance.journal.append(TENANT, 'direct-7', [{ at, events: [telemetry('d1', 'too-late')] }]);
    await anHourLater.ingest.publish(entries);
    await direct.stopped;
    expect(direct.eventIds()).not.toContain('too-late');
    expect(direct.got.at(-1)).toEqual({ type: 'close', reason: 'token_expired' });
  });

  test('once its application is deleted it gets nothing and is cut off', async () => {
    const application = await product.application({ devices: ['d1', 'd2'] });
    const { body } = await negotiate(application);
    const direct = await connectDirect(body.url);
    await product.manage('DELETE', `/v1/external-applications/${application.id}`);
    await direct.stopped;
    await say('direct-7', [telemetry('d1', 'after-deletion')]);
    expect(direct.eventIds()).not.toContain('after-deletion');
    expect(direct.got.at(-1)).toEqual({ type: 'close', reason: expect.stringMatching(/deleted|revoked/) });
  });
});

describe('hostile clients', () => {
  test("a cursor that names another tenant's lanes and numbers shows nothing of it, and says that it leads nowhere", async () => {
    const application = await product.application({ devices: ['d1'] });
    const foreign = [telemetry('d1', 'of-another-tenant')].map((event, seq) => ({
      at: { seq, enq: 1 },
      events: [event],
    }));
    await instance.journal.append('another', 'secret-0', foreign);
    const stream = await open(application, '?cursor=secret.0-0');
    await say('direct-0', [telemetry('d1', 'own')]);
    await until(() => stream.blocks().some(({ data }) => data['eventId'] === 'own'));
    expect(stream.blocks().map(({ data }) => data['eventId'])).not.toContain('of-another-tenant');
    stream.leave();
    const token = await product.accessToken(application);
    const { body } = await product.call('GET', '/v1/telemetry?cursor=secret.0-0', { token });
    expect(JSON.stringify(body)).not.toContain('of-another-tenant');
  });

  test('a cursor beyond everything is told of the gap, and the stream goes on', async () => {
    const application = await product.application({ devices: ['d1'] });
    const stream = await open(application, '?cursor=direct.0-zzzzzz');
    await until(() => stream.blocks().some(({ type }) => type === 'gap'), 20_000);
    expect(stream.blocks().find(({ type }) => type === 'gap')?.data['reason']).toBe('reset');
    stream.leave();
  }, 30_000);

  test('a thousand openings at once by one application are slowed down by 429, and another application is served', async () => {
    const [greedy, modest] = [
      await product.application({ devices: ['d1'] }),
      await product.application({ devices: ['d1'] }),
    ];
    const token = await product.accessToken(greedy);
    const statuses = new Set<number>();
    const waits: number[] = [];
    const attempts = Array.from({ length: 1_000 }).keys();
    const knock = async () => {
      for (const _ of attempts) {
        const leaving = new AbortController();
        const answer = await fetch(`${product.url}${PATH}`, {
          headers: { authorization: `Bearer ${token}` },
          signal: leaving.signal,
        });
        statuses.add(answer.status);
        if (answer.status === 429) waits.push(Number(answer.headers.get('retry-after')));
        leaving.abort();
      }
    };
    await Promise.all(Array.from({ length: 20 }, knock));
    expect(statuses).toEqual(new Set([200, 429]));
    expect(waits.every((seconds) => seconds > 0)).toBe(true);
    const stream = await open(modest);
    expect(stream.blocks()[0]?.type).toBe('ready');
    stream.leave();
  }, 90_000);
});
