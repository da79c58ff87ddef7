/** The Cosmos DB trigger: the change feed of a container, pulled range by range under leases. */
import { ChangeFeedStartFrom, type Container, type CosmosClient, type FeedRange } from '@azure/cosmos';
import { cosmosConnector } from '../../cosmos-connection.ts';
import { type RetryPolicy, retryPolicy, runWithRetries } from '../../retry.ts';
import { asJson } from '../../rpc/typed-data.ts';
import { ErrorLog } from '../error-log.ts';
import type { Listener, Trigger, TriggerSetup } from '../trigger.ts';
import { type CosmosBinding, leaseContainer, readCosmosBinding } from './cosmos-binding.ts';
import { FeedReader } from './feed-reader.ts';
import { type Lease, type LeaseTimes, leasesToTake, newOwner, readLease, writeLease } from './leases.ts';

export const cosmosTrigger: Trigger = {
  type: 'cosmosDBTrigger',
  prepare: (setup) => {
    const { name, retryOptions } = setup.fn.metadata;
    const binding = readCosmosBinding(setup);
    const policy = retryPolicy(name, retryOptions);
    const connect = cosmosConnector(name, binding.connection, setup.readSetting);
    const leaseConnection = binding.leaseConnection ?? binding.connection;
    const connectLeases = cosmosConnector(name, leaseConnection, setup.readSetting);
    return {
      start: async () => startListener(setup, binding, policy, connect, connectLeases),
      manualInput: (input) => {
        const documents = documentsOf(input);
        return { inputData: [{ name: setup.bindingName, data: asJson(documents) }], triggerMetadata: {} };
      },
    };
  },
};

function documentsOf(input: string): unknown[] {
  let documents: unknown;
  try {
    documents = JSON.parse(input);
  } catch {}
  if (!Array.isArray(documents)) throw new Error('input must be the text of a JSON array of documents');
  return documents;
}

function startListener(
  setup: TriggerSetup,
  binding: CosmosBinding,
  policy: RetryPolicy,
  connect: () => Promise<CosmosClient>,
  connectLeases: () => Promise<CosmosClient>,
): Listener {
  const errors = new ErrorLog(setup.log, `Cosmos DB trigger of '${setup.fn.metadata.name}'`);
  const stopping = new AbortController();
  const readers = new Map<string, FeedReader>();

  const clients: CosmosClient[] = [];
  const opened = async (open: () => Promise<CosmosClient>): Promise<CosmosClient> => {
    const client = await open();
    clients.push(client);
    return client;
  };
  const loop = async () => {
    const client = await opened(connect);
    const leaseClient = await opened(connectLeases);
    let feed: Feed | undefined;
    while (!stopping.signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- tried again until the store answers
        feed ??= await openFeed(binding, client, leaseClient);
        // oxlint-disable-next-line no-await-in-loop
        await balance(setup, binding, policy, feed, readers, errors, stopping.signal);
      } catch (error) {
        errors.write('', error);
      }
      // oxlint-disable-next-line no-await-in-loop
      await setup.clock.wait(feed === undefined ? RECONNECT_MS : nextLookMs(binding), stopping.signal);
    }
  };
  const ended = loop().catch((error: unknown) => errors.write('', error));
  return {
    stop: async () => {
      stopping.abort();
      await ended;
      await Promise.all([...readers.values()].map((reader) => reader.stop()));
      for (const client of clients) client.dispose();
    },
  };
}

/** Milliseconds between two tries to reach the store at the start. */
const RECONNECT_MS = 1000;

/** Leases are looked at as often as they must be renewed or may be taken. */
function nextLookMs({ leaseAcquireInterval, leaseRenewInterval }: CosmosBinding): number {
  return Math.min(leaseAcquireInterval, leaseRenewInterval);
}

interface Feed {
  owner: string;
  monitored: Container;
  leases: Container;
  ranges: Map<string, FeedRange>;
}

async function openFeed(binding: CosmosBinding, client: CosmosClient, leaseClient: CosmosClient): Promise<Feed> {
  const monitored = client.database(binding.databaseName).container(binding.containerName);
  const { resource } = await monitored.read();
  const leases = await leaseContainer(leaseClient, binding);
  // By the container's own id: one that was made anew under the same name starts with leases of its own.
  const prefix = `${binding.leaseContainerPrefix}${resource?._rid ?? binding.containerName}`;
  const ranges = await monitored.getFeedRanges();
  const named = ranges.map((range) => [`${prefix}..${range.minInclusive}-${range.maxExclusive}`, range] as const);
  return { owner: newOwner(), monitored, leases, ranges: new Map(named) };
}

async function balance(
  setup: TriggerSetup,
  binding: CosmosBinding,
  policy: RetryPolicy,
  feed: Feed,
  readers: Map<string, FeedReader>,
  errors: ErrorLog,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = setup;
  for (const [id, reader] of readers) {
    if (!reader.isReading) readers.delete(id);
  }
  await Promise.all([...readers.values()].map((reader) => reader.renew(binding.leaseRenewInterval)));
  const leases = await Promise.all(
    [...feed.ranges].map(([id, range]) => readLease(feed.leases, id, `${range.minInclusive}-${range.maxExclusive}`)),
  );
  const times: LeaseTimes = { now: clock.now, expirationMs: binding.leaseExpirationInterval };
  const wanted = leasesToTake(leases, feed.owner, times);
  const taken = await Promise.all(
    wanted.map((lease) => writeLease(feed.leases, { ...lease, Owner: feed.owner, renewedMs: clock.now() })),
  );
  for (const lease of taken) {
    const range = lease === undefined ? undefined : feed.ranges.get(lease.id);
    if (lease === undefined || range === undefined) continue;
    if (signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop -- a stop that came in between must not leave it held
      await writeLease(feed.leases, { ...lease, Owner: undefined });
      continue;
    }
    log(
      'information',
      `'${setup.fn.metadata.name}' reads the change feed of ${binding.containerName}, ${lease.LeaseToken}`,
    );
    readers.set(lease.id, openReader(setup, binding, policy, feed, range, lease, errors));
  }
}

function openReader(
  setup: TriggerSetup,
  binding: CosmosBinding,
  policy: RetryPolicy,
  { monitored, leases }: Feed,
  range: FeedRange,
  lease: Lease,
  errors: ErrorLog,
): FeedReader {
  const { fn, bindingName, executor, clock } = setup;
  return new FeedReader({
    monitored,
    leases,
    range,
    lease,
    clock,
    pollDelayMs: binding.feedPollDelay,
    pageSize: binding.maxItemsPerInvocation,
    start: (from) => startPosition(binding, from),
    onError: (error) => errors.write(lease.LeaseToken, error),
    run: async (documents, signal) => {
      const input = { inputData: [{ name: bindingName, data: asJson(documents) }], triggerMetadata: {} };
      const reason = `New changes on container ${binding.containerName}`;
      await runWithRetries(
        (retryContext) => executor.run(fn, retryContext === undefined ? input : { ...input, retryContext }, reason),
        policy,
        signal,
        clock,
      );
    },
  });
}

function startPosition({ startFromBeginning, startFromTime }: CosmosBinding, range: FeedRange): ChangeFeedStartFrom {
  if (startFromBeginning) return ChangeFeedStartFrom.Beginning(range);
  if (startFromTime !== undefined) return ChangeFeedStartFrom.Time(new Date(startFromTime), range);
  return ChangeFeedStartFrom.Now(range);
}
