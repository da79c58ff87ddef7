/** The physical partitions of a container, simulated: ranges of the hash, equal in size and the same for every container. */
import { CosmosError, SUB_STATUS } from '../cosmos-error.ts';
import type { JsonObject } from '../json-value.ts';

/** A range of effective partition keys: from `min` (inclusive) to `max` (exclusive), as hex texts. */
export interface PartitionRange {
  id: string;
  min: string;
  max: string;
}

/** Hashes are below "40": their first two bits are zero. */
const HASH_SPACE = 0x4000;
/** Above every hash. */
const END = 'FF';

/** Cuts the hash space into equal ranges. */
export function partitionRanges(count: number): PartitionRange[] {
  const bound = (index: number) =>
    index === 0
      ? ''
      : index === count
        ? END
        : Math.round((index * HASH_SPACE) / count)
            .toString(16)
            .toUpperCase()
            .padStart(4, '0');
  return Array.from({ length: count }, (_, index) => ({ id: String(index), min: bound(index), max: bound(index + 1) }));
}

/** @throws 410 for a range that is not there: the client's view of the partitions is stale */
export function rangeById(ranges: readonly PartitionRange[], id: string): PartitionRange {
  // Some clients send "containerRid,id".
  const range = ranges.find((known) => known.id === id.split(',').at(-1));
  if (!range)
    throw new CosmosError(
      410,
      `The requested resource is no longer available at the server: the partition key range '${id}' is gone.`,
      {
        subStatus: SUB_STATUS.partitionKeyRangeGone,
      },
    );
  return range;
}

/** A range as a client sees it. */
export function describeRange(
  { id, min, max }: PartitionRange,
  containerSelf: string,
  containerRid: string,
): JsonObject {
  return {
    _rid: `${containerRid}-${id}`,
    id,
    _etag: '"0000"',
    minInclusive: min,
    maxExclusive: max,
    ridPrefix: Number(id),
    _self: `${containerSelf}pkranges/${containerRid}-${id}/`,
    throughputFraction: 1,
    status: 'online',
    parents: [],
    _ts: 0,
    lsn: 0,
  };
}
