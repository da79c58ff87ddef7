import { describe, expect, test } from '@jest/globals';
import { earliestEventPosition } from '@azure/event-hubs';
import {
  HUB,
  failureOf,
  livingHubs,
  memoryCheckpoints,
  releaseRenewals,
  temporaryFolder,
  until,
} from '../../support/event-hubs.ts';

describe('faults reach the SDK as the service’s would', () => {
  test('throttled sends are refused as busy, and succeed when they are retried', async () => {
    await using hubs = await livingHubs();
    hubs.server.faults.apply({ throttleSends: 1 });
    expect(await failureOf(hubs.producer().sendBatch([{ body: 1 }]))).toMatchObject({
      code: 'ServerBusyError',
      retryable: true,
    });
    hubs.server.faults.apply({ throttleSends: 2 });
    await hubs.producer({ retries: 3 }).sendBatch([{ body: 2 }]);
    expect(hubs.server.faults.state().throttleSends).toBe(0);
    expect((await hubs.read(1)).map((event) => event.body)).toEqual([2]);
  });

  test('a dropped accept leaves the event stored and the sender without an answer', async () => {
    await using hubs = await livingHubs();
    hubs.server.faults.apply({ dropAccepts: 1 });
    const error = await failureOf(hubs.producer().sendBatch([{ body: 'once' }], { partitionId: '0' }));
    expect(error).toMatchObject({ code: 'OperationTimeoutError' });
    expect((await hubs.read(1, { partition: '0' })).map((event) => event.body)).toEqual(['once']);
  });

  test('duplicated deliveries come twice, with one sequence number', async () => {
    await using hubs = await livingHubs();
    await hubs.producer().sendBatch([{ body: 'a' }, { body: 'b' }, { body: 'c' }], { partitionId: '0' });
    hubs.server.faults.apply({ duplicateDeliveries: 2 });
    const got = await hubs.read(5, { partition: '0' });
    expect(got.map((event) => [event.body, event.sequenceNumber])).toEqual([
      ['a', 0],
      ['a', 0],
      ['b', 1],
      ['b', 1],
      ['c', 2],
    ]);
  });

  test('a full disk refuses sends, and nothing of them is there afterwards', async () => {
    using folder = temporaryFolder();
    await using hubs = await livingHubs({ dataDir: folder.path });
    hubs.server.faults.apply({ failWrites: 1 });
    const error = await failureOf(hubs.producer().sendBatch([{ body: 'lost' }], { partitionId: '0' }));
    expect(error.message).toMatch(/could not be stored: ENOSPC/);
    await hubs.producer().sendBatch([{ body: 'kept' }], { partitionId: '0' });
    expect((await hubs.read(1, { partition: '0' })).map((event) => [event.body, event.sequenceNumber])).toEqual([
      ['kept', 0],
    ]);
  });

  test('delay holds answers back', async () => {
    await using hubs = await livingHubs();
    const producer = hubs.producer();
    await producer.sendBatch([{ body: 1 }]);
    hubs.server.faults.apply({ delayMs: 150 });
    const started = performance.now();
    await producer.sendBatch([{ body: 2 }]);
    expect(performance.now() - started).toBeGreaterThan(140);
  });

  test('a dropped send is neither stored nor answered', async () => {
    await using hubs = await livingHubs();
    hubs.server.faults.apply({ dropSends: 1 });
    const error = await failureOf(hubs.producer().sendBatch([{ body: 'lost' }], { partitionId: '0' }));
    expect(error).toMatchObject({ code: 'OperationTimeoutError' });
    expect((await hubs.producer().getPartitionProperties('0')).isEmpty).toBe(true);
  });

  test('beyond its throughput units a namespace is busy until the next second', async () => {
    const now = Date.now();
    await using hubs = await livingHubs({ now: () => now });
    const producer = hubs.producer();
    hubs.server.faults.apply({ throughputUnits: 0.02 });
    const send = async (times: number): Promise<unknown[]> => {
      const outcomes: unknown[] = [];
      for (let i = 0; i < times; i += 1) {
        outcomes.push(
          await producer.sendBatch([{ body: i }]).then(
            () => 'taken',
            (error) => error.code,
          ),
        );
      }
      return outcomes;
    };
    expect(await send(22)).toEqual([...Array(20).fill('taken'), 'ServerBusyError', 'ServerBusyError']);
    hubs.server.faults.apply({ advanceClockMs: 1000 });
    expect(await send(1)).toEqual(['taken']);
  });

  test('operations are refused by kind, with the condition that was asked for, so many times', async () => {
    await using hubs = await livingHubs();
    const { faults } = hubs.server;
    const producer = hubs.producer();
    faults.apply({ refuse: { operation: 'management', condition: 'com.microsoft:server-busy' } });
    expect(await failureOf(producer.getEventHubProperties())).toMatchObject({ code: 'ServerBusyError' });
    faults.apply({ refuse: { operation: 'send', count: 2 } });
    for (let i = 0; i < 2; i += 1) {
      expect(await failureOf(producer.sendBatch([{ body: i }]))).toMatchObject({ code: 'InternalServerError' });
    }
    await producer.sendBatch([{ body: 'x' }], { partitionId: '0' });
    faults.apply({ refuse: { operation: 'read', condition: 'amqp:resource-limit-exceeded' } });
    expect(await failureOf(hubs.read(1, { partition: '0' }))).toMatchObject({ code: 'QuotaExceededError' });
    faults.apply({ refuse: { operation: 'token', condition: 'amqp:unauthorized-access' } });
    expect(await failureOf(hubs.producer().getEventHubProperties())).toMatchObject({ code: 'UnauthorizedError' });
    expect(faults.state().refuse).toEqual([]);
    expect((await hubs.read(1, { partition: '0' }))[0]?.body).toBe('x');
  });

  test('a slow disk makes sends wait', async () => {
    using folder = temporaryFolder();
    await using hubs = await livingHubs({ dataDir: folder.path });
    const producer = hubs.producer();
    await producer.sendBatch([{ body: 1 }], { partitionId: '0' });
    hubs.server.faults.apply({ slowDiskMs: 120 });
    const started = performance.now();
    await producer.sendBatch([{ body: 2 }], { partitionId: '0' });
    expect(performance.now() - started).toBeGreaterThanOrEqual(120);
  });

  test('time moves on: what is older than the retention is gone, and tokens expire', async () => {
    const quarter = { name: HUB, partitionCount: 1, retentionHours: 0.25, consumerGroups: [] };
    await using hubs = await livingHubs({ hubs: [quarter] });
    const producer = hubs.producer();
    await producer.sendBatch([{ body: 'old' }]);
    hubs.server.faults.apply({ advanceClockMs: 20 * 60_000 });
    expect(await producer.getPartitionProperties('0')).toMatchObject({ isEmpty: true, lastEnqueuedSequenceNumber: 0 });
    await producer.sendBatch([{ body: 'new' }]);
    expect((await hubs.read(1, { partition: '0' })).map((event) => event.body)).toEqual(['new']);
    // The SDK's tokens are good for an hour.
    hubs.server.faults.apply({ advanceClockMs: 60 * 60_000 });
    expect(await failureOf(producer.getPartitionProperties('0'))).toMatchObject({ code: 'UnauthorizedError' });
    hubs.server.faults.clear();
    expect(hubs.server.faults.state().clockMs).toBe(80 * 60_000);
  });

  test('sockets cut and links detached during sends and reads lose nothing', async () => {
    using _renewals = releaseRenewals();
    await using hubs = await livingHubs();
    const producer = hubs.producer({ retries: 5 });
    const seen = new Set<unknown>();
    const subscription = hubs.consumer({ store: memoryCheckpoints() }).subscribe(
      {
        processEvents: async (events) => events.forEach((event) => seen.add(event.body)),
        processError: async () => undefined,
      },
      { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 0.1 },
    );
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      for (const end = sent + count; sent < end; sent += 1) {
        await producer.sendBatch([{ body: sent }], { partitionKey: String(sent) });
      }
      await until(`the reader has all ${sent}`, () => seen.size === sent);
    };
    await send(20);
    expect(hubs.server.faults.apply({ cutConnections: true }).connectionsCut).toBe(2);
    await send(20);
    // The four readers and the producer.
    expect(hubs.server.faults.apply({ detachLinks: 'all' }).linksDetached).toBe(5);
    await send(20);
    await subscription.close();
  });
});

describe('over HTTP', () => {
  test('faults are applied, shown and cleared', async () => {
    await using hubs = await livingHubs();
    const url = `http://127.0.0.1:${hubs.server.port}/$faults`;
    const call = async (method: string, body?: string): Promise<[number, unknown]> => {
      const response = await fetch(url, { method, ...(body === undefined ? {} : { body }) });
      return [response.status, await response.text()];
    };
    expect(await call('POST', '{"throttleSends":3,"delayMs":5}')).toEqual([
      200,
      expect.stringContaining('"throttleSends":3'),
    ]);
    expect(hubs.server.faults.state()).toMatchObject({ throttleSends: 3, delayMs: 5 });
    expect(await call('GET')).toEqual([200, expect.stringContaining('"delayMs":5')]);
    expect(await call('DELETE')).toEqual([200, expect.stringContaining('"throttleSends":0')]);
    expect(await call('PUT', '{}')).toEqual([405, expect.any(String)]);
    expect(await call('POST', '{"cutConnections":true}')).toEqual([
      200,
      expect.stringContaining('"cutConnections":true'),
    ]);
  });

  test.each([
    ['x', /not JSON/],
    ['[]', /must be a JSON object/],
    ['{"throttle":1}', /throttle is unknown. Known: throttleSends/],
    ['{"throttleSends":-1}', /throttleSends must be a whole number from 0/],
    ['{"throttleSends":"3"}', /throttleSends must be a whole number/],
    ['{"detachLinks":"some"}', /detachLinks must be one of readers, senders, all/],
    ['{"cutConnections":1}', /cutConnections must be true or false/],
    ['{"rates":{"throttleSends":2}}', /rates.throttleSends must be a number from 0 to 1/],
    ['{"rates":{"x":1}}', /rates.x is unknown/],
    ['{"refuse":{"count":1}}', /refuse.operation is missing: one of send, read, management, token/],
    ['{"refuse":{"operation":"drink"}}', /refuse.operation must be one of send, read/],
    ['{"refuse":{"operation":"send","condition":"no"}}', /refuse.condition must be an AMQP condition/],
    ['{"slowDiskMs":10001}', /slowDiskMs must be a number from 0 to 10000/],
    ['{"throughputUnits":41}', /throughputUnits must be a number from 0 to 40/],
    ['{"advanceClockMs":-1}', /advanceClockMs must be a number from 0/],
    ['{"kill":1}', /kill must be true or false/],
    ['{"toString":1}', /toString is unknown/],
  ])('%s is refused, naming the field', async (body, reason) => {
    await using hubs = await livingHubs();
    const response = await fetch(`http://127.0.0.1:${hubs.server.port}/$faults`, { method: 'POST', body });
    expect([response.status, await response.text()]).toEqual([400, expect.stringMatching(reason)]);
  });

  test('a web page cannot strike', async () => {
    await using hubs = await livingHubs();
    const response = await fetch(`http://127.0.0.1:${hubs.server.port}/$faults`, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: '{"cutConnections":true}',
    });
    expect(response.status).toBe(403);
  });
});

test('faults at a rate repeat with their seed', async () => {
  const struckWith = async (seed: number): Promise<boolean[]> => {
    await using hubs = await livingHubs();
    hubs.server.faults.apply({ rates: { throttleSends: 0.5 }, seed });
    return Array.from({ length: 40 }, () => hubs.server.faults.strikes('throttleSends'));
  };
  const first = await struckWith(7);
  expect(await struckWith(7)).toEqual(first);
  expect(await struckWith(8)).not.toEqual(first);
  expect(new Set(first)).toEqual(new Set([true, false]));
});

test(`${HUB} works again when the faults are cleared`, async () => {
  await using hubs = await livingHubs();
  hubs.server.faults.apply({ throttleSends: 100, rates: { throttleSends: 1 } });
  hubs.server.faults.clear();
  await hubs.producer().sendBatch([{ body: 1 }]);
  expect((await hubs.read(1)).length).toBe(1);
});
