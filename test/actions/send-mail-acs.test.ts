/** Mail through Communication Services: its REST contract, spoken by a server of this machine. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createAcsSender } from '../../shared/actions/send-mail-acs.ts';
import type { SendMail } from '../../shared/actions/outbox.ts';
import { MINUTE, outboxWorld } from '../support/outbox-world.ts';

interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  // oxlint-disable-next-line typescript/no-explicit-any -- the reader of a body is the test that asserts it
  body: any;
}
interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: object;
}

let server: Server;
let asked: Asked[];
let reply: (asked: Asked) => Reply;
let endpoint: string;
let send: SendMail;
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const text = chunks.join('');
      const { method = '', url: path = '', headers } = request;
      const each = { method, path, headers, body: text === '' ? undefined : JSON.parse(text) };
      asked.push(each);
      const { status, headers: more = {}, body } = reply(each);
      response.writeHead(status, { 'content-type': 'application/json', ...more }).end(JSON.stringify(body ?? {}));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  send = createAcsSender({ endpoint, sender: 'alerts@example.com', token: () => Promise.resolve('entra-token') });
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const MAIL = { id: 'msg_1', to: ['ann@example.com'], subject: 'Warm', text: 'too warm', html: '<b>too warm</b>' };

/** Takes mail as the service does, and says what became of it when asked. */
function service(...states: string[]) {
  return ({ method, headers }: Asked): Reply => {
    const id = String(headers['operation-id']);
    if (method === 'POST')
      return {
        status: 202,
        // Another host: whoever followed it would give the token away.
        headers: { 'operation-location': `http://127.0.0.1:1/emails/operations/${id}`, 'retry-after': '30' },
        body: { id, status: 'Running' },
      };
    return { status: 200, body: { id, status: states.shift(), error: { code: 'DomainNotLinked' } } };
  };
}

test('mail is sent as the contract says, and followed by its operation', async () => {
  reply = service('Running', 'Succeeded');
  const taken = await send(MAIL);
  expect(taken).toMatchObject({ kind: 'accepted', retryAfterMs: 30_000 });
  if (taken.kind !== 'accepted') throw new Error('not taken');
  expect(asked).toMatchObject([
    {
      method: 'POST',
      path: '/emails:send?api-version=2023-03-31',
      headers: { authorization: 'Bearer entra-token', 'operation-id': taken.operationId },
      body: {
        senderAddress: 'alerts@example.com',
        recipients: { to: [{ address: 'ann@example.com' }] },
        content: { subject: 'Warm', plainText: 'too warm', html: '<b>too warm</b>' },
      },
    },
  ]);
  expect(await send(MAIL, taken.operationId)).toMatchObject({ kind: 'accepted' });
  expect(await send(MAIL, taken.operationId)).toEqual({ kind: 'delivered' });
  expect(asked[2]).toMatchObject({
    method: 'GET',
    path: `/emails/operations/${taken.operationId}?api-version=2023-03-31`,
  });
});

test('the same delivery has the same operation; one that is known already is followed', async () => {
  reply = () => ({ status: 409 });
  const [one, two] = [await send(MAIL), await send(MAIL)];
  expect(one).toMatchObject({ kind: 'accepted', retryAfterMs: 0 });
  expect(two).toEqual(one);
});

test.each([
  [429, { 'retry-after': '77' }, { kind: 'failed', retryAfterMs: 77_000 }],
  [503, {}, { kind: 'failed' }],
  [401, {}, { kind: 'failed' }],
  [400, {}, { kind: 'refused', detail: 'Communication Services answered 400' }],
  [404, {}, { kind: 'refused' }],
])('an answer of %i is taken as what it is', async (status, headers, outcome) => {
  reply = () => ({ status, headers });
  expect(await send(MAIL)).toMatchObject(outcome);
});

test('an operation that failed is for good, and says why; no answer is not', async () => {
  reply = service('Failed');
  expect(await send(MAIL, '11111111-1111-8111-a111-111111111111')).toEqual({
    kind: 'refused',
    detail: 'Communication Services: DomainNotLinked',
  });
  const nowhere = createAcsSender({
    endpoint: 'http://127.0.0.1:1',
    sender: 'a@b.c',
    token: () => Promise.resolve('t'),
  });
  expect(await nowhere(MAIL)).toMatchObject({ kind: 'failed' });
});

test('the outbox sends once, waits as long as it is told, and asks until it knows', async () => {
  const world = await outboxWorld();
  try {
    reply = service('Running', 'Running', 'Succeeded');
    const outbox = await world.tenant({ actions: ['mail'] }, { mail: send });
    await outbox.act('mail', { kind: 'email', name: 'Mail', to: ['ann@example.com'], enabled: true });
    await outbox.open();
    await outbox.pass(5 * MINUTE, 5000);
    expect(asked.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET', 'GET']);
    expect(await outbox.deliveries()).toMatchObject([{ status: 'delivered', attempts: 1 }]);
  } finally {
    await world.close();
  }
});
