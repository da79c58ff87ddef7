/**
 * The Event Hubs trigger on the real consumer of `@azure/event-hubs`. On the platform the consumer is .NET's event
 * processor: what is copied here is its behaviour (order, batches, retries, checkpoints), not its timing.
 */
import { randomUUID } from 'node:crypto';
import {
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
  type EventPosition,
  type PartitionContext,
  type ReceivedEventData,
  earliestEventPosition,
  latestEventPosition,
} from '@azure/event-hubs';
import { ConfigurationError } from '../../config/configuration-error.ts';
import type { HostConfig } from '../../config/host-json.ts';
import { type EventHubsConnection, eventHubsConnection } from '../../event-hubs-connection.ts';
import { type RetryPolicy, retryPolicy, runWithRetries } from '../../retry.ts';
import { type EventHubPayload, type PayloadOptions, batchPayload, singlePayload } from '../../rpc/event-hub-payload.ts';
import { ErrorLog } from '../error-log.ts';
import type { Listener, Trigger, TriggerSetup } from '../trigger.ts';
import { CheckpointFiles } from './checkpoint-files.ts';
import { PartitionPump } from './partition-pump.ts';

/** Milliseconds between two looks at who owns what. The platform's 10 s would be felt at every restart. */
const BALANCE_MS = 1000;
/** Milliseconds until an owner that has stopped renewing counts as gone (a dead process is noticed at once). */
const OWNERSHIP_EXPIRY_MS = 10_000;
/**
 * Seconds one receive waits for a first event. Short, because the SDK looks only between two receives whether its
 * connection was cut: until then the partition stands still. Not shorter, because each empty one leaves credit behind
 * (its issue 39452), which lets a slow function's backlog come into memory.
 */
const RECEIVE_WAIT_SECONDS = 5;
/** The SDK's defaults (60 s, then 30 s of pause) are made for another continent, not for a loopback stand-in. */
const RETRY_OPTIONS = { maxRetries: 3, timeoutInMs: 10_000, retryDelayInMs: 250, maxRetryDelayInMs: 2000 };

/** The values that a binding may carry. */
interface EventHubBinding {
  connection: string;
  eventHubName: string;
  consumerGroup: string;
  many: boolean;
  binary: boolean;
}

export const eventHubTrigger: Trigger = {
  type: 'eventHubTrigger',
  prepare: (setup) => {
    const binding = readBinding(setup);
    const policy = retryPolicy(setup.fn.metadata.name, setup.fn.metadata.retryOptions);
    const source = eventHubsConnection(setup.fn.metadata.name, binding.connection, setup.readSetting);
    return {
      start: () => listen(setup, binding, policy, source),
      manualInput: (input) => {
        const options = payloadOptions(setup, binding);
        const { data, triggerMetadata } = binding.many
          ? batchPayload([eventByHand(input)], undefined, options)
          : singlePayload(eventByHand(input), undefined, options);
        return { inputData: [{ name: setup.bindingName, data }], triggerMetadata };
      },
    };
  },
};

/** One event that no hub has numbered: .NET's EventData then carries the lowest number and the first moment there is. */
function eventByHand(input: string): ReceivedEventData {
  return {
    body: Buffer.from(input),
    sequenceNumber: -(2 ** 63),
    offset: '',
    enqueuedTimeUtc: new Date('0001-01-01T00:00:00Z'),
    partitionKey: null,
    getRawAmqpMessage: () => ({ body: Buffer.from(input) }),
  };
}

function payloadOptions({ capabilities }: TriggerSetup, { binary }: EventHubBinding): PayloadOptions {
  const includeEmpty = /^true$/i.test(capabilities['IncludeEmptyEntriesInMessagePayload'] ?? '');
  return { binary, includeEmpty };
}

function readBinding({ fn, binding }: TriggerSetup): EventHubBinding {
  const text = (name: string, fallback?: string): string => {
    const value = binding[name] ?? fallback;
    if (typeof value === 'string' && value !== '') return value;
    throw new ConfigurationError(`Function "${fn.metadata.name}": ${name} of its eventHubTrigger must be a text`);
  };
  const cardinality = text('cardinality', 'many').toLowerCase();
  if (cardinality !== 'many' && cardinality !== 'one') {
    throw new ConfigurationError(`Function "${fn.metadata.name}": cardinality must be many or one`);
  }
  return {
    connection: text('connection'),
    eventHubName: text('eventHubName'),
    consumerGroup: text('consumerGroup', '$Default'),
    many: cardinality === 'many',
    binary: text('dataType', 'string').toLowerCase() === 'binary',
  };
}

async function createConsumer(
  source: EventHubsConnection,
  { consumerGroup, eventHubName }: EventHubBinding,
  store: CheckpointFiles,
  options: EventHubConsumerClientOptions,
): Promise<EventHubConsumerClient> {
  if (source.kind === 'connection-string') {
    return source.entityPath === undefined
      ? new EventHubConsumerClient(consumerGroup, source.connectionString, eventHubName, store, options)
      : new EventHubConsumerClient(consumerGroup, source.connectionString, store, options);
  }
  const { DefaultAzureCredential } = await import('@azure/identity');
  const credential = new DefaultAzureCredential();
  return new EventHubConsumerClient(consumerGroup, source.namespace, eventHubName, credential, store, options);
}

async function listen(
  setup: TriggerSetup,
  binding: EventHubBinding,
  policy: RetryPolicy,
  source: EventHubsConnection,
): Promise<Listener> {
  const { config, log } = setup;
  const { name } = setup.fn.metadata;
  const settings = config.eventHubs;
  const store = new CheckpointFiles(setup.dataFolder);
  const identifier = randomUUID();
  const client = await createConsumer(source, binding, store, {
    identifier,
    retryOptions: RETRY_OPTIONS,
    loadBalancingOptions: {
      strategy: 'greedy',
      updateIntervalInMs: settings.loadBalancingUpdateInterval ?? BALANCE_MS,
      partitionOwnershipExpirationIntervalInMs: settings.partitionOwnershipExpirationInterval ?? OWNERSHIP_EXPIRY_MS,
    },
  });
  const errors = new ErrorLog(log, `Event Hubs trigger of '${name}'`, hint);
  const pumps = new Map<string, PartitionPump>();
  const stopping = new AbortController();

  const openPump = (context: PartitionContext, before: Promise<void> | undefined): PartitionPump =>
    new PartitionPump({
      before,
      minBatchSize: settings.minEventBatchSize,
      maxBatchSize: settings.maxEventBatchSize,
      maxWaitMs: settings.maxWaitTime,
      checkpointFrequency: settings.batchCheckpointFrequency,
      run: (events, signal) =>
        runBatch(setup, binding, policy, context, events, AbortSignal.any([signal, stopping.signal])),
      stillOwned: () =>
        store.isOwner(
          identifier,
          context.fullyQualifiedNamespace,
          context.eventHubName,
          context.consumerGroup,
          context.partitionId,
        ),
      checkpoint: async (last) => {
        if (settings.enableCheckpointing) await context.updateCheckpoint(last);
      },
      onError: (error) => errors.write(context.partitionId && `partition ${context.partitionId}`, error),
    });

  const subscription = client.subscribe(
    {
      processInitialize: async (context) => {
        const before = pumps.get(context.partitionId)?.end('lost');
        pumps.set(context.partitionId, openPump(context, before));
        log('information', `'${name}' reads partition ${context.partitionId} of ${context.eventHubName}`);
      },
      processEvents: async (events, context) => {
        // Empty when the wait is over without an event.
        if (events.length > 0) await pumps.get(context.partitionId)?.push(events);
      },
      processClose: async (reason, context) => {
        log('information', `'${name}' lets go of partition ${context.partitionId} (${reason})`);
        void pumps.get(context.partitionId)?.end('lost');
      },
      processError: async (error, context) =>
        errors.write(context.partitionId && `partition ${context.partitionId}`, error),
    },
    {
      startPosition: startPosition(settings.initialOffsetOptions),
      maxBatchSize: settings.maxEventBatchSize,
      maxWaitTimeInSeconds: RECEIVE_WAIT_SECONDS,
      prefetchCount: Math.max(settings.prefetchCount, settings.maxEventBatchSize),
      skipParsingBodyAsJson: true,
    },
  );

  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([...pumps.values()].map((pump) => pump.end('stopping')));
      await subscription.close();
      await client.close();
    },
  };
}

/** What the service says when a checkpoint lies beyond the end of a partition: the hub was made anew under it. */
const STALE_CHECKPOINT = /supplied offset|supplied sequence number|OutOfRange|ArgumentError/i;

function hint(text: string): string {
  return STALE_CHECKPOINT.test(text)
    ? ' The checkpoint may lie beyond the end of a hub that was made anew: delete the folder azure-webjobs-eventhub.'
    : '';
}

async function runBatch(
  setup: TriggerSetup,
  binding: EventHubBinding,
  policy: RetryPolicy,
  context: PartitionContext,
  events: ReceivedEventData[],
  signal: AbortSignal,
): Promise<void> {
  const { fn, bindingName, executor, clock } = setup;
  const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId } = context;
  const source = { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId };
  const options = payloadOptions(setup, binding);
  const invoke = async ({ data, triggerMetadata }: EventHubPayload, reason: string) => {
    const input = { inputData: [{ name: bindingName, data }], triggerMetadata };
    await runWithRetries(
      (retryContext) => executor.run(fn, retryContext === undefined ? input : { ...input, retryContext }, reason),
      policy,
      signal,
      clock,
    );
  };
  const reason = `(null), PartitionId: ${partitionId}, Offset: ${events[0]?.offset}, EnqueueTimeUtc: ${events[0]?.enqueuedTimeUtc.toISOString()}`;
  if (binding.many) return invoke(batchPayload(events, source, options), reason);
  for (const event of events) {
    if (signal.aborted) return;
    // oxlint-disable-next-line no-await-in-loop -- one invocation at a time per partition
    await invoke(singlePayload(event, source, options), reason);
  }
}

function startPosition(offset: HostConfig['eventHubs']['initialOffsetOptions']): EventPosition {
  switch (offset.type) {
    case 'fromstart':
      return earliestEventPosition;
    case 'fromend':
      return latestEventPosition;
    case 'fromenqueuedtime':
      return { enqueuedOn: Date.parse(offset.enqueuedTimeUtc ?? '') };
  }
}
