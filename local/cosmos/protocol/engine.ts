/** What every operation works with: the file, the account, the clock, the partitions. */
import type { Account } from '../containers/account.ts';
import type { Container } from '../containers/container.ts';
import type { PartitionRange } from '../containers/partition-ranges.ts';
import type { DatabaseFile } from '../database-file.ts';

export interface Engine {
  file: DatabaseFile;
  account: Account;
  /** Epoch milliseconds. */
  now: () => number;
  ranges: PartitionRange[];
}

/** What an operation answers with; the gateway adds the headers that every answer has. */
export interface Answer {
  status: number;
  body?: string;
  headers?: Record<string, string>;
  /** Request units. */
  charge: number;
  /** The container it concerned, for the session token. */
  container?: Container;
}

/** Runs work on a container all or nothing. */
export function transaction<T>({ file }: Pick<Engine, 'file'>, container: Container, work: () => T): T {
  try {
    return file.transaction(work);
  } catch (error) {
    container.forgetReservation();
    throw error;
  }
}
