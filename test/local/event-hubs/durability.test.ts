import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { EventHubProducerClient } from '@azure/event-hubs';
import { startEventHubs } from '../../../local/event-hubs/event-hubs.ts';
import {
  HUB,
  failureOf,
  livingHubs,
  releaseRenewals,
  retryOptions,
  temporaryFolder,
  until,
} from '../../support/event-hubs.ts';

const PROCESS = fileURLToPath(new URL('../../support/event-hubs-process.ts', import.meta.url));
const hubs = [{ name: HUB, partitionCount: 4, retentionHours: 24, consumerGroups: ['ingest'] }];

async function startProcess(folder: string, port = 0): Promise<{ child: ChildProcess; connectionString: string }> {
  const child = fork(PROCESS, [folder, String(port)], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const [connectionString] = (await once(child, 'message')) as [string];
  return { child, connectionString };
}

test('a restart keeps events, sequence numbers, times and the hub’s birthday', async () => {
  using folder = temporaryFolder();
  const before = await (async () => {
    await using living = await livingHubs({ dataDir: folder.path });
    const producer = living.producer();
    await producer.sendBatch([{ body: 'a' }, { body: 'b' }], { partitionId: '1' });
    return { hub: await producer.getEventHubProperties(), partition: await producer.getPartitionProperties('1') };
  })();
  await using living = await livingHubs({ dataDir: folder.path });
  const producer = living.producer();
  expect(await producer.getEventHubProperties()).toEqual(before.hub);
  expect(await producer.getPartitionProperties('1')).toEqual(before.partition);
  await producer.sendBatch([{ body: 'c' }], { partitionId: '1' });
  const got = await living.read(3, { partition: '1' });
  expect(got.map((event) => [event.body, event.sequenceNumber])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 2],
  ]);
});

test('kill -9 in mid-send loses no acknowledged event and repeats no sequence number, three times over', async () => {
  using folder = temporaryFolder();
  using _renewals = releaseRenewals();
  const acknowledged: string[] = [];
  let next = 0;
  for (let life = 0; life < 3; life += 1) {
    const { child, connectionString } = await startProcess(folder.path);
    const producer = new EventHubProducerClient(connectionString, HUB, { retryOptions });
    const exited = once(child, 'exit');
    let alive = true;
    const start = acknowledged.length;
    const senders = Array.from({ length: 4 }, async () => {
      while (alive) {
        const bodies = Array.from({ length: 10 }, () => `event ${(next += 1)}`);
        try {
          await producer.sendBatch(
            bodies.map((body) => ({ body })),
            { partitionKey: bodies[0] ?? '' },
          );
          acknowledged.push(...bodies);
        } catch {
          return;
        }
      }
    });
    await until('some sends are acknowledged', () => acknowledged.length - start > 500);
    child.kill('SIGKILL');
    await exited;
    alive = false;
    await Promise.all(senders);
    await producer.close();
  }
  await using living = await livingHubs({ dataDir: folder.path });
  const stored = new Map<string, number>();
  const producer = living.producer();
  for (const partition of ['0', '1', '2', '3']) {
    const { lastEnqueuedSequenceNumber } = await producer.getPartitionProperties(partition);
    const events = await living.read(lastEnqueuedSequenceNumber + 1, { partition });
    expect(events.map((event) => event.sequenceNumber)).toEqual(events.map((_, index) => index));
    for (const { body } of events) stored.set(String(body), (stored.get(String(body)) ?? 0) + 1);
  }
  expect(acknowledged.filter((body) => !stored.has(body))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(1500);
  expect([...stored.values()].every((times) => times === 1)).toBe(true);
});

test('a kill that was asked for over HTTP ends the process at once, after its answer', async () => {
  using folder = temporaryFolder();
  const { child, connectionString } = await startProcess(folder.path);
  const exited = once(child, 'exit');
  const url = `http://${/sb:..([^;/]+)/.exec(connectionString)?.[1]}/$faults`;
  const response = await fetch(url, { method: 'POST', body: '{"kill":true}' });
  expect(await response.json()).toMatchObject({ kill: true });
  expect(await exited).toEqual([null, 'SIGKILL']);
});

describe('a folder or a port that cannot be had is one clear sentence', () => {
  test('a port in use carries the code EADDRINUSE, and leaves the folder free', async () => {
    using folder = temporaryFolder();
    await using living = await livingHubs();
    const attempt = startEventHubs({ hubs, port: living.server.port, dataDir: folder.path });
    expect(await failureOf(attempt)).toMatchObject({ code: 'EADDRINUSE' });
    await (await startEventHubs({ hubs, dataDir: folder.path })).close();
  });

  test('a folder that another process has open', async () => {
    using folder = temporaryFolder();
    const { child } = await startProcess(folder.path);
    expect((await failureOf(startEventHubs({ hubs, dataDir: folder.path }))).message).toMatch(
      /is in use by another process/,
    );
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    await (await startEventHubs({ hubs, dataDir: folder.path })).close();
  });

  test('a folder that this process has open, and a hub of another shape', async () => {
    using folder = temporaryFolder();
    const first = await startEventHubs({ hubs, dataDir: folder.path });
    expect((await failureOf(startEventHubs({ hubs, dataDir: folder.path }))).message).toMatch(/in use/);
    await first.close();
    const wider = hubs.map((hub) => ({ ...hub, partitionCount: 8 }));
    expect((await failureOf(startEventHubs({ hubs: wider, dataDir: folder.path }))).message).toMatch(
      /has 4 partitions, but 8 are configured/,
    );
  });

  test('a damaged log names the file and the byte', async () => {
    using folder = temporaryFolder();
    {
      await using living = await livingHubs({ dataDir: folder.path });
      const producer = living.producer();
      for (let i = 0; i < 5; i += 1) await producer.sendBatch([{ body: i }], { partitionId: '0' });
    }
    const file = path.join(folder.path, HUB, '0', `${'0'.repeat(20)}.log`);
    const bytes = fs.readFileSync(file);
    bytes.fill(0xff, 60, 64);
    fs.writeFileSync(file, bytes);
    expect((await failureOf(startEventHubs({ hubs, dataDir: folder.path }))).message).toMatch(
      /\.log is damaged at byte 24/,
    );
  });

  test.each(['', '{', '[]', '{"partitionCount":"4"}'])('a hub.json that holds %j is named', async (content) => {
    using folder = temporaryFolder();
    await (await startEventHubs({ hubs, dataDir: folder.path })).close();
    fs.writeFileSync(path.join(folder.path, HUB, 'hub.json'), content);
    expect((await failureOf(startEventHubs({ hubs, dataDir: folder.path }))).message).toMatch(
      /hub\.json does not say what hub this is. Restore it/,
    );
  });

  test.each([
    [{ name: '../x' }, /name '\.\.\/x' must be/],
    [{ name: '' }, /name '' must be/],
    [{ partitionCount: 0 }, /partitionCount of 'telemetry' must be a whole number from 1 to/],
    [{ partitionCount: 2.5 }, /partitionCount/],
    [{ retentionHours: 0 }, /retentionHours of 'telemetry' must be above 0/],
    [{ consumerGroups: ['a/b'] }, /consumer group 'a\/b'/],
  ])('options %j are refused', async (change, reason) => {
    const options = { hubs: hubs.map((hub) => ({ ...hub, ...change })) };
    expect((await failureOf(startEventHubs(options))).message).toMatch(reason);
  });

  test('one name twice is refused', async () => {
    expect((await failureOf(startEventHubs({ hubs: [...hubs, ...hubs] }))).message).toMatch(/occurs twice/);
  });
});
