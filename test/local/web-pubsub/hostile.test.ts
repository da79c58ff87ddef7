/** Callers that break the rules: each gets an answer that names the rule, and nobody else notices. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { RawClient } from '../../support/raw-web-pubsub-client.ts';
import { startWebPubSubKit, until, type WebPubSubKit } from '../../support/web-pubsub.ts';

let kit: WebPubSubKit;
beforeEach(async () => {
  kit = await startWebPubSubKit();
});
afterEach(() => kit.close());

const version = 'api-version=2024-12-01';
const json = { 'content-type': 'application/json' };
const MB = 1024 * 1024;

/** The status and the JSON of a refused handshake. */
function handshake(path: string, protocol: string | string[] = [], headers: Record<string, string> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${kit.server.port}${path}`, protocol, { headers });
  return new Promise<{ status: number; body: { code?: string; message?: string } }>((resolve, reject) => {
    socket.on('open', () => reject(new Error('The handshake was accepted.')));
    socket.on('error', () => {});
    socket.on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as object }));
    });
  });
}

describe('tokens', () => {
  const path = `/api/hubs/sluice/:send?${version}`;
  const send = (authorization?: string) =>
    fetch(`${kit.server.endpoint}${path}`, {
      method: 'POST',
      headers: authorization === undefined ? json : { ...json, authorization },
      body: '1',
    });

  test('none, garbage, another scheme: 401', async () => {
    for (const authorization of [undefined, 'Bearer', 'Bearer x.y.z', 'Bearer ', 'Basic dTpw']) {
      const response = await send(authorization);
      expect([authorization, response.status]).toEqual([authorization, 401]);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.json()).toMatchObject({ code: 'Unauthorized' });
    }
  });

  test('expired, without an end, not yet valid, for another path, host or nobody: 401', async () => {
    const url = `${kit.server.endpoint}${path}`;
    const now = Math.floor(Date.now() / 1000);
    const tokens = [
      await kit.token(url, { exp: now - 1 }),
      await kit.token(url, { exp: undefined }),
      await kit.token(url, { nbf: now + 60 }),
      await kit.token(url, { aud: undefined }),
      await kit.token(url.replace('sluice', 'other')),
      await kit.token(url.replace(':send', ':closeConnections')),
      await kit.token(url.replace('127.0.0.1', 'example.com')),
      await kit.token('not a url'),
    ];
    for (const [i, token] of tokens.entries()) expect([i, (await send(`Bearer ${token}`)).status]).toEqual([i, 401]);
  });

  test('without a signature, or signed with another key or algorithm: 401', async () => {
    const url = `${kit.server.endpoint}${path}`;
    const [header, payload] = (await kit.token(url)).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const other = Buffer.from('{"alg":"HS512"}').toString('base64url');
    for (const token of [`${none}.${payload}.`, `${header}.${payload}.`, `${other}.${payload}.AAAA`]) {
      expect((await send(`Bearer ${token}`)).status).toBe(401);
    }
    const key = /AccessKey=([^;]+)/.exec(kit.server.connectionString)?.[1] ?? '';
    const stronger = new SignJWT({ aud: url }).setProtectedHeader({ alg: 'HS512' }).setExpirationTime('1h');
    expect((await send(`Bearer ${await stronger.sign(new TextEncoder().encode(key))}`)).status).toBe(401);
  });

  test('for the URL without its query, with another name of this machine, or among others: accepted', async () => {
    const url = `${kit.server.endpoint}${path}`;
    const [bare = ''] = url.split('?');
    for (const audience of [bare, `${bare}/`, url.replace('127.0.0.1', 'localhost')]) {
      expect((await send(`Bearer ${await kit.token(audience)}`)).status).toBe(202);
    }
    expect((await send(`Bearer ${await kit.token(url, { aud: ['http://other', url] })}`)).status).toBe(202);
  });

  test('a client needs one that is valid, and for its hub', async () => {
    const audience = `${kit.server.endpoint}/client/hubs/sluice`;
    const now = Math.floor(Date.now() / 1000);
    expect((await handshake('/client/hubs/sluice')).status).toBe(401);
    expect((await handshake('/client/hubs/sluice?access_token=x')).status).toBe(401);
    const expired = await kit.token(audience, { exp: now - 1 });
    expect((await handshake(`/client/hubs/sluice?access_token=${expired}`)).status).toBe(401);
    const token = await kit.token(audience);
    const refused = await handshake(`/client/hubs/other?access_token=${token}`);
    expect(refused).toMatchObject({ status: 401, body: { message: expect.stringContaining('/client/hubs/sluice') } });
    const badGroup = await kit.token(audience, { 'webpubsub.group': [' '] });
    expect((await handshake(`/client/hubs/sluice?access_token=${badGroup}`)).status).toBe(400);
  });

  test('a client may bring it as a header, and a role or group as one string', async () => {
    const token = await kit.token(`${kit.server.endpoint}/client/hubs/sluice`, {
      sub: 'ann',
      role: 'webpubsub.joinLeaveGroup.g',
      'webpubsub.group': 'h',
    });
    const socket = new WebSocket(`ws://127.0.0.1:${kit.server.port}/client/hubs/sluice`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await new Promise((resolve) => socket.on('open', resolve));
    expect(await kit.service.userExists('ann')).toBe(true);
    expect(await kit.service.groupExists('h')).toBe(true);
    socket.terminate();
  });

  test('a token of :generateToken opens a connection with its claims', async () => {
    const query = 'userId=ann&role=webpubsub.joinLeaveGroup.g&group=h&group=i&minutesToExpire=5';
    const response = await kit.call('POST', `/api/hubs/Sluice/:generateToken?${version}&${query}`);
    const { token } = (await response.json()) as { token: string };
    const url = `ws://127.0.0.1:${kit.server.port}/client/hubs/sluice?access_token=${token}`;
    const client = new RawClient(kit, url, 'json.webpubsub.azure.v1');
    await until(() => client.connected !== undefined, 'the client is connected');
    expect(client.connected).toMatchObject({ userId: 'ann' });
    expect(await kit.service.groupExists('i')).toBe(true);
    expect(await client.request({ type: 'joinGroup', group: 'g', ackId: 1 })).toMatchObject({ success: true });
    client.terminate();
  });
});

describe('handshakes', () => {
  const access = async () => (await kit.service.getClientAccessToken()).token;

  test.each([
    [['protobuf.webpubsub.azure.v1'], 400, 'protobuf.webpubsub.azure.v1'],
    [['protobuf.reliable.webpubsub.azure.v1'], 400, 'protobuf.reliable.webpubsub.azure.v1'],
    [['mqtt', 'soap'], 400, 'mqtt, soap'],
  ])('the subprotocol %j is refused by name', async (protocol, status, name) => {
    const refused = await handshake(`/client/hubs/sluice?access_token=${await access()}`, protocol);
    expect(refused).toMatchObject({ status, body: { message: expect.stringContaining(name) } });
  });

  test('of several subprotocols the first that is spoken here is taken', async () => {
    const client = await RawClient.open(kit, { protocol: ['protobuf.webpubsub.azure.v1', 'json.webpubsub.azure.v1'] });
    expect(client.socket.protocol).toBe('json.webpubsub.azure.v1');
    client.terminate();
  });

  test.each([
    ['/clients/mqtt/hubs/sluice', 501, 'MQTT'],
    ['/clients/socketio/hubs/sluice', 501, 'Socket.IO'],
    ['/server/tunnel', 501, 'tunnel'],
    ['/client/hubs/sluice?webpubsub_mode=sendToGroup&group=g', 501, 'webpubsub_mode'],
    ['/elsewhere', 404, '/elsewhere'],
    ['/client/hubs/', 400, 'hub'],
    ['/client/hubs/1st', 400, "'1st'"],
    ['/client/hubs/%ff', 400, 'UTF-8'],
    ['/client/hubs/a/b', 404, '/client/hubs/a/b'],
  ])('%s is %d', async (path, status, named) => {
    const refused = await handshake(path);
    expect(refused).toMatchObject({ status, body: { message: expect.stringContaining(named) } });
  });

  test('a client without a subprotocol receives the bare content and cannot send', async () => {
    const client = await RawClient.open(kit, { protocol: [], groups: ['g'] });
    await kit.service.sendToAll({ a: 1 });
    await kit.service.group('g').sendToAll('text', { contentType: 'text/plain' });
    await kit.service.sendToAll(new Uint8Array([1, 2, 3]));
    await until(() => client.frames.length === 3, 'everything has arrived');
    expect(client.frames).toEqual(['{"a":1}', 'text', Buffer.from([1, 2, 3])]);
    client.send('hello');
    await until(() => client.closed !== undefined, 'the client is closed');
    expect(client.closed).toMatchObject({ code: 1008, reason: expect.stringContaining('not implemented') });
  });
});

describe('frames', () => {
  test.each([
    ['{"type":"ping" ', 'not JSON'],
    ['["joinGroup"]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['{}', 'type'],
    ['{"type":42}', 'type'],
    ['{"type":"unknown"}', "'unknown'"],
    ['{"type":"setGroupState","group":"g"}', "'setGroupState'"],
    ['{"type":"joinGroup"}', 'group'],
    ['{"type":"joinGroup","group":""}', 'group'],
    [`{"type":"joinGroup","group":"${'g'.repeat(1025)}"}`, 'group'],
    ['{"type":"joinGroup","group":"g","ackId":"1"}', 'ackId'],
    ['{"type":"joinGroup","group":"g","ackId":-1}', 'ackId'],
    ['{"type":"joinGroup","group":"g","ackId":1.5}', 'ackId'],
    ['{"type":"sequenceAck"}', 'sequenceId'],
    ['{"type":"sequenceAck","sequenceId":"1"}', 'sequenceId'],
    ['{"type":"sendToGroup","group":"g","dataType":"text"}', 'data'],
    ['{"type":"sendToGroup","group":"g"}', 'data'],
    ['{"type":"sendToGroup","group":"g","dataType":"xml","data":"x"}', 'dataType'],
    ['{"type":"sendToGroup","group":"g","dataType":"binary","data":"not base64!"}', 'data'],
    ['{"type":"sendToGroup","group":"g","data":1,"noEcho":"true"}', 'noEcho'],
    ['{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}', 'ttlSeconds'],
    ['{"type":"sendToGroup","group":"g","data":1,"metadata":{"a":1}}', 'metadata'],
    ['{"type":"invoke","target":"event"}', 'invocationId'],
    [`${'['.repeat(100_000)}`, 'not JSON'],
    [`{"type":"sendToGroup","group":"g","data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'nested too deeply'],
  ])('%.60s ends the connection with 1008, naming %s', async (frame, named) => {
    const client = await RawClient.open(kit, { roles: ['webpubsub.sendToGroup', 'webpubsub.joinLeaveGroup'] });
    client.send(frame);
    await until(() => client.closed !== undefined, 'the client is closed');
    expect(client.closed).toMatchObject({ code: 1008, reason: expect.stringContaining(named) });
    expect(client.disconnected).toContain(named);
    expect(await kit.service.connectionExists(client.connectionId)).toBe(false);
  });

  test('an unknown request with an ackId is answered, and the connection lives', async () => {
    const client = await RawClient.open(kit);
    expect(await client.request({ type: 'setGroupState', group: 'g', ackId: 1 })).toMatchObject({
      success: false,
      error: { name: 'NotImplemented', message: expect.stringContaining('setGroupState') },
    });
    await client.pong();
    client.terminate();
  });

  test('bytes where text is due: 1008', async () => {
    const client = await RawClient.open(kit);
    client.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
    await until(() => client.closed !== undefined, 'the client is closed');
    expect(client.closed).toMatchObject({ code: 1008, reason: expect.stringContaining('text frames') });
  });

  test('a frame of 1 MB passes, one byte more is 1009', async () => {
    const client = await RawClient.open(kit, { roles: ['webpubsub.sendToGroup.g'] });
    const frame = (bytes: number) => {
      const empty = JSON.stringify({ type: 'sendToGroup', group: 'g', ackId: 1, dataType: 'text', data: '' });
      return empty.replace('"data":""', `"data":"${'x'.repeat(bytes - empty.length)}"`);
    };
    client.send(frame(MB));
    await until(() => client.others.some(({ type }) => type === 'ack'), 'it is acknowledged');
    client.send(frame(MB + 1));
    await until(() => client.closed !== undefined, 'the client is closed');
    expect(client.closed?.code).toBe(1009);
  });

  test('not UTF-8, and bytes that are no frame at all, end this connection only', async () => {
    const other = await kit.connect();
    for (const bytes of [
      Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]),
      Buffer.from('garbage'),
      Buffer.alloc(5000, 0xff),
    ]) {
      const client = await RawClient.open(kit);
      (client.socket as unknown as { _socket: NodeJS.WritableStream })._socket.write(bytes);
      await until(() => client.closed !== undefined, 'the client is closed');
    }
    await kit.service.sendToAll('still here');
    await until(() => other.received.length === 1, 'the other client has its message');
    expect(other.connected).toBe(1);
  });

  test('a client that does not read is dropped, and the others are served', async () => {
    const slow = await RawClient.open(kit, { protocol: 'json.webpubsub.azure.v1' });
    const other = await kit.connect({ reliable: false });
    slow.socket.pause();
    const large = 'x'.repeat(MB - 10);
    let sent = 0;
    while (await kit.service.connectionExists(slow.connectionId)) {
      expect(sent).toBeLessThan(60);
      await kit.service.sendToAll(large, { contentType: 'text/plain' });
      sent += 1;
    }
    await until(() => other.received.length === sent, 'the other client has everything');
    slow.terminate();
  });
});

describe('requests', () => {
  test.each([
    ['GET', `/api/hubs/sluice/:send?${version}`, 405, 'use POST'],
    ['PATCH', `/api/hubs/sluice/groups/g/connections/c?${version}`, 405, 'use PUT or DELETE'],
    ['POST', `/api/hubs/sluice/:fly?${version}`, 404, ':fly'],
    ['GET', '/', 404, 'GET /'],
    ['GET', '/api', 404, '/api'],
    ['GET', '/api/hubs/sluice', 404, '/api/hubs/sluice'],
    ['POST', `/api/hubs/sluice/groups/g/extra/:send?${version}`, 404, 'extra'],
    ['POST', '/api/hubs/sluice/:send', 400, 'api-version'],
    ['POST', '/api/hubs/sluice/:send?api-version=1999-01-01', 400, '1999-01-01'],
    ['POST', `/api/hubs/1st/:send?${version}`, 400, "'1st'"],
    ['POST', `/api/hubs/sluice/groups/%20/:send?${version}`, 400, 'group'],
    ['POST', `/api/hubs/sluice/groups/${'g'.repeat(1025)}/:send?${version}`, 400, 'group'],
    ['POST', `/api/hubs/sluice/users//:send?${version}`, 400, 'userId'],
    ['GET', `/api/hubs/sluice/groups/g/connections?${version}&maxpagesize=201`, 400, 'maxpagesize'],
    ['GET', `/api/hubs/sluice/groups/g/connections?${version}&top=0`, 400, 'top'],
    ['GET', `/api/hubs/sluice/groups/g/connections?${version}&continuationToken=*`, 400, 'continuation'],
    ['POST', `/api/hubs/sluice/:generateToken?${version}&minutesToExpire=0`, 400, 'minutesToExpire'],
    ['POST', `/api/hubs/sluice/:generateToken?${version}&clientType=MQTT`, 501, 'MQTT'],
    ['POST', `/api/hubs/sluice/:generateToken?${version}&group=%20`, 400, 'group'],
    ['GET', '/client/hubs/sluice', 400, 'WebSocket'],
    ['GET', '/clients/mqtt/hubs/sluice', 501, '/clients/mqtt'],
    ['POST', '/%c3%28', 400, 'UTF-8'],
  ])('%s %s is %d', async (method, path, status, named) => {
    const response = await kit.call(method, path, method === 'GET' ? {} : { body: '1', headers: json });
    expect(response.status).toBe(status);
    const body = (await response.json()) as { code: string; message: string };
    expect(body.message).toContain(named);
    expect(response.headers.get('x-ms-error-code')).toBe(body.code);
  });

  test.each([
    ['application/xml', '<a/>', 415, 'application/xml'],
    ['', 'x', 415, 'Content-Type'],
    ['application/json', '{"a":', 400, 'not JSON'],
    ['application/json', '', 400, 'not JSON'],
    ['application/json; charset=utf-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'UTF-8'],
    ['text/plain', Buffer.from([0xc3, 0x28]), 400, 'UTF-8'],
  ])('a message of type %j and body %j is %d', async (type, body, status, named) => {
    const response = await kit.call('POST', `/api/hubs/sluice/:send?${version}`, {
      body,
      headers: { 'content-type': type },
    });
    expect(response.status).toBe(status);
    expect(((await response.json()) as { message: string }).message).toContain(named);
  });

  test.each([
    ['{"groups":"g"}', 'groups'],
    ['{"groups":[]}', 'groups'],
    ['{"groups":["g",5]}', 'groups'],
    ['{"groups":["g"],"filter":5}', 'filter'],
    ['{"groups":["g"],"filter":"x"}', "unknown identifier 'x'"],
    ['[', 'JSON'],
    ['null', 'groups'],
  ])('adding to groups with %s is a 400', async (body, named) => {
    const response = await kit.call('POST', `/api/hubs/sluice/:addToGroups?${version}`, { body, headers: json });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { message: string }).message).toContain(named);
  });

  test('a message of 1 MB passes, one byte more is a 413 that can be read, and so is 100 MB', async () => {
    const { received } = await kit.connect();
    const headers = { 'content-type': 'application/octet-stream' };
    const path = `/api/hubs/sluice/:send?${version}`;
    const send = async (bytes: number) => (await kit.call('POST', path, { body: Buffer.alloc(bytes), headers })).status;
    expect(await send(MB)).toBe(202);
    expect(await send(MB + 1)).toBe(413);
    expect(await send(100 * MB)).toBe(413);
    await until(() => received.length === 1, 'the first one has arrived');
  });

  test('half a request that is given up leaves the server alive', async () => {
    for (const text of [
      'POST /api/hubs/sluice/:send HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf',
      'GET /\r\n\r\n',
      '\0\0\0',
    ]) {
      const socket = connect(kit.server.port, '127.0.0.1');
      socket.on('error', () => {});
      await new Promise<void>((resolve) => socket.write(text, () => resolve()));
      socket.destroy();
    }
    await kit.service.sendToAll('x');
    expect((await fetch(`${kit.server.endpoint}/api/health`)).status).toBe(200);
  });

  test('a handshake that is given up at once leaves the server alive', async () => {
    const { token } = await kit.service.getClientAccessToken({ userId: 'ann' });
    for (let i = 0; i < 20; i++) {
      const socket = connect(kit.server.port, '127.0.0.1');
      socket.on('error', () => {});
      const lines = [
        `GET /client/hubs/sluice?access_token=${token} HTTP/1.1`,
        `Host: 127.0.0.1:${kit.server.port}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        '',
        '',
      ];
      await new Promise<void>((resolve) => socket.write(lines.join('\r\n'), () => resolve()));
      socket.resetAndDestroy();
    }
    await until(async () => !(await kit.service.userExists('ann')), 'all of them are gone');
    expect((await fetch(`${kit.server.endpoint}/api/health`)).status).toBe(200);
  });
});

describe('floods and trickles', () => {
  /** What the server answers to these bytes until it ends the connection, or until `isEnough`. */
  async function exchange(
    bytes: string | Uint8Array,
    isEnough: (answer: string) => boolean = () => false,
    then: 'write' | 'end' = 'write',
  ) {
    const socket = connect(kit.server.port, '127.0.0.1');
    let answer = '';
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    socket.on('data', (data) => {
      answer += data.toString();
      if (isEnough(answer)) socket.destroy();
    });
    socket[then](bytes);
    await closed;
    return answer;
  }

  test('a head or a body that never ends is given up', async () => {
    await kit.close();
    kit = await startWebPubSubKit({ requestMs: 300 });
    expect(await exchange('GET /api/health HTTP/1.1\r\nHost: x\r\nA: b')).toMatch(/^HTTP\/1\.1 408 /);
    const head = 'POST /$faults HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{';
    expect(await exchange(head)).toMatch(/^HTTP\/1\.1 408 /);
    expect((await fetch(`${kit.server.endpoint}/api/health`)).status).toBe(200);
  });

  test('any bytes are answered by a status or by the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        // With an end, or an empty line would wait for a request behind it.
        const answer = await exchange(bytes, undefined, 'end');
        expect(answer === '' || /^HTTP\/1\.1 [45]\d\d /.test(answer)).toBe(true);
      }),
      { numRuns: 200, examples: [[Buffer.from('\r\n')], [Buffer.from('GET / HTTP/1.1\r\n')]] },
    );
    expect((await fetch(`${kit.server.endpoint}/api/health`)).status).toBe(200);
  });

  test('any bytes on an open connection end that one at most', async () => {
    const { received } = await kit.connect();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.boolean(), async (bytes, asText) => {
        const client = await RawClient.open(kit);
        client.socket.send(asText ? Buffer.from(bytes).toString() : bytes);
        if (!asText) await until(() => client.closed !== undefined, 'bytes end the connection');
        client.terminate();
      }),
      { numRuns: 50 },
    );
    await kit.service.sendToAll('still here');
    await until(() => received.length === 1, 'the others are served');
    expect(received).toEqual(['still here']);
  });

  test('tens of thousands of small requests on a few connections are answered, each in its place', async () => {
    const EACH = 5000;
    const request = 'GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n';
    const count = (answer: string) => answer.split('HTTP/1.1 200 ').length - 1;
    const all = await Promise.all(
      Array.from({ length: 4 }, () =>
        exchange(request.repeat(EACH), (answer) => answer.endsWith('\r\n\r\n') && count(answer) === EACH),
      ),
    );
    expect(all.map(count)).toEqual([EACH, EACH, EACH, EACH]);
  });

  test('ten thousand small frames of one client are answered, and others are served meanwhile', async () => {
    const { received } = await kit.connect();
    const client = await RawClient.open(kit);
    for (let i = 0; i < 10_000; i++) client.send({ type: 'ping' });
    await kit.service.sendToAll('meanwhile');
    await until(() => received.length === 1, 'the other client has its message');
    const pongs = () => client.others.filter(({ type }) => type === 'pong').length;
    await until(() => pongs() >= 10_000, 'every ping is answered');
    expect(pongs()).toBe(10_000);
  });
});
