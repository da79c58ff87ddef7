/**
 * Azure Cosmos DB (NoSQL) on one machine, for the real SDKs: the REST protocol over plain HTTP on a SQLite file.
 * Faithful in status codes, etags, partition keys, paging, index rules and request charges; not a model of many regions,
 * consistency levels or stored procedures. What it does not implement it refuses by name.
 */
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Account } from './containers/account.ts';
import { partitionRanges } from './containers/partition-ranges.ts';
import { DatabaseFile } from './database-file.ts';
import { Faults } from './faults/faults.ts';
import { OffsetClock } from './faults/offset-clock.ts';
import { RequestUnitBudgets } from './faults/request-unit-budget.ts';
import { signingKey, WELL_KNOWN_KEY } from './protocol/authorization.ts';
import type { Engine } from './protocol/engine.ts';
import { handle } from './protocol/gateway.ts';
import { GroupCommit } from './protocol/group-commit.ts';
import { createListener, REQUEST_MS_MAX } from './protocol/listener.ts';

export interface CosmosOptions {
  /** Folder of the database file; absent = in memory. */
  dataDir?: string;
  host?: string;
  /** 0 picks one. */
  port?: number;
  /** Base64; the well-known key of the emulators when absent. */
  key?: string;
  /** Epoch milliseconds; moves time to live and timestamps. */
  now?: () => number;
  log?: (line: string) => void;
  /** Simulated physical partitions of every container, for the SDK's own fan-out; 1 when absent. */
  partitions?: number;
  /** How a fault ends the process at once; when absent, the stand-in just cuts every connection and lets go of its file. */
  kill?: () => void;
  /** Milliseconds a client may take to send a request. */
  requestMs?: number;
}

/** A running stand-in. */
export interface CosmosServer {
  port: number;
  endpoint: string;
  key: string;
  faults: Faults;
  close(): Promise<void>;
}

/** Name of the file in the data folder. */
const FILE_NAME = 'cosmos.db';
/** Milliseconds between two sweeps of expired items; they are invisible from the moment they expire. */
const SWEEP_MS = 1000;
/** Simulated physical partitions at most. */
const PARTITIONS_MAX = 64;

/**
 * Starts the stand-in.
 * @throws Error with the code EADDRINUSE when the port is taken; with a clear sentence when the file is locked or damaged
 */
export async function startCosmos(options: CosmosOptions = {}): Promise<CosmosServer> {
  const {
    dataDir,
    host = '127.0.0.1',
    port = 0,
    key = WELL_KNOWN_KEY,
    now = Date.now,
    log = () => {},
    partitions = 1,
    requestMs = REQUEST_MS_MAX,
  } = options;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX)
    throw new RangeError(`partitions must be a whole number from 1 to ${PARTITIONS_MAX}.`);
  const path = dataDir === undefined ? undefined : join(dataDir, FILE_NAME);
  const file = DatabaseFile.open(path);
  try {
    const clock = new OffsetClock(now);
    const engine: Engine = {
      file,
      account: readAccount(file, path),
      now: clock.now,
      ranges: partitionRanges(partitions),
    };
    const budgets = new RequestUnitBudgets(clock.now, (of) => engine.account.provisioned(of));
    const closing = new AbortController();
    const signing = signingKey(key);
    /** Ends it without a word to anybody; resolves when the port is free again. */
    const end = (): Promise<void> => {
      clearInterval(sweeper);
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    };
    const kill =
      options.kill ??
      (() => {
        void end();
        file.close();
      });
    const faults = new Faults({ file, budgets, clock, kill });
    const requests = new GroupCommit(engine, (request) => handle(engine, signing, request, log));
    const server = createListener({ requests, faults, budgets, log, closing: closing.signal, requestMs });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const sweeper = setInterval(() => sweep(engine, log), SWEEP_MS);
    sweeper.unref();
    const actualPort = (server.address() as AddressInfo).port;
    return {
      port: actualPort,
      endpoint: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
      key,
      faults,
      async close() {
        await end();
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** @throws Error with a sentence that names the file */
function readAccount(file: DatabaseFile, path: string | undefined): Account {
  try {
    return new Account(file);
  } catch (error) {
    const reason = Error.isError(error) ? error.message : String(error);
    throw new Error(`Cannot read the database file ${path ?? 'in memory'}: ${reason}`, { cause: error });
  }
}

function sweep({ account, now }: Engine, log: (line: string) => void): void {
  try {
    for (const container of account.containers()) container.items.sweep(Math.floor(now() / 1000));
  } catch (error) {
    // A full disk, for example: the items stay invisible, the next sweep tries again.
    log(`Sweeping expired items failed: ${Error.isError(error) ? error.message : String(error)}`);
  }
}
