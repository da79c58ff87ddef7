import { expect, test } from '@jest/globals';
import { Connected, newName, settled, statusOf } from './connect.ts';

test('JSON, text and bytes arrive as what they are, on both subprotocols', async () => {
  await using kit = new Connected();
  const userId = newName();
  const clients = [await kit.client({ userId }), await kit.client({ userId, reliable: false })];
  await kit.service.sendToUser(userId, { a: [1, 'b', null] });
  await kit.service.sendToUser(userId, 'plain', { contentType: 'text/plain' });
  await kit.service.sendToUser(userId, new Uint8Array([1, 2, 255]));
  for (const client of clients) {
    const [json, text, bytes] = await client.gets(3);
    expect([json, text]).toEqual([{ a: [1, 'b', null] }, 'plain']);
    expect([...new Uint8Array(bytes as ArrayBuffer)]).toEqual([1, 2, 255]);
    expect(client.about.map(({ dataType }) => dataType)).toEqual(['json', 'text', 'binary']);
  }
});

test('to all, to a group, to a user, to a connection: to those and to nobody else', async () => {
  await using kit = new Connected();
  const [user, group] = [newName(), newName()];
  const one = await kit.client({ userId: user, groups: [group] });
  const other = await kit.client({ userId: newName() });
  await kit.service.sendToUser(user, 'user');
  await kit.service.group(group).sendToAll('group');
  await kit.service.sendToConnection(one.connectionId, 'connection');
  await kit.service.sendToConnection(other.connectionId, 'other');
  await one.gets(3);
  await kit.service.sendToAll(`all ${group}`);
  expect(await one.gets(4)).toEqual(['user', 'group', 'connection', `all ${group}`]);
  expect(await other.gets(2)).toEqual(['other', `all ${group}`]);
});

test('a message of a group says so', async () => {
  await using kit = new Connected();
  const group = newName();
  const client = await kit.client({ groups: [group] });
  await kit.service.group(group).sendToAll({ n: 1 });
  await client.gets(1);
  expect(client.about).toEqual([{ dataType: 'json', group }]);
});

test('an absent group or user is a success, an absent connection is 404', async () => {
  await using kit = new Connected();
  expect(await statusOf(kit.service.group(newName()).sendToAll('x'))).toBe(0);
  expect(await statusOf(kit.service.sendToUser(newName(), 'x'))).toBe(0);
  expect(await statusOf(kit.service.sendToConnection(newName(), 'x'))).toBe(404);
});

test('excluded connections get nothing', async () => {
  await using kit = new Connected();
  const group = newName();
  const [heard, spared] = [await kit.client({ groups: [group] }), await kit.client({ groups: [group] })];
  await kit.service.group(group).sendToAll('first', { excludedConnections: [spared.connectionId] });
  await kit.service.group(group).sendToAll('second');
  expect(await heard.gets(2)).toEqual(['first', 'second']);
  expect(await spared.gets(1)).toEqual(['second']);
});

test('a filter chooses by user, by connection and by group, and understands its functions', async () => {
  await using kit = new Connected();
  const [group, vip] = [newName(), newName()];
  const [a, b] = [
    await kit.client({ userId: `${group}-Alice`, groups: [group, vip] }),
    await kit.client({ userId: `${group}-bob`, groups: [group] }),
  ];
  const send = (message: string, filter: string) => kit.service.group(group).sendToAll(message, { filter });
  await send('by user', `userId eq '${group}-Alice'`);
  await send('by group', `'${vip}' in groups`);
  await send('not by group', `not ('${vip}' in groups)`);
  await send('by connection', `connectionId ne '${a.connectionId}'`);
  await send('by function', `endswith(tolower(userId), 'alice') and length(groups) ge 1`);
  await send('either', `startswith(userId, '${group}-b') or contains(userId, 'lic')`);
  expect(await a.gets(4)).toEqual(['by user', 'by group', 'by function', 'either']);
  expect(await b.gets(3)).toEqual(['not by group', 'by connection', 'either']);
});

test('a filter that cannot be read is 400', async () => {
  await using kit = new Connected();
  for (const filter of ["userId eq 'a", 'userId eq', "nobody eq 'a'", "userId eq 'a' and"]) {
    expect(await statusOf(kit.service.sendToAll('x', { filter }))).toBe(400);
  }
});

test('messages of one sender keep their order', async () => {
  await using kit = new Connected();
  const group = newName();
  const client = await kit.client({ groups: [group] });
  for (let n = 0; n < 50; n += 1) await kit.service.group(group).sendToAll({ n });
  expect(await client.gets(50)).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })));
});

test('a key of one’s own making is refused', async () => {
  await using kit = new Connected();
  const { endpoint } = kit.service;
  const stranger = kit.serviceOf(`Endpoint=${endpoint};AccessKey=${'B'.repeat(44)};Version=1.0;`);
  expect(await statusOf(stranger.sendToAll('x'))).toBe(401);
});

test('users, groups and connections exist while somebody is there', async () => {
  await using kit = new Connected();
  const [userId, group] = [newName(), newName()];
  const { service } = kit;
  expect(await Promise.all([service.userExists(userId), service.groupExists(group)])).toEqual([false, false]);
  const client = await kit.client({ userId, groups: [group] });
  expect(
    await Promise.all([
      service.userExists(userId),
      service.groupExists(group),
      service.connectionExists(client.connectionId),
    ]),
  ).toEqual([true, true, true]);
  client.sdk.stop();
  await settled(async () => !(await service.connectionExists(client.connectionId)));
  await settled(async () => !(await service.groupExists(group)));
});
