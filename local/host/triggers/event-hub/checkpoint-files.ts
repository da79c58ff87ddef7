/**
 * Checkpoints and partition ownership in files, laid out like the blobs of the platform:
 * `azure-webjobs-eventhub/{namespace}/{hub}/{group}/checkpoint|ownership/{partition}`, shared by every host process that
 * is given the same folder.
 *
 * Ownership is fenced without locks: each claim is a new file `{partition}.{version}`, hard-linked into place, which
 * fails when that version exists. The version is the etag. A process killed at any point leaves nothing to clean up.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint, CheckpointStore, PartitionOwnership } from '@azure/event-hubs';
import { type ProcessMark, isRunning, thisProcess } from './process-mark.ts';

interface OwnershipFile {
  ownerId: string;
  modifiedMs: number;
  process: ProcessMark;
}

interface Versioned {
  partitionId: string;
  version: number;
}

export class CheckpointFiles implements CheckpointStore {
  readonly #root: string;
  readonly #process = thisProcess();
  readonly #now: () => number;

  constructor(dataFolder: string, now: () => number = Date.now) {
    this.#root = join(dataFolder, 'azure-webjobs-eventhub');
    this.#now = now;
  }

  async listOwnership(namespace: string, hub: string, group: string): Promise<PartitionOwnership[]> {
    const folder = this.#folder(namespace, hub, group, 'ownership');
    const owned = await Promise.all((await currentVersions(folder)).map((entry) => this.#readOwnership(folder, entry)));
    return owned.flatMap((entry) =>
      entry === undefined
        ? []
        : [
            {
              fullyQualifiedNamespace: namespace,
              eventHubName: hub,
              consumerGroup: group,
              partitionId: entry.partitionId,
              etag: String(entry.version),
              // What a dead process holds is free at once: nobody waits out the expiry after a kill -9.
              ownerId: isRunning(entry.process) ? entry.ownerId : '',
              lastModifiedTimeInMs: entry.modifiedMs,
            },
          ],
    );
  }

  async claimOwnership(claims: PartitionOwnership[]): Promise<PartitionOwnership[]> {
    const made = await Promise.all(claims.map((claim) => this.#claim(claim)));
    return made.filter((claim) => claim !== undefined);
  }

  async updateCheckpoint(checkpoint: Checkpoint): Promise<void> {
    const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId, offset, sequenceNumber } = checkpoint;
    const folder = this.#folder(fullyQualifiedNamespace, eventHubName, consumerGroup, 'checkpoint');
    await mkdir(folder, { recursive: true });
    const draft = join(folder, `.${randomUUID()}`);
    await writeFile(draft, JSON.stringify({ offset, sequenceNumber }));
    await rename(draft, join(folder, partitionId));
  }

  async listCheckpoints(namespace: string, hub: string, group: string): Promise<Checkpoint[]> {
    const folder = this.#folder(namespace, hub, group, 'checkpoint');
    const partitions = (await names(folder)).filter((name) => !name.startsWith('.'));
    return Promise.all(
      partitions.map(async (partitionId) => {
        const text = await readFile(join(folder, partitionId), 'utf8');
        const { offset, sequenceNumber } = JSON.parse(text) as { offset: string; sequenceNumber: number };
        const place = { fullyQualifiedNamespace: namespace, eventHubName: hub, consumerGroup: group, partitionId };
        return { ...place, offset, sequenceNumber };
      }),
    );
  }

  /** Whether a partition still belongs to this owner; another host may have taken it while an invocation ran. */
  async isOwner(ownerId: string, namespace: string, hub: string, group: string, partitionId: string): Promise<boolean> {
    const ownership = await this.listOwnership(namespace, hub, group);
    return ownership.some((entry) => entry.partitionId === partitionId && entry.ownerId === ownerId);
  }

  async #claim(claim: PartitionOwnership): Promise<PartitionOwnership | undefined> {
    const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId } = claim;
    const folder = this.#folder(fullyQualifiedNamespace, eventHubName, consumerGroup, 'ownership');
    await mkdir(folder, { recursive: true });
    const version = Number(claim.etag ?? 0) + 1;
    const modifiedMs = this.#now();
    const content: OwnershipFile = { ownerId: claim.ownerId, modifiedMs, process: this.#process };
    const draft = join(folder, `.${randomUUID()}`);
    const target = join(folder, `${partitionId}.${version}`);
    await writeFile(draft, JSON.stringify(content));
    try {
      await link(draft, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
    const versions = (await names(folder)).map(parseVersion).filter((entry) => entry?.partitionId === partitionId);
    // A claim from a stale etag may find its place free again, because older versions are tidied away.
    if (versions.some((entry) => entry !== undefined && entry.version > version)) {
      await rm(target, { force: true });
      return undefined;
    }
    const older = versions.filter((entry) => entry !== undefined && entry.version < version);
    await Promise.all(older.map((entry) => rm(join(folder, `${partitionId}.${entry?.version}`), { force: true })));
    return { ...claim, etag: String(version), lastModifiedTimeInMs: modifiedMs };
  }

  async #readOwnership(folder: string, entry: Versioned): Promise<(OwnershipFile & Versioned) | undefined> {
    let current: Versioned | undefined = entry;
    while (current !== undefined) {
      const { partitionId, version }: Versioned = current;
      try {
        // oxlint-disable-next-line no-await-in-loop -- read again only when the version moved on meanwhile
        const text = await readFile(join(folder, `${partitionId}.${version}`), 'utf8');
        return { ...(JSON.parse(text) as OwnershipFile), partitionId, version };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        // oxlint-disable-next-line no-await-in-loop
        current = (await currentVersions(folder)).find((other) => other.partitionId === partitionId);
      }
    }
    return undefined;
  }

  #folder(namespace: string, hub: string, group: string, kind: 'checkpoint' | 'ownership'): string {
    const parts = [namespace, hub, group].map((part) => encodeURIComponent(part.toLowerCase()));
    return join(this.#root, ...parts, kind);
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function parseVersion(name: string): Versioned | undefined {
  const match = /^([^.].*)\.(\d+)$/.exec(name);
  return match === null ? undefined : { partitionId: match[1] ?? '', version: Number(match[2]) };
}

async function currentVersions(folder: string): Promise<Versioned[]> {
  const current = new Map<string, Versioned>();
  for (const entry of (await names(folder)).map(parseVersion)) {
    if (entry !== undefined && entry.version > (current.get(entry.partitionId)?.version ?? 0)) {
      current.set(entry.partitionId, entry);
    }
  }
  return [...current.values()];
}
