/** The data plane through the real service SDK, seen by real client SDKs. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AzureKeyCredential, odata, WebPubSubServiceClient } from '@azure/web-pubsub';
import { startWebPubSub } from '../../../local/web-pubsub/web-pubsub.ts';
import { startWebPubSubKit, until, type TestClient, type WebPubSubKit } from '../../support/web-pubsub.ts';

let kit: WebPubSubKit;
beforeEach(async () => {
  kit = await startWebPubSubKit();
});
afterEach(() => kit.close());

/** Sends a last message to everybody and waits for it: what is not there by then was not sent. */
async function settle(...clients: TestClient[]): Promise<void> {
  await kit.service.sendToAll('settled');
  await until(() => clients.every(({ received }) => received.at(-1) === 'settled'), 'everybody has the last message');
  for (const { received } of clients) received.pop();
}

describe('sending', () => {
  test('JSON, text and binary arrive as what they are, on both subprotocols', async () => {
    const clients = [await kit.connect(), await kit.connect({ reliable: false })];
    const values = [{ a: [1, 'ü', null, { b: true }] }, 'text', 'last'];
    await kit.service.sendToAll(values[0] as object);
    await kit.service.sendToAll('text', { contentType: 'text/plain' });
    await kit.service.sendToAll(new Uint8Array([0, 1, 254, 255]));
    await settle(...clients);
    for (const { received } of clients) {
      expect(received.slice(0, 2)).toEqual(values.slice(0, 2));
      expect([...new Uint8Array(received[2] as ArrayBuffer)]).toEqual([0, 1, 254, 255]);
    }
  });

  test('to a group, a user, a connection: to those and to nobody else', async () => {
    const ann = await kit.connect({ userId: 'ann', groups: ['g/ü 1'] });
    const ann2 = await kit.connect({ userId: 'ann' });
    const bob = await kit.connect({ userId: "b'ob", groups: ['g/ü 1', 'other'] });
    await kit.service.group('g/ü 1').sendToAll({ to: 'group' });
    await kit.service.sendToUser('ann', { to: 'user' });
    await kit.service.sendToUser("b'ob", { to: 'bob' });
    await kit.service.sendToConnection(ann2.connectionId, { to: 'connection' });
    await settle(ann, ann2, bob);
    expect(ann.received).toEqual([{ to: 'group' }, { to: 'user' }]);
    expect(ann2.received).toEqual([{ to: 'user' }, { to: 'connection' }]);
    expect(bob.received).toEqual([{ to: 'group' }, { to: 'bob' }]);
  });

  test('a message of a group says so, with its group; one of the server does not', async () => {
    const { client, received } = await kit.connect({ groups: ['g'] });
    const groups: unknown[] = [];
    client.on('group-message', ({ message }) => groups.push(message.group));
    await kit.service.group('g').sendToAll('to the group');
    await kit.service.sendToAll('to all');
    await until(() => received.length === 2, 'both have arrived');
    expect(groups).toEqual(['g']);
  });

  test('an absent group or user is a success, an absent connection is a 404', async () => {
    await kit.service.group('nobody').sendToAll('x');
    await kit.service.sendToUser('nobody', 'x');
    await expect(kit.service.sendToConnection('nobody', 'x')).rejects.toMatchObject({
      statusCode: 404,
      code: 'ConnectionNotFound',
    });
  });

  test('excluded connections and a filter narrow a send', async () => {
    const ann = await kit.connect({ userId: 'ann', groups: ['g'] });
    const bob = await kit.connect({ userId: 'bob', groups: ['g'] });
    const eve = await kit.connect({ groups: ['g', 'h'] });
    await kit.service.sendToAll(1, { excludedConnections: [ann.connectionId, eve.connectionId] });
    await kit.service.group('g').sendToAll(2, { excludedConnections: [bob.connectionId] });
    await kit.service.sendToAll(3, { filter: odata`userId eq ${'ann'}` });
    await kit.service.group('g').sendToAll(4, { filter: odata`userId eq ${null} and ${'h'} in groups` });
    await kit.service.sendToUser('bob', 5, { filter: 'false' });
    await settle(ann, bob, eve);
    expect(ann.received).toEqual([2, 3]);
    expect(bob.received).toEqual([1]);
    expect(eve.received).toEqual([2, 4]);
  });

  test('a filter that is wrong is a 400 that says where', async () => {
    await expect(kit.service.sendToAll('x', { filter: 'userId = 1' })).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining("unexpected '=' at character 8"),
    });
  });

  test('a number keeps all its digits', async () => {
    const raw: string[] = [];
    const { client } = await kit.connect();
    client.on('server-message', ({ message }) => raw.push(JSON.stringify(message.data)));
    const response = await kit.call('POST', '/api/hubs/sluice/:send?api-version=2024-12-01', {
      body: '1e400',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(202);
    await until(() => raw.length === 1, 'it has arrived');
    // JSON.parse of the client makes Infinity of it, and null of that: the stand-in has not changed it to null before.
    expect(raw).toEqual(['null']);
  });

  test('metadata headers reach the clients', async () => {
    const { client } = await kit.connect();
    const seen = Promise.withResolvers<unknown>();
    client.on('server-message', ({ message }) => seen.resolve((message as { metadata?: unknown }).metadata));
    await kit.service.sendToAll('x', {
      requestOptions: { customHeaders: { 'X-WebPubSub-Metadata-Trace-Id': '42' } },
    });
    expect(await seen.promise).toEqual({ 'Trace-Id': '42' });
  });

  test('hubs are apart, and their names have no case', async () => {
    const { received } = await kit.connect();
    const options = { allowInsecureConnection: true };
    await new WebPubSubServiceClient(kit.server.connectionString, 'other', options).sendToAll('other');
    await new WebPubSubServiceClient(kit.server.connectionString, 'SLUICE', options).sendToAll('same');
    await until(() => received.length > 0, 'it has arrived');
    expect(received).toEqual(['same']);
  });
});

describe('who is here', () => {
  test('connections, users and groups exist while somebody is there', async () => {
    const { client, connectionId } = await kit.connect({ userId: 'ann', groups: ['g'] });
    const all = () =>
      Promise.all([
        kit.service.connectionExists(connectionId),
        kit.service.userExists('ann'),
        kit.service.groupExists('g'),
      ]);
    expect(await all()).toEqual([true, true, true]);
    client.stop();
    await until(async () => !(await all()).includes(true), 'it is gone');
    expect(await kit.service.groupExists('never')).toBe(false);
  });

  test('a group lists its connections, page by page, and no more than top', async () => {
    const clients: TestClient[] = [];
    for (let i = 0; i < 7; i++)
      clients.push(await kit.connect({ userId: `user-${i}`, groups: ['g'], reliable: false }));
    const expected = clients.map(({ connectionId }, i) => ({ connectionId, userId: `user-${i}` }));
    const byId = (a: { connectionId: string }, b: { connectionId: string }) =>
      a.connectionId < b.connectionId ? -1 : 1;
    const list = async (options: object) => {
      const members: { connectionId: string; userId?: string }[] = [];
      for await (const member of await kit.service.group('g').listConnections(options)) members.push(member);
      return members;
    };
    expect(await list({})).toEqual(expected.toSorted(byId));
    expect(await list({ maxPageSize: 3 })).toEqual(expected.toSorted(byId));
    expect(await list({ maxPageSize: 2, top: 5 })).toEqual(expected.toSorted(byId).slice(0, 5));
    let pages = 0;
    for await (const page of (await kit.service.group('g').listConnections({ maxPageSize: 3 })).byPage()) {
      expect(page.length).toBeLessThanOrEqual(3);
      pages++;
    }
    expect(pages).toBe(3);
  });
});

describe('groups', () => {
  test('a connection is added and removed, once and from all', async () => {
    const one = await kit.connect();
    const group = kit.service.group('g');
    await group.addConnection(one.connectionId);
    await kit.service.group('h').addConnection(one.connectionId);
    await group.sendToAll(1);
    await group.removeConnection(one.connectionId);
    await group.sendToAll(2);
    await kit.service.group('h').sendToAll(3);
    await kit.service.removeConnectionFromAllGroups(one.connectionId);
    await kit.service.group('h').sendToAll(4);
    await settle(one);
    expect(one.received).toEqual([1, 3]);
    await expect(group.addConnection('nobody')).rejects.toMatchObject({ statusCode: 404 });
    await group.removeConnection('nobody');
  });

  test('a user is added with all connections, and removed', async () => {
    const one = await kit.connect({ userId: 'ann' });
    const two = await kit.connect({ userId: 'ann' });
    await kit.service.group('g').addUser('ann');
    await kit.service.group('h').addUser('ann');
    await kit.service.group('g').sendToAll(1);
    await kit.service.group('g').removeUser('ann');
    await kit.service.group('g').sendToAll(2);
    await kit.service.removeUserFromAllGroups('ann');
    await kit.service.group('h').sendToAll(3);
    await settle(one, two);
    expect(one.received).toEqual([1]);
    expect(two.received).toEqual([1]);
  });

  test('connections of a filter are moved to and from many groups', async () => {
    const ann = await kit.connect({ userId: 'ann' });
    const bob = await kit.connect({ userId: 'bob' });
    await kit.service.addConnectionsToGroups(['g', 'h'], "startswith(userId, 'a')");
    await kit.service.group('g').sendToAll(1);
    await kit.service.removeConnectionsFromGroups(['g'], 'true');
    await kit.service.group('g').sendToAll(2);
    await kit.service.group('h').sendToAll(3);
    await settle(ann, bob);
    expect(ann.received).toEqual([1, 3]);
    expect(bob.received).toEqual([]);
  });
});

describe('permissions and closing', () => {
  test('a permission is granted, checked and revoked, for one group and for all', async () => {
    const { client, connectionId } = await kit.connect();
    const { service } = kit;
    await expect(client.joinGroup('g')).rejects.toMatchObject({ errorDetail: { name: 'Forbidden' } });
    await service.grantPermission(connectionId, 'joinLeaveGroup', { targetName: 'g' });
    expect(await service.hasPermission(connectionId, 'joinLeaveGroup', { targetName: 'g' })).toBe(true);
    expect(await service.hasPermission(connectionId, 'joinLeaveGroup', { targetName: 'h' })).toBe(false);
    expect(await service.hasPermission(connectionId, 'joinLeaveGroup')).toBe(false);
    expect(await service.hasPermission(connectionId, 'sendToGroup', { targetName: 'g' })).toBe(false);
    await client.joinGroup('g');
    await service.revokePermission(connectionId, 'joinLeaveGroup', { targetName: 'g' });
    await expect(client.leaveGroup('g')).rejects.toMatchObject({ errorDetail: { name: 'Forbidden' } });
    await service.grantPermission(connectionId, 'sendToGroup');
    expect(await service.hasPermission(connectionId, 'sendToGroup', { targetName: 'any' })).toBe(true);
    await client.sendToGroup('any', 'x', 'text');
    await expect(service.grantPermission('nobody', 'sendToGroup')).rejects.toMatchObject({ statusCode: 404 });
    await expect(service.grantPermission(connectionId, 'fly' as 'sendToGroup')).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('permission'),
    });
  });

  test('a closed connection hears why, and its session is gone', async () => {
    const seen = await kit.connect({ client: { autoReconnect: false } });
    const stopped = new Promise<void>((resolve) => seen.client.on('stopped', () => resolve()));
    const reason = `because ${'ü'.repeat(100)}`;
    await kit.service.closeConnection(seen.connectionId, { reason });
    await stopped;
    expect(seen.disconnected).toEqual([reason]);
    expect(await kit.service.connectionExists(seen.connectionId)).toBe(false);
    await kit.service.closeConnection('nobody');
  });

  test('closing a user, a group and all spares who is excluded', async () => {
    const options = { client: { autoReconnect: false } };
    const ann = await kit.connect({ userId: 'ann', ...options });
    const bob = await kit.connect({ userId: 'bob', groups: ['g'], ...options });
    const eve = await kit.connect({ userId: 'eve', groups: ['g'], ...options });
    const here = async () =>
      Promise.all([ann, bob, eve].map(({ connectionId }) => kit.service.connectionExists(connectionId)));
    await kit.service.closeUserConnections('ann');
    // The SDK sends it, its type leaves it out.
    const excluded = { excluded: [eve.connectionId] } as object;
    expect(await here()).toEqual([false, true, true]);
    await kit.service.group('g').closeAllConnections(excluded);
    expect(await here()).toEqual([false, false, true]);
    await kit.service.closeAllConnections();
    expect(await here()).toEqual([false, false, false]);
  });
});

describe('the server', () => {
  test('its connection string has the shape of the emulator of Microsoft', () => {
    expect(kit.server.connectionString).toBe(
      `Endpoint=http://127.0.0.1:${kit.server.port};AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;`,
    );
  });

  test('a key of its own counts, and another does not', async () => {
    const server = await startWebPubSub({ port: 0, key: 'k' });
    const options = { allowInsecureConnection: true };
    const right = new WebPubSubServiceClient(server.connectionString, 'h', options);
    await right.sendToAll('x');
    const wrong = new WebPubSubServiceClient(server.endpoint, new AzureKeyCredential('other'), 'h', options);
    await expect(wrong.sendToAll('x')).rejects.toMatchObject({ statusCode: 401, code: 'Unauthorized' });
    await server.close();
  });

  test('a hub it was not started with is a 404 that names the hubs', async () => {
    const server = await startWebPubSub({ port: 0, hubs: ['Sluice'] });
    const options = { allowInsecureConnection: true };
    await new WebPubSubServiceClient(server.connectionString, 'sluice', options).sendToAll('x');
    const other = new WebPubSubServiceClient(server.connectionString, 'other', options);
    await expect(other.sendToAll('x')).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('sluice'),
    });
    await server.close();
    await expect(startWebPubSub({ port: 0, hubs: ['1st'] })).rejects.toThrow('is not a hub name');
  });

  test('a port in use rejects with EADDRINUSE', async () => {
    await expect(startWebPubSub({ port: kit.server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('a port is free again after close', async () => {
    await kit.connect();
    const { port } = kit.server;
    await kit.close();
    kit = await startWebPubSubKit({ port });
    expect(kit.server.port).toBe(port);
  });

  test('health needs no token', async () => {
    expect((await fetch(`${kit.server.endpoint}/api/health`)).status).toBe(200);
  });
});
