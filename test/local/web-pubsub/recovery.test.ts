/** Reliable sessions: what a client gets back after its socket is gone, and when it gets nothing. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startWebPubSubKit, until, type WebPubSubKit } from '../../support/web-pubsub.ts';
import { RawClient } from '../../support/raw-web-pubsub-client.ts';

let kit: WebPubSubKit;
let now = Date.now();
beforeEach(async () => {
  now = Date.now();
  kit = await startWebPubSubKit({ now: () => now });
});
afterEach(() => kit.close());

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A reliable client in group `g` that acknowledges nothing by itself. */
const open = () => RawClient.open(kit, { groups: ['g'], userId: 'ann' });

test('900 messages, 30 forced cuts: nothing lost, nothing twice, one session', async () => {
  const seen = await kit.connect({ groups: ['g'] });
  for (const i of numbers(900)) {
    await kit.service.group('g').sendToAll(i);
    if (i % 30 === 29) kit.server.faults.cut();
  }
  await until(() => seen.received.length >= 900, 'everything has arrived');
  expect(seen.received).toEqual(numbers(900));
  expect(seen.connected).toBe(1);
  expect(kit.server.faults.counts.cut).toBeGreaterThan(10);
});

test('messages sent while the socket is away arrive after it is back, in order', async () => {
  const first = await open();
  first.terminate();
  for (const i of numbers(50)) await kit.service.group('g').sendToAll(i);
  const second = await first.recover();
  await until(() => second.messages.length === 50, 'everything has arrived');
  expect(second.messages.map(({ data }) => data)).toEqual(numbers(50));
  expect(second.messages.map(({ sequenceId }) => sequenceId)).toEqual(numbers(50).map((i) => i + 1));
  expect(second.connected).toMatchObject({ connectionId: first.connectionId, userId: 'ann' });
});

test('only what is not acknowledged comes again', async () => {
  const first = await open();
  for (const i of numbers(10)) await kit.service.group('g').sendToAll(i);
  await until(() => first.messages.length === 10, 'everything has arrived');
  first.send({ type: 'sequenceAck', sequenceId: 7 });
  first.send({ type: 'sequenceAck', sequenceId: 3 });
  await first.pong();
  first.terminate();
  const second = await first.recover();
  await until(() => second.messages.length === 3, 'the rest has arrived');
  expect(second.messages.map(({ sequenceId }) => sequenceId)).toEqual([8, 9, 10]);
});

test('the newest socket wins when the old one is still open', async () => {
  const first = await open();
  const second = await first.recover();
  await until(() => first.closed !== undefined, 'the first socket is closed');
  await kit.service.group('g').sendToAll('x');
  await until(() => second.messages.length === 1, 'the second socket has the message');
  expect(await kit.service.connectionExists(first.connectionId)).toBe(true);
});

test('groups, permissions and acknowledged ids survive', async () => {
  const first = await RawClient.open(kit, { roles: ['webpubsub.joinLeaveGroup'] });
  expect(await first.request({ type: 'joinGroup', group: 'h', ackId: 1 })).toMatchObject({ success: true });
  first.terminate();
  const second = await first.recover();
  expect(await second.request({ type: 'joinGroup', group: 'h', ackId: 1 })).toMatchObject({
    success: false,
    error: { name: 'Duplicate' },
  });
  expect(await second.request({ type: 'leaveGroup', group: 'h', ackId: 2 })).toMatchObject({ success: true });
});

describe('the end of a session', () => {
  test('message 1,001 without an acknowledgement ends it with 1008', async () => {
    const first = await open();
    for (const i of numbers(1000)) await kit.service.group('g').sendToAll(i);
    await until(() => first.messages.length === 1000, '1,000 messages have arrived');
    expect(first.closed).toBeUndefined();
    await kit.service.group('g').sendToAll('one too many');
    await until(() => first.closed !== undefined, 'the socket is closed');
    expect(first.closed).toMatchObject({ code: 1008 });
    expect(first.disconnected).toContain('acknowledge');
    expect(await kit.service.connectionExists(first.connectionId)).toBe(false);
    expect(await first.recoverIsRefused()).toMatchObject({ code: 1008 });
  });

  test('an overflow while the client is away ends it as well', async () => {
    const first = await open();
    first.terminate();
    for (const i of numbers(1001)) await kit.service.group('g').sendToAll(i);
    expect(await first.recoverIsRefused()).toMatchObject({ code: 1008 });
  });

  test('16 MB without an acknowledgement end it, however few the messages', async () => {
    const first = await open();
    const large = 'x'.repeat(1_000_000);
    for (const _ of numbers(16)) await kit.service.group('g').sendToAll(large, { contentType: 'text/plain' });
    expect(await kit.service.connectionExists(first.connectionId)).toBe(true);
    await kit.service.group('g').sendToAll(large, { contentType: 'text/plain' });
    await until(() => first.closed !== undefined, 'the socket is closed');
    expect(first.closed).toMatchObject({ code: 1008 });
  });

  test('acknowledging makes room again', async () => {
    const first = await open();
    for (let round = 1; round <= 3; round++) {
      for (const i of numbers(1000)) await kit.service.group('g').sendToAll(i);
      await until(() => first.messages.length === round * 1000, 'the round has arrived');
      first.send({ type: 'sequenceAck', sequenceId: round * 1000 });
      await first.pong();
    }
    expect(first.closed).toBeUndefined();
  });

  test('it is kept for 30 s and not longer', async () => {
    const first = await open();
    first.terminate();
    await kit.service.sendToAll('x');
    now += 30_000;
    const second = await first.recover();
    await until(() => second.messages.length === 1, 'the message has arrived');
    second.terminate();
    // The server must have noticed before the clock moves on.
    await until(() => kit.server.faults.cut() === 0, 'the socket is gone');
    now += 30_001;
    expect(await kit.service.connectionExists(first.connectionId)).toBe(false);
    expect(await first.recoverIsRefused()).toMatchObject({ code: 1008 });
  });

  test('a client that closes does not come back, whatever the SDK calls it: 1000, 1001 or no code', async () => {
    for (const code of [1000, 1001, undefined]) {
      const first = await open();
      first.close(code);
      await until(async () => !(await kit.service.connectionExists(first.connectionId)), 'the session is gone');
      expect(await first.recoverIsRefused()).toMatchObject({ code: 1008 });
    }
  });

  test('a wrong token, a foreign id, a wrong hub and a session that is not reliable are refused with 1008', async () => {
    const first = await open();
    const plain = await RawClient.open(kit, { protocol: 'json.webpubsub.azure.v1' });
    const { connectionId: id, reconnectionToken: token } = first;
    expect(await first.recoverIsRefused({ id, token: 'wrong' })).toMatchObject({ code: 1008 });
    expect(await first.recoverIsRefused({ id, token: '' })).toMatchObject({ code: 1008 });
    expect(await first.recoverIsRefused({ id: 'nobody', token })).toMatchObject({ code: 1008 });
    expect(await first.recoverIsRefused({ id: plain.connectionId, token })).toMatchObject({ code: 1008 });
    expect(await first.recoverIsRefused({ id, token, hub: 'other' })).toMatchObject({ code: 1008 });
    // None of that has hurt the session.
    await kit.service.group('g').sendToAll('x');
    await until(() => first.messages.length === 1, 'the message has arrived');
  });

  test('the real SDK starts anew after a session is lost, and joins its groups again', async () => {
    const seen = await kit.connect({ roles: ['webpubsub.joinLeaveGroup'] });
    await seen.client.joinGroup('h');
    const old = seen.connectionId;
    kit.server.faults.set({ refuseRecovery: true });
    kit.server.faults.cut();
    await until(() => seen.connected === 2, 'the client is back');
    expect(seen.connectionId).not.toBe(old);
    await kit.service.group('h').sendToAll('x');
    await until(() => seen.received.length === 1, 'the message has arrived');
  });
});

describe('messages with a time to live', () => {
  test('one that is late is not delivered, one that is in time is', async () => {
    const first = await open();
    first.terminate();
    await kit.service.group('g').sendToAll('late', { messageTtlSeconds: 5 });
    await kit.service.group('g').sendToAll('in time', { messageTtlSeconds: 15 });
    await kit.service.group('g').sendToAll('without');
    now += 10_000;
    const second = await first.recover();
    await until(() => second.messages.length === 2, 'the rest has arrived');
    expect(second.messages.map(({ data }) => data)).toEqual(['in time', 'without']);
  });

  test('late messages do not fill a session', async () => {
    const first = await open();
    first.terminate();
    for (const i of numbers(1000)) await kit.service.group('g').sendToAll(i, { messageTtlSeconds: 5 });
    now += 6_000;
    await kit.service.group('g').sendToAll('new');
    const second = await first.recover();
    await until(() => second.messages.length === 1, 'the new one has arrived');
    expect(second.messages[0]).toMatchObject({ data: 'new', sequenceId: 1001 });
  });

  test.each([-1, 301, 1.5])('%d seconds are a 400', async (messageTtlSeconds) => {
    const url = `/api/hubs/sluice/:send?api-version=2024-12-01&messageTtlSeconds=${messageTtlSeconds}`;
    const response = await kit.call('POST', url, {
      body: '1',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ target: 'messageTtlSeconds' });
  });
});
