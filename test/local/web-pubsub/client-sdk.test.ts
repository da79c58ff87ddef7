/** The JSON subprotocols through the real client SDK. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConnectOptions } from '../../support/web-pubsub.ts';
import { startWebPubSubKit, until, type WebPubSubKit } from '../../support/web-pubsub.ts';

let kit: WebPubSubKit;
beforeEach(async () => {
  kit = await startWebPubSubKit();
});
afterEach(() => kit.close());

const both: [string, ConnectOptions][] = [
  ['json', { reliable: false }],
  ['reliable json', { reliable: true }],
];

describe.each(both)('%s', (_, protocol) => {
  test('a client joins, hears, leaves and hears no more', async () => {
    const { client, received } = await kit.connect({ ...protocol, roles: ['webpubsub.joinLeaveGroup'] });
    expect(await client.joinGroup('g')).toMatchObject({ isDuplicated: false });
    await kit.service.group('g').sendToAll(1);
    await until(() => received.length === 1, 'the message has arrived');
    await client.leaveGroup('g');
    await kit.service.group('g').sendToAll(2);
    await kit.service.sendToAll(3);
    await until(() => received.length === 2, 'the last message has arrived');
    expect(received).toEqual([1, 3]);
  });

  test('clients send to each other in the three types, with their user id, and not back with noEcho', async () => {
    const roles = ['webpubsub.sendToGroup.g'];
    const ann = await kit.connect({ ...protocol, userId: 'ann', groups: ['g'], roles });
    const bob = await kit.connect({ ...protocol, userId: 'bob', groups: ['g'] });
    const from: unknown[] = [];
    bob.client.on('group-message', ({ message }) => from.push([message.group, message.fromUserId]));
    await ann.client.sendToGroup('g', { a: 1 }, 'json');
    await ann.client.sendToGroup('g', 'text', 'text', { noEcho: true });
    await ann.client.sendToGroup('g', new Uint8Array([1, 2]).buffer, 'binary', { fireAndForget: true, noEcho: true });
    await until(() => bob.received.length === 3, 'everything has arrived');
    expect(bob.received.slice(0, 2)).toEqual([{ a: 1 }, 'text']);
    expect([...new Uint8Array(bob.received[2] as ArrayBuffer)]).toEqual([1, 2]);
    expect(from).toEqual([
      ['g', 'ann'],
      ['g', 'ann'],
      ['g', 'ann'],
    ]);
    expect(ann.received).toEqual([{ a: 1 }]);
  });

  test('what no role allows is Forbidden', async () => {
    const { client } = await kit.connect({ ...protocol, groups: ['g'], roles: ['webpubsub.joinLeaveGroup.other'] });
    const forbidden = { errorDetail: { name: 'Forbidden', message: expect.stringContaining("'g'") } };
    await expect(client.joinGroup('g')).rejects.toMatchObject(forbidden);
    await expect(client.leaveGroup('g')).rejects.toMatchObject(forbidden);
    await expect(client.sendToGroup('g', 'x', 'text')).rejects.toMatchObject(forbidden);
    await client.joinGroup('other');
  });

  test('a repeated ackId is a duplicate and does nothing again; a refused one may be repeated', async () => {
    const { client, connectionId, received } = await kit.connect({
      ...protocol,
      groups: ['g'],
      roles: ['webpubsub.sendToGroup.g'],
    });
    expect(await client.sendToGroup('g', 'once', 'text', { ackId: 7 })).toMatchObject({ isDuplicated: false });
    expect(await client.sendToGroup('g', 'once', 'text', { ackId: 7 })).toMatchObject({ isDuplicated: true });
    await expect(client.joinGroup('h', { ackId: 8 })).rejects.toMatchObject({ errorDetail: { name: 'Forbidden' } });
    await kit.service.grantPermission(connectionId, 'joinLeaveGroup');
    expect(await client.joinGroup('h', { ackId: 8 })).toMatchObject({ isDuplicated: false });
    await kit.service.group('h').sendToAll('last');
    await until(() => received.at(-1) === 'last', 'the last message has arrived');
    expect(received).toEqual(['once', 'last']);
  });

  test('an event is refused by name: there are no event handlers here', async () => {
    const { client, connected } = await kit.connect(protocol);
    await expect(client.sendEvent('order', { a: 1 }, 'json')).rejects.toMatchObject({
      errorDetail: { name: 'NotImplemented', message: expect.stringContaining('event') },
    });
    await expect(client.invokeEvent('order', { a: 1 }, 'json')).rejects.toMatchObject({
      errorDetail: { name: 'NotImplemented', message: expect.stringContaining('invoke') },
    });
    expect(connected).toBe(1);
  });

  test('an event that nobody waits for ends the connection, or nobody would see that it is lost', async () => {
    const seen = await kit.connect({ ...protocol, client: { autoReconnect: false } });
    await seen.client.sendEvent('order', 'x', 'text', { fireAndForget: true });
    await until(() => seen.disconnected.length === 1, 'the connection has ended');
    expect(seen.disconnected[0]).toContain('event');
  });

  test('a ping is answered', async () => {
    const seen = await kit.connect({ ...protocol, client: { keepAliveIntervalInMs: 10, keepAliveTimeoutInMs: 300 } });
    // Only pongs keep the client from closing by itself.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(seen.connected).toBe(1);
    expect(seen.disconnected).toEqual([]);
  });
});

describe('roles', () => {
  test('a role of a pattern allows what matches, and a bad pattern nothing', async () => {
    const { client } = await kit.connect({
      roles: [
        'webpubsub.joinLeaveGroups.t.acme.*',
        'webpubsub.sendToGroups.t.**',
        'webpubsub.joinLeaveGroups.a*b*c*d*e*f*',
      ],
    });
    await client.joinGroup('t.acme.7');
    await client.sendToGroup('t.globex.7.8', 'x', 'text');
    for (const group of ['t.acme', 't.acme.7.8', 'x.t.acme.7', 'abcdef']) {
      await expect(client.joinGroup(group)).rejects.toMatchObject({ errorDetail: { name: 'Forbidden' } });
    }
  });
});
