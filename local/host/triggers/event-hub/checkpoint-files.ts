/**
 * Checkpoints and partition ownership in files, laid out like the blobs of the platform:
 * `azure-webjobs-eventhub/{namespace}/{hub}/{group}/checkpoint|ownership/{partition}`, shared by every host process that
 * is given the same folder. The version of an ownership file is the etag.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, CheckpointStore, PartitionOwnership } from '@azure/event-hubs';
import { readJsonFile, writeJsonFile } from '../atomic-file.ts';
import { type ProcessMark, isRunning, thisProcess } from '../process-mark.ts';
import { readVersions, writeNext } from '../versioned-files.ts';

interface Ownership {
  ownerId: string;
  modifiedMs: number;
  process: ProcessMark;
}

type Position = Pick<Checkpoint, 'offset' | 'sequenceNumber'>;

export class CheckpointFiles implements CheckpointStore {
  readonly #root: string;
  readonly #process = thisProcess();
  readonly #now: () => number;

  constructor(dataFolder: string, now: () => number = Date.now) {
    this.#root = join(dataFolder, 'azure-webjobs-eventhub');
    this.#now = now;
  }

  async listOwnership(namespace: string, hub: string, group: string): Promise<PartitionOwnership[]> {
    const owned = await readVersions<Ownership>(this.#folder(namespace, hub, group, 'ownership'));
    return owned.map(({ name, version, value }) => ({
      fullyQualifiedNamespace: namespace,
      eventHubName: hub,
      consumerGroup: group,
      partitionId: name,
      etag: String(version),
      // What a dead process holds is free at once: nobody waits out the expiry after a kill -9.
      ownerId: value !== undefined && isRunning(value.process) ? value.ownerId : '',
      lastModifiedTimeInMs: value?.modifiedMs ?? 0,
    }));
  }

  async claimOwnership(claims: PartitionOwnership[]): Promise<PartitionOwnership[]> {
    const made = await Promise.all(claims.map((claim) => this.#claim(claim)));
    return made.filter((claim) => claim !== undefined);
  }

  async updateCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId, offset, sequenceNumber } = checkpoint;
    const folder = this.#folder(fullyQualifiedNamespace, eventHubName, consumerGroup, 'checkpoint');
    await writeJsonFile(join(folder, partitionId), { offset, sequenceNumber });
  }

  async listCheckpoints(namespace: string, hub: string, group: string): Promise<Checkpoint[]> {
    const folder = this.#folder(namespace, hub, group, 'checkpoint');
    const partitions = (await readNames(folder)).filter((name) => !name.startsWith('.'));
    const read = await Promise.all(
      partitions.map(async (partitionId): Promise<Checkpoint | undefined> => {
        const place = { fullyQualifiedNamespace: namespace, eventHubName: hub, consumerGroup: group, partitionId };
        const position = (await readJsonFile(join(folder, partitionId))) as Position | undefined;
        // A damaged one counts as none: events come again, which is better than never.
        return typeof position?.offset === 'string' ? { ...place, ...position } : undefined;
      }),
    );
    return read.filter((checkpoint) => checkpoint !== undefined);
  }

  /** Whether a partition still belongs to this owner; another host may have taken it while an invocation ran. */
  async isOwner(ownerId: string, namespace: string, hub: string, group: string, partitionId: string): Promise<boolean> {
    const ownership = await this.listOwnership(namespace, hub, group);
    return ownership.some((entry) => entry.partitionId === partitionId && entry.ownerId === ownerId);
  }

  async #claim(claim: PartitionOwnership): Promise<PartitionOwnership | undefined> {
    const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId, ownerId } = claim;
    const folder = this.#folder(fullyQualifiedNamespace, eventHubName, consumerGroup, 'ownership');
    const modifiedMs = this.#now();
    const content: Ownership = { ownerId, modifiedMs, process: this.#process };
    const version = await writeNext(folder, partitionId, Number(claim.etag ?? 0), content);
    return version === undefined ? undefined : { ...claim, etag: String(version), lastModifiedTimeInMs: modifiedMs };
  }

  #folder(namespace: string, hub: string, group: string, kind: 'checkpoint' | 'ownership'): string {
    const parts = [namespace, hub, group].map((part) => encodeURIComponent(part.toLowerCase()));
    return join(this.#root, ...parts, kind);
  }
}

async function readNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
