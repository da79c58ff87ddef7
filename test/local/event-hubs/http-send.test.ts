import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { partitionOfKey } from '../../../local/event-hubs/partition-hash.ts';
import { DEFAULT_KEY, HUB, type LivingHubs, livingHubs, sasToken } from '../../support/event-hubs.ts';

const BATCH = 'application/vnd.microsoft.servicebus.json';

interface Post {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  readonly token?: string | undefined;
}

/** POSTs to the stand-in with a valid token, unless another (or `''` for none) is given. */
async function post(hubs: LivingHubs, path: string, { body = '{}', headers = {}, token }: Post = {}) {
  const origin = `http://127.0.0.1:${hubs.server.port}`;
  const authorization = token ?? sasToken(`${origin}/`, DEFAULT_KEY.name, DEFAULT_KEY.value);
  const response = await fetch(`${origin}${path}`, {
    method: 'POST',
    body,
    headers: { ...headers, ...(authorization === '' ? {} : { authorization }) },
  });
  return { status: response.status, text: await response.text() };
}

describe('one event', () => {
  test('arrives with its body, its content type, its custom headers as properties, and its key', async () => {
    await using hubs = await livingHubs();
    const key = 'boiler-1';
    const sent = await post(hubs, `/${HUB}/messages?timeout=60&api-version=2014-01`, {
      body: '{"t":21.5}',
      headers: {
        'content-type': 'application/json',
        BrokerProperties: JSON.stringify({ PartitionKey: key }),
        DeviceId: 'd-1',
        site: '"Hall 7"',
      },
    });
    expect(sent).toEqual({ status: 201, text: '' });
    const [event] = await hubs.read(1, { partition: String(partitionOfKey(key, 4)) });
    expect(event).toMatchObject({
      body: { t: 21.5 },
      contentType: 'application/json',
      partitionKey: key,
    });
    expect(event?.properties).toEqual({ DeviceId: 'd-1', site: 'Hall 7' });
  });

  test('to a partition, and to a publisher whose name is its key', async () => {
    await using hubs = await livingHubs();
    expect((await post(hubs, `/${HUB}/partitions/2/messages`, { body: '"p"' })).status).toBe(201);
    expect((await hubs.read(1, { partition: '2' }))[0]?.body).toBe('p');
    expect((await post(hubs, `/${HUB}/publishers/dev%201/messages`, { body: '"q"' })).status).toBe(201);
    const events = await hubs.read(2);
    expect(events.find((event) => event.body === 'q')?.partitionKey).toBe('dev 1');
  });

  test('may be any bytes, none, and up to the limit', async () => {
    await using hubs = await livingHubs();
    for (const body of [new Uint8Array(0), new Uint8Array([0, 255, 7]), new Uint8Array(1_000_000)]) {
      expect((await post(hubs, `/${HUB}/partitions/0/messages`, { body })).status).toBe(201);
    }
    const events = await hubs.read(3, { partition: '0' });
    expect(events.map((event) => (event.body as Uint8Array).length)).toEqual([0, 3, 1_000_000]);
  });
});

describe('a batch', () => {
  test('is stored in order with its properties and their types', async () => {
    await using hubs = await livingHubs();
    const body = JSON.stringify([
      {
        Body: 'a',
        UserProperties: { n: 1, f: 1.5, s: 'x', yes: true, huge: 1e30 },
        BrokerProperties: { PartitionKey: 'k' },
      },
      { Body: '{"t":1}', BrokerProperties: { PartitionKey: 'k' } },
    ]);
    expect(
      await post(hubs, `/${HUB}/messages`, { body, headers: { 'content-type': `${BATCH}; charset=utf-8` } }),
    ).toEqual({
      status: 201,
      text: '',
    });
    const events = await hubs.read(2);
    expect(events.map((event) => event.body)).toEqual([Buffer.from('a'), { t: 1 }]);
    expect(events[0]?.properties).toEqual({ n: 1, f: 1.5, s: 'x', yes: true, huge: 1e30 });
  });

  test.each([
    ['{', 400, /batch is not JSON/],
    ['{}', 400, /must be a JSON array/],
    ['[]', 400, /at least one event/],
    ['[1]', 400, /\[0\] must be an object/],
    ['[{"Body":"a"},{"Body":{"t":1}}]', 400, /\[1\]\.Body must be a string/],
    ['[{"Body":"a","Other":1}]', 400, /\[0\]\.Other is unknown/],
    ['[{"Body":"a","UserProperties":{"x":[1]}}]', 400, /\[0\]\.UserProperties\.x must be/],
    ['[{"Body":"a","BrokerProperties":{"PartitionKey":7}}]', 400, /PartitionKey must be a string/],
    [
      '[{"Body":"a","BrokerProperties":{"ScheduledEnqueueTimeUtc":"x"}}]',
      501,
      /ScheduledEnqueueTimeUtc is not implemented/,
    ],
    ['[{"Body":"a","BrokerProperties":{"PartitionKey":"k"}},{"Body":"b"}]', 400, /same PartitionKey/],
  ])('%s is refused, and nothing of it stored', async (body, status, reason) => {
    await using hubs = await livingHubs();
    const answer = await post(hubs, `/${HUB}/messages`, { body, headers: { 'content-type': BATCH } });
    expect(answer).toEqual({ status, text: expect.stringMatching(reason) });
    for (const id of ['0', '1', '2', '3'])
      expect((await hubs.producer().getPartitionProperties(id)).isEmpty).toBe(true);
  });
});

describe('refusals', () => {
  const path = `/${HUB}/messages`;

  test('tokens: none, not one, another key, another signature, expired, for another hub', async () => {
    await using hubs = await livingHubs();
    const origin = `http://127.0.0.1:${hubs.server.port}`;
    const { name, value } = DEFAULT_KEY;
    const cases: [string, RegExp][] = [
      ['', /MissingToken/],
      ['Basic abc', /not a SharedAccessSignature/],
      ['SharedAccessSignature sr=x', /lacks sig, se, skn/],
      [sasToken(origin, 'Nobody', value), /unknown key 'Nobody'/],
      [sasToken(origin, name, 'wrong'), /does not match/],
      [sasToken(origin, name, value, Date.now() - 3_600_000), /expired/],
      [sasToken(`${origin}/other`, name, value), /is for '.*\/other'/],
      [sasToken(`${origin}/tele`, name, value), /is for '.*\/tele'/],
      [sasToken('sb://elsewhere.example/telemetry', name, value), /is for 'sb:\/\/elsewhere/],
    ];
    for (const [token, reason] of cases) {
      expect(await post(hubs, path, { token })).toEqual({ status: 401, text: expect.stringMatching(reason) });
    }
  });

  test('a token for the hub by any of its names opens it, and so does an Entra ID token, unread', async () => {
    await using hubs = await livingHubs();
    const { port } = hubs.server;
    const { name, value } = DEFAULT_KEY;
    for (const token of [
      sasToken(`sb://127.0.0.1:${port}/telemetry`, name, value),
      sasToken(`http://localhost:${port}/Telemetry/messages`, name, value),
      sasToken('amqps://127.0.0.1/telemetry/', name, value),
      `Bearer ${Buffer.from('{}').toString('base64url')}.e30.c2ln`,
    ]) {
      expect([token, (await post(hubs, path, { token })).status]).toEqual([token, 201]);
    }
  });

  test('hubs, partitions, keys and paths that are not there', async () => {
    await using hubs = await livingHubs();
    const key = { BrokerProperties: '{"PartitionKey":"k"}' };
    const cases: [string, Post, number, RegExp][] = [
      ['/nothing/messages', {}, 404, /'nothing' could not be found. Hubs: telemetry/],
      [`/${HUB}/partitions/4/messages`, {}, 400, /Valid partitions are 0 to 3/],
      [`/${HUB}/partitions/x/messages`, {}, 400, /'x' is invalid/],
      [`/${HUB}/partitions/0/messages`, { headers: key }, 400, /partition key cannot be used/],
      [`/${HUB}/publishers/p/messages`, { headers: key }, 400, /key of the publisher 'p'/],
      [path, { headers: { BrokerProperties: 'x' } }, 400, /BrokerProperties is not JSON/],
      [path, { headers: { BrokerProperties: '[]' } }, 400, /BrokerProperties must be a JSON object/],
      [
        path,
        { headers: { BrokerProperties: `{"PartitionKey":"${'k'.repeat(129)}"}` } },
        400,
        /has 129 characters; the limit is 128/,
      ],
      [`/${HUB}`, {}, 404, /is not implemented/],
      [`/${HUB}/consumergroups/x`, {}, 404, /is not implemented/],
      ['/', {}, 404, /is not implemented/],
    ];
    for (const [where, request, status, reason] of cases) {
      expect([where, await post(hubs, where, request)]).toEqual([
        where,
        { status, text: expect.stringMatching(reason) },
      ]);
    }
  });

  test('verbs other than POST name the one that works', async () => {
    await using hubs = await livingHubs();
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const response = await fetch(`http://127.0.0.1:${hubs.server.port}${path}`, { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'POST']);
      await response.text();
    }
  });

  test('a body over the limit, announced or not', async () => {
    await using hubs = await livingHubs();
    const tooLarge = { status: 413, text: expect.stringMatching(/exceeds the limit of 1048576 bytes/) };
    expect(await post(hubs, path, { body: new Uint8Array(1_048_577) })).toEqual(tooLarge);
    const origin = `http://127.0.0.1:${hubs.server.port}`;
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i += 1) controller.enqueue(new Uint8Array(100_000));
        controller.close();
      },
    });
    const response = await fetch(`${origin}${path}`, {
      method: 'POST',
      body: chunks,
      duplex: 'half',
      headers: { authorization: sasToken(origin, DEFAULT_KEY.name, DEFAULT_KEY.value) },
    } as RequestInit);
    expect({ status: response.status, text: await response.text() }).toEqual(tooLarge);
  });
});

test('health needs no token', async () => {
  await using hubs = await livingHubs();
  const response = await fetch(`http://127.0.0.1:${hubs.server.port}/health`);
  expect([response.status, await response.json()]).toEqual([200, { status: 'ok', hubs: [HUB] }]);
});

test('a signature is made of the resource as it is encoded in the token', async () => {
  await using hubs = await livingHubs();
  const { name, value } = DEFAULT_KEY;
  // Lower-case percent encoding, as .NET writes it: the signature covers these very bytes.
  const sr = `sb%3a%2f%2f127.0.0.1%2f${HUB}`;
  const se = Math.floor(Date.now() / 1000) + 60;
  const sig = encodeURIComponent(createHmac('sha256', value).update(`${sr}\n${se}`).digest('base64'));
  const token = `SharedAccessSignature sr=${sr}&sig=${sig}&se=${se}&skn=${name}`;
  expect((await post(hubs, `/${HUB}/messages`, { token })).status).toBe(201);
});
