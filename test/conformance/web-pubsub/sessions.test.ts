import { expect, test } from '@jest/globals';
import { Connected, newName, settled } from './connect.ts';

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

test('a token opens its hub until it expires, and no other', async () => {
  await using kit = new Connected();
  expect(await kit.refusal(await kit.signedUrl({ exp: inSeconds(60) }))).toBe(0);
  expect(await kit.refusal(await kit.signedUrl({ exp: inSeconds(-600) }))).toBe(401);
  expect(await kit.refusal(await kit.signedUrl({ exp: inSeconds(60) }, { hub: 'another' }))).toBe(401);
  expect(await kit.refusal(await kit.signedUrl({ exp: inSeconds(60) }, { key: 'A'.repeat(44) }))).toBe(401);
});

test('a session that was cut comes back with what it had not acknowledged, in order', async () => {
  await using kit = new Connected();
  const group = newName();
  const client = await kit.raw({ groups: [group] });
  for (const n of [1, 2, 3]) await kit.service.group(group).sendToAll({ n });
  await settled(() => client.messages().length === 3);
  expect(client.messages().map(({ sequenceId }) => sequenceId)).toEqual([1, 2, 3]);
  client.send({ type: 'sequenceAck', sequenceId: 2 });
  client.send({ type: 'joinGroup', group: newName(), ackId: 1 });
  await settled(() => client.frames.some(({ type }) => type === 'ack'));
  client.cut();
  await settled(() => client.closed() !== undefined);
  await kit.service.group(group).sendToAll({ n: 4 });
  const back = await kit.raw({}, client);
  await settled(() => back.messages().length === 2);
  expect(back.messages().map(({ sequenceId, data }) => [sequenceId, data])).toEqual([
    [3, { n: 3 }],
    [4, { n: 4 }],
  ]);
  expect(back.frames[0]?.connectionId).toBe(client.frames[0]?.connectionId);
});

test('a session that is not known is refused with 1008', async () => {
  await using kit = new Connected();
  const client = await kit.raw();
  const [greeting] = client.frames;
  const forged = { ...client, frames: [{ type: 'system', ...greeting, reconnectionToken: 'forged' }] };
  const refused = await kit.raw({}, forged);
  await settled(() => refused.closed() !== undefined);
  expect(refused.closed()).toBe(1008);
});

test('a session ends when more than 1,000 messages are not acknowledged', async () => {
  await using kit = new Connected();
  const group = newName();
  const idle = await kit.raw({ groups: [group] });
  // The SDK acknowledges once a second only: at this pace it would lose its session as well.
  const busy = await kit.client({ groups: [group], reliable: false });
  const send = (count: number) =>
    Promise.all(Array.from({ length: count }, () => kit.service.group(group).sendToAll({ n: 1 })));
  for (let sent = 0; sent < 1000; sent += 50) await send(50);
  await settled(() => idle.messages().length === 1000);
  expect(idle.closed()).toBeUndefined();
  await busy.gets(1000);
  await settled(async () => {
    await send(1);
    return idle.closed() !== undefined;
  });
  expect(busy.disconnected).toEqual([]);
});

test('who is closed hears why, and its session does not come back', async () => {
  await using kit = new Connected();
  const client = await kit.client();
  const raw = await kit.raw();
  await kit.service.closeConnection(client.connectionId, { reason: 'enough' });
  await kit.service.closeConnection(raw.frames[0]?.connectionId ?? '', { reason: 'enough' });
  await settled(() => client.disconnected.length > 0 && raw.closed() !== undefined);
  expect(client.disconnected).toEqual(['enough']);
  expect(await kit.service.connectionExists(client.connectionId)).toBe(false);
  const back = await kit.raw({}, raw);
  await settled(() => back.closed() !== undefined);
  expect(back.closed()).toBe(1008);
});

test('closing a user or a group closes those and nobody else', async () => {
  await using kit = new Connected();
  const [userId, group] = [newName(), newName()];
  const [user, member, spared] = [
    await kit.client({ userId }),
    await kit.client({ groups: [group] }),
    await kit.client({ userId: newName() }),
  ];
  await kit.service.closeUserConnections(userId);
  await settled(() => user.disconnected.length > 0);
  expect(member.disconnected).toEqual([]);
  await kit.service.group(group).closeAllConnections();
  await settled(() => member.disconnected.length > 0);
  expect(await kit.service.connectionExists(spared.connectionId)).toBe(true);
});
