import { expect, test } from '@jest/globals';
import { Connected, nameOf, newName, settled, statusOf } from './connect.ts';

const ROLES = ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'];

test('a client joins, hears, leaves and hears no more', async () => {
  await using kit = new Connected();
  const group = newName();
  const client = await kit.client({ roles: ROLES });
  await client.sdk.joinGroup(group);
  await kit.service.group(group).sendToAll('in');
  await client.gets(1);
  await client.sdk.leaveGroup(group);
  await kit.service.group(group).sendToAll('out');
  await kit.service.sendToConnection(client.connectionId, 'last');
  expect(await client.gets(2)).toEqual(['in', 'last']);
});

test('a client sends to a group, says who it is, and does not hear itself with noEcho', async () => {
  await using kit = new Connected();
  const [group, userId] = [newName(), newName()];
  const sender = await kit.client({ userId, roles: ROLES, groups: [group] });
  const other = await kit.client({ groups: [group] });
  await sender.sdk.sendToGroup(group, { n: 1 }, 'json', { noEcho: true });
  await sender.sdk.sendToGroup(group, 'two', 'text');
  expect(await other.gets(2)).toEqual([{ n: 1 }, 'two']);
  expect(await sender.gets(1)).toEqual(['two']);
  expect(other.about[0]).toEqual({ dataType: 'json', group, fromUserId: userId });
});

test('the service adds and removes a connection, once and from all', async () => {
  await using kit = new Connected();
  const [a, b] = [newName(), newName()];
  const { connectionId } = await kit.client();
  const { service } = kit;
  await service.group(a).addConnection(connectionId);
  await service.group(b).addConnection(connectionId);
  expect(await service.groupExists(a)).toBe(true);
  await service.group(a).removeConnection(connectionId);
  await settled(async () => !(await service.groupExists(a)));
  await service.removeConnectionFromAllGroups(connectionId);
  await settled(async () => !(await service.groupExists(b)));
  expect(await statusOf(service.group(a).addConnection(newName()))).toBe(404);
});

test('the service adds and removes a user with every connection', async () => {
  await using kit = new Connected();
  const [userId, group] = [newName(), newName()];
  const clients = [await kit.client({ userId }), await kit.client({ userId })];
  await kit.service.group(group).addUser(userId);
  await kit.service.group(group).sendToAll('both');
  for (const client of clients) expect(await client.gets(1)).toEqual(['both']);
  await kit.service.group(group).removeUser(userId);
  await settled(async () => !(await kit.service.groupExists(group)));
  await kit.service.group(group).addUser(userId);
  await kit.service.removeUserFromAllGroups(userId);
  await settled(async () => !(await kit.service.groupExists(group)));
});

test('connections of a filter are moved to and from many groups', async () => {
  await using kit = new Connected();
  const [userId, a, b] = [newName(), newName(), newName()];
  await kit.client({ userId });
  await kit.client({ userId: newName() });
  const { service } = kit;
  const filter = `userId eq '${userId}'`;
  await service.addConnectionsToGroups([a, b], filter);
  await settled(async () => (await service.groupExists(a)) && (await service.groupExists(b)));
  const members = [];
  for await (const member of await service.group(a).listConnections()) members.push(member.userId);
  expect(members).toEqual([userId]);
  await service.removeConnectionsFromGroups([a, b], filter);
  await settled(async () => !(await service.groupExists(a)) && !(await service.groupExists(b)));
});

test('the connections of a group are listed, page by page', async () => {
  await using kit = new Connected();
  const group = newName();
  const ids = [];
  for (let n = 0; n < 5; n += 1) ids.push((await kit.client({ groups: [group] })).connectionId);
  const pages = [];
  const list = await kit.service.group(group).listConnections({ maxPageSize: 2 });
  for await (const page of list.byPage()) pages.push(page.map(({ connectionId }) => connectionId));
  expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
  expect(pages.flat().toSorted()).toEqual(ids.toSorted());
});

test('what no role allows is Forbidden, and is not done', async () => {
  await using kit = new Connected();
  const [allowed, foreign] = [newName(), newName()];
  const client = await kit.client({
    roles: [`webpubsub.joinLeaveGroup.${allowed}`, `webpubsub.sendToGroup.${allowed}`],
    groups: [allowed],
  });
  await client.sdk.joinGroup(allowed);
  expect(await nameOf(client.sdk.joinGroup(foreign))).toBe('Forbidden');
  expect(await nameOf(client.sdk.sendToGroup(foreign, 'x', 'text'))).toBe('Forbidden');
  expect(await kit.service.groupExists(foreign)).toBe(false);
});

test('a role with a pattern allows the groups that match: * within a part, ** across', async () => {
  await using kit = new Connected();
  const base = newName();
  const client = await kit.client({
    roles: [`webpubsub.joinLeaveGroups.${base}.*.live`, `webpubsub.joinLeaveGroups.${base}.all.**`],
  });
  const joins = async (group: string) => nameOf(client.sdk.joinGroup(`${base}.${group}`));
  expect(await joins('a.live')).toBe('accepted');
  expect(await joins('a.b.live')).toBe('Forbidden');
  expect(await joins('all.a.b.c')).toBe('accepted');
  expect(await joins('other')).toBe('Forbidden');
});

test('a permission is granted, checked and revoked', async () => {
  await using kit = new Connected();
  const targetName = newName();
  const { sdk, connectionId } = await kit.client();
  const { service } = kit;
  const has = () => service.hasPermission(connectionId, 'joinLeaveGroup', { targetName });
  expect(await has()).toBe(false);
  await service.grantPermission(connectionId, 'joinLeaveGroup', { targetName });
  expect(await has()).toBe(true);
  expect(await nameOf(sdk.joinGroup(targetName))).toBe('accepted');
  expect(await nameOf(sdk.sendToGroup(targetName, 'x', 'text'))).toBe('Forbidden');
  await service.revokePermission(connectionId, 'joinLeaveGroup', { targetName });
  expect(await has()).toBe(false);
  expect(await nameOf(sdk.joinGroup(newName()))).toBe('Forbidden');
});

test('a request repeated under its number is done once', async () => {
  await using kit = new Connected();
  const group = newName();
  const client = await kit.client({ roles: ROLES, groups: [group] });
  expect(await client.sdk.sendToGroup(group, 'once', 'text', { ackId: 7 })).toMatchObject({ isDuplicated: false });
  expect(await client.sdk.sendToGroup(group, 'once', 'text', { ackId: 7 })).toMatchObject({ isDuplicated: true });
  await client.sdk.sendToGroup(group, 'last', 'text');
  expect(await client.gets(2)).toEqual(['once', 'last']);
});
