/** An event hub: its partitions, its consumer groups, and how events are spread over them. */
import fs from 'node:fs';
import path from 'node:path';
import { type Clock, PartitionLog, type PartitionLogOptions } from './partition-log.ts';
import { partitionOfKey } from './partition-hash.ts';
import { PartitionReaders } from './partition-readers.ts';
import { DamagedLog } from './segment.ts';

/** Partitions a hub may have; the Premium tier's bound. */
const PARTITIONS_MAX = 100;
/** Hours events may be kept; the Premium tier's bound of 90 days. */
const RETENTION_HOURS_MAX = 90 * 24;

const DEFAULT_GROUP = '$Default';

/** A hub as it is configured. */
export interface HubOptions {
  readonly name: string;
  readonly partitionCount: number;
  readonly retentionHours: number;
  readonly consumerGroups: readonly string[];
}

/** How its partitions keep their logs; `dataDir` absent keeps them in memory. */
export interface HubStorage extends Pick<
  PartitionLogOptions,
  'segmentBytes' | 'memoryBytesMax' | 'partitionBytesMax' | 'write'
> {
  readonly dataDir?: string | undefined;
}

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?$/;

function check(options: HubOptions): void {
  const { name, partitionCount, retentionHours, consumerGroups } = options;
  if (!NAME.test(name)) {
    throw new Error(`hubs: the name '${name}' must be 1 to 256 letters, digits, dots, hyphens or underscores.`);
  }
  if (!Number.isInteger(partitionCount) || partitionCount < 1 || partitionCount > PARTITIONS_MAX) {
    throw new Error(`hubs: partitionCount of '${name}' must be a whole number from 1 to ${PARTITIONS_MAX}.`);
  }
  if (!(retentionHours > 0) || retentionHours > RETENTION_HOURS_MAX) {
    throw new Error(`hubs: retentionHours of '${name}' must be above 0 and at most ${RETENTION_HOURS_MAX}.`);
  }
  for (const group of consumerGroups) {
    if (group !== DEFAULT_GROUP && !NAME.test(group)) {
      throw new Error(`hubs: the consumer group '${group}' of '${name}' has characters a group cannot have.`);
    }
  }
}

/** What must not change between two runs over the same folder. */
interface Identity {
  readonly partitionCount: number;
  readonly createdAtMs: number;
}

/** @throws DamagedLog */
function readIdentity(file: string): Identity {
  try {
    const { partitionCount, createdAtMs } = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<Identity>;
    if (Number.isInteger(partitionCount) && Number.isFinite(createdAtMs)) {
      return { partitionCount, createdAtMs } as Identity;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new DamagedLog(`${file} does not say what hub this is. Restore it, or start with an empty data folder.`);
}

function identify(directory: string, options: HubOptions, nowMs: number): Identity {
  const file = path.join(directory, 'hub.json');
  if (!fs.existsSync(file)) {
    const identity = { partitionCount: options.partitionCount, createdAtMs: nowMs };
    fs.mkdirSync(directory, { recursive: true });
    // Renamed into place: a process that dies in between must not leave half a file.
    fs.writeFileSync(`${file}.new`, JSON.stringify(identity));
    fs.renameSync(`${file}.new`, file);
    return identity;
  }
  const identity = readIdentity(file);
  if (identity.partitionCount !== options.partitionCount) {
    throw new Error(
      `The hub '${options.name}' in ${directory} has ${identity.partitionCount} partitions, but ` +
        `${options.partitionCount} are configured. Set it back, or start with an empty data folder.`,
    );
  }
  return identity;
}

/** A hub and everything it holds. */
export class Hub {
  readonly name: string;
  readonly createdAtMs: number;
  readonly partitions: readonly PartitionLog[];
  /** Names of the consumer groups, as configured. */
  readonly groups: readonly string[];
  readonly #readers: ReadonlyMap<string, readonly PartitionReaders[]>;
  #nextPartition = 0;

  /** @throws when the options are out of bounds, or the folder holds another hub or a damaged log */
  constructor(options: HubOptions, storage: HubStorage, now: Clock) {
    check(options);
    this.name = options.name;
    const { dataDir, ...limits } = storage;
    const directory = dataDir === undefined ? undefined : path.join(dataDir, options.name.toLowerCase());
    this.createdAtMs = directory === undefined ? now() : identify(directory, options, now()).createdAtMs;
    this.partitions = Array.from({ length: options.partitionCount }, (_, id) => {
      const retentionMs = options.retentionHours * 3_600_000;
      const partition = directory === undefined ? undefined : path.join(directory, String(id));
      return new PartitionLog({ ...limits, now, retentionMs, directory: partition });
    });
    this.groups = [...new Set([DEFAULT_GROUP, ...options.consumerGroups])];
    this.#readers = new Map(
      this.groups.map((group) => [group.toLowerCase(), this.partitions.map(() => new PartitionReaders())]),
    );
  }

  /** The partition with this id as clients write it, `"0"` and up; undefined when there is none. */
  partition(id: string): PartitionLog | undefined {
    return /^\d{1,4}$/.test(id) ? this.partitions[Number(id)] : undefined;
  }

  /** Who reads a partition in a group; undefined when there is no such group. Group names ignore case. */
  readersOf(group: string, id: string): PartitionReaders | undefined {
    return this.#readers.get(group.toLowerCase())?.[Number(id)];
  }

  hasGroup(group: string): boolean {
    return this.#readers.has(group.toLowerCase());
  }

  /** The partition a send goes to: by its key, or the next in turn. */
  partitionFor(key: string | undefined): PartitionLog {
    const count = this.partitions.length;
    const id = key === undefined ? this.#nextPartition : partitionOfKey(key, count);
    if (key === undefined) this.#nextPartition = (this.#nextPartition + 1) % count;
    const log = this.partitions[id];
    if (log === undefined) throw new RangeError(`partition ${id} of ${count}`);
    return log;
  }

  close(): void {
    for (const partition of this.partitions) partition.close();
  }
}
