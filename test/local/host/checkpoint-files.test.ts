import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReceivedEventData } from '@azure/event-hubs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CheckpointFiles } from '../../../local/host/triggers/event-hub/checkpoint-files.ts';
import { PartitionPump, type PartitionPumpOptions } from '../../../local/host/triggers/event-hub/partition-pump.ts';
import { until } from '../../support/until.ts';

const PLACE = { fullyQualifiedNamespace: '127.0.0.1', eventHubName: 'Telemetry', consumerGroup: '$Default' };
const KEY = [PLACE.fullyQualifiedNamespace, PLACE.eventHubName, PLACE.consumerGroup] as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-checkpoints-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const claim = (ownerId: string, etag?: string) => ({ ...PLACE, partitionId: '0', ownerId, ...(etag ? { etag } : {}) });
const files = (kind: string) => join(folder, 'azure-webjobs-eventhub', '127.0.0.1', 'telemetry', '%24default', kind);

test('of many that claim one version exactly one wins, again and again', async () => {
  const stores = Array.from({ length: 8 }, () => new CheckpointFiles(folder));
  let etag: string | undefined;
  for (let round = 0; round < 20; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- each round claims what the last one left
    const won = (
      await Promise.all(stores.map((store, at) => store.claimOwnership([claim(`owner-${at}`, etag)])))
    ).flat();
    expect(won).toHaveLength(1);
    // oxlint-disable-next-line no-await-in-loop
    const [current] = await new CheckpointFiles(folder).listOwnership(...KEY);
    expect(current).toMatchObject({ ownerId: won[0]?.ownerId, etag: won[0]?.etag });
    etag = won[0]?.etag;
  }
});

test('a claim from an old version fails, also when the file of its next version is long gone', async () => {
  const store = new CheckpointFiles(folder);
  const [first] = await store.claimOwnership([claim('a')]);
  const [second] = await store.claimOwnership([claim('b', first?.etag)]);
  await store.claimOwnership([claim('c', second?.etag)]);
  expect(readdirSync(files('ownership'))).toEqual(['0.3']);
  expect(await store.claimOwnership([claim('late', first?.etag)])).toEqual([]);
  expect(await store.claimOwnership([claim('new')])).toEqual([]);
  expect((await store.listOwnership(...KEY))[0]?.ownerId).toBe('c');
});

test('what a dead process holds is free at once', async () => {
  const store = new CheckpointFiles(folder);
  await store.claimOwnership([claim('a')]);
  const dead = { ownerId: 'gone', modifiedMs: Date.now(), process: { pid: 2 ** 22 + 1 } };
  writeFileSync(join(files('ownership'), '0.2'), JSON.stringify(dead));
  expect(await store.listOwnership(...KEY)).toMatchObject([{ ownerId: '', etag: '2' }]);
  expect(await store.claimOwnership([claim('b', '2')])).toHaveLength(1);
  expect(await store.isOwner('b', ...KEY, '0')).toBe(true);
});

test('checkpoints are replaced as a whole; a damaged one counts as none', async () => {
  const store = new CheckpointFiles(folder);
  for (const partitionId of ['0', '1']) {
    // oxlint-disable-next-line no-await-in-loop
    await store.updateCheckpoint({ ...PLACE, partitionId, offset: '10', sequenceNumber: 1 });
  }
  writeFileSync(join(files('checkpoint'), '1'), '{"offset":');
  writeFileSync(join(files('checkpoint'), '.0.draft'), 'left behind by a killed writer');
  expect(await store.listCheckpoints(...KEY)).toEqual([
    { ...PLACE, partitionId: '0', offset: '10', sequenceNumber: 1 },
  ]);
});

const event = (sequenceNumber: number) => ({ sequenceNumber }) as ReceivedEventData;

function pump(options: Partial<PartitionPumpOptions>): { pump: PartitionPump; checkpoints: number[] } {
  const checkpoints: number[] = [];
  return {
    checkpoints,
    pump: new PartitionPump({
      before: undefined,
      minBatchSize: 1,
      maxBatchSize: 10,
      maxWaitMs: 60_000,
      checkpointFrequency: 1,
      run: async () => {},
      stillOwned: async () => true,
      checkpoint: async (last) => void checkpoints.push(last.sequenceNumber),
      onError: () => {},
      ...options,
    }),
  };
}

test('a partition that was lost while its batch ran is not checkpointed', async () => {
  const lost = pump({ stillOwned: async () => false });
  await lost.pump.push([event(1)]);
  expect(lost.checkpoints).toEqual([]);
});

test('events that wait for a fuller batch are dropped when the partition ends: they come again', async () => {
  const runs: number[] = [];
  const waiting = pump({ minBatchSize: 3, run: async (events) => void runs.push(events.length) });
  await waiting.pump.push([event(1), event(2)]);
  await waiting.pump.end('lost');
  await waiting.pump.push([event(3), event(4)]);
  expect(runs).toEqual([]);
  expect(waiting.checkpoints).toEqual([]);
});

test('a checkpoint that cannot be written is reported, and the next batch goes on', async () => {
  const errors: unknown[] = [];
  let full = true;
  const written: number[] = [];
  const disk = pump({
    onError: (error) => errors.push(error),
    checkpoint: async (last) => {
      if (full) throw new Error('ENOSPC: no space left on device');
      written.push(last.sequenceNumber);
    },
  });
  await disk.pump.push([event(1)]);
  expect(errors).toHaveLength(1);
  full = false;
  await disk.pump.push([event(2)]);
  expect(written).toEqual([2]);
});

test('a partition that comes back waits for the batch that still runs for it', async () => {
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const begun = Promise.withResolvers<void>();
  const old = pump({
    run: async () => {
      begun.resolve();
      await gate.promise;
      order.push('old');
    },
  });
  void old.pump.push([event(1)]);
  await begun.promise;
  const again = pump({ before: old.pump.end('lost'), run: async () => void order.push('new') });
  const pushed = again.pump.push([event(1)]);
  gate.resolve();
  await pushed;
  expect(order).toEqual(['old', 'new']);
  expect(old.checkpoints).toEqual([]);
  expect(again.checkpoints).toEqual([1]);
});

test('batches that wait for their turn of the frequency are checkpointed when nothing more comes', async () => {
  const idle = pump({ checkpointFrequency: 10, idleCheckpointMs: 1 });
  await idle.pump.push([event(1)]);
  await until(() => idle.checkpoints.length > 0);
  expect(idle.checkpoints).toEqual([1]);
  const busy = pump({ checkpointFrequency: 10 });
  await busy.pump.push([event(1)]);
  expect(busy.checkpoints).toEqual([]);
});
